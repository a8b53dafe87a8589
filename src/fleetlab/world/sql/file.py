"""One temporary SQLite file in WAL mode: its connections, its template, its reset."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import Session

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers see the old row while a write is open
    "PRAGMA synchronous = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",
)


class Handle:
    """One SQLite connection, reused by one session after another."""

    __slots__ = ("error", "raw", "session", "used_temp")

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.session: Session | None = None
        self.error: BaseException | None = None
        self.used_temp = False


class File:
    """A database file on the RAM disk if there is one; `prepare` is told of each new connection."""

    def __init__(self, prepare: Callable[[Handle], None]) -> None:
        shared = Path("/dev/shm")  # noqa: S108 - the RAM disk
        self._directory = tempfile.mkdtemp(prefix="fleetlab-", dir=shared if _writable(shared) else None)
        self._path = str(Path(self._directory) / "database.sqlite")
        self._prepare = prepare
        self._idle: list[Handle] = []
        self._all: list[sqlite3.Connection] = []
        self._template = sqlite3.connect(":memory:", check_same_thread=False)
        self._main = self._open()
        self._clean = self._changes()
        self.remove = weakref.finalize(self, _remove, self._directory, self._all)

    def _open(self) -> Handle:
        raw = sqlite3.connect(
            self._path,
            timeout=0,
            isolation_level=None,
            detect_types=sqlite3.PARSE_DECLTYPES,
            check_same_thread=False,
            cached_statements=512,
        )
        for pragma in _PRAGMAS:
            raw.execute(pragma)
        handle = Handle(raw)
        self._prepare(handle)
        self._all.append(raw)
        return handle

    def take(self, session: Session) -> Handle:
        """Return a connection for a session."""
        handle = self._idle.pop() if self._idle else self._open()
        handle.session = session
        return handle

    def give(self, handle: Handle) -> None:
        """Take a connection back: whatever its transaction did is undone."""
        handle.session = handle.error = None
        with suppress(sqlite3.ProgrammingError):
            if handle.raw.in_transaction:
                handle.raw.rollback()
        if handle.used_temp:
            self._all.remove(handle.raw)
            handle.raw.close()
        else:
            self._idle.append(handle)

    def _changes(self) -> Any:
        """Return a number that differs as soon as any connection has committed a change."""
        return self._main.raw.execute("PRAGMA data_version").fetchone()[0]

    def reset(self) -> None:
        """Make the file what the template is; costs next to nothing if nothing was written."""
        if self._changes() != self._clean:
            self._template.backup(self._main.raw)
            self._clean = self._changes()

    def snapshot(self) -> None:
        """Make the present content the template."""
        self._main.raw.backup(self._template)
        self._clean = self._changes()


def _writable(directory: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _remove(directory: str, connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        with suppress(sqlite3.Error):
            connection.close()
    shutil.rmtree(directory, ignore_errors=True)
