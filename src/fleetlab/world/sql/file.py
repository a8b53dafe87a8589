"""One temporary SQLite file in WAL mode: its connections, its template, its reset."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetlab.sim.environment import _real_register

if TYPE_CHECKING:
    from .session import Session

_RAM = Path("/dev/shm")  # noqa: S108
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers see the old row while a write is open
    "PRAGMA synchronous = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",
)


def _folder(prefix: str) -> str:
    """Make a folder on the RAM disk, or among temporary files where there is none that may be written."""
    with suppress(OSError):
        return tempfile.mkdtemp(prefix=prefix, dir=_RAM)
    return tempfile.mkdtemp(prefix=prefix)


class Handle:
    """One SQLite connection, reused by one session after another."""

    __slots__ = ("__weakref__", "error", "raw", "session", "used_temp")

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.session: Session | None = None
        self.error: BaseException | None = None
        self.used_temp = False


class File:
    """A database file on the RAM disk if there is one; `prepare` is told of each new connection.

    Its template lies beside it. A reset that finds the template's tables empties and refills them, which leaves the
    statements that connections have prepared as they are; after a change of the schema it copies the whole file.
    """

    def __init__(self, prepare: Callable[[Handle], None]) -> None:
        # In a task a random name is a function of the seed: another process, or a later file, may well draw the same.
        self.directory = _folder(f"fleetlab-{os.getpid()}-")
        self._lent = [self.directory]
        self._prepare = prepare
        self._idle: list[Handle] = []
        self._all: list[sqlite3.Connection] = []
        _real_register(_remove, self._lent, self._all)
        template = str(Path(self.directory) / "template.sqlite")
        self._template = sqlite3.connect(template, isolation_level=None, check_same_thread=False)
        self._template.execute("PRAGMA synchronous = OFF")
        self._main = self._open().raw
        self._main.execute("PRAGMA foreign_keys = OFF")  # tables are refilled in any order
        self._main.execute("ATTACH ? AS template", (template,))
        self._all.append(self._template)
        self._refill: list[str] = []
        self._clean = self._schema = 0
        self._remember()

    def close(self) -> None:
        """Close every connection and delete the file; a second call does nothing."""
        _remove(self._lent, self._all)

    __del__ = close

    def _open(self) -> Handle:
        raw = sqlite3.connect(
            str(Path(self.directory) / "database.sqlite"),
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
        if handle.raw.in_transaction:
            handle.raw.execute("ROLLBACK")
        if handle.used_temp:
            self._all.remove(handle.raw)
            handle.raw.close()
        else:
            self._idle.append(handle)

    def copy(self) -> sqlite3.Connection:
        """Return a copy of what is committed, in memory."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._main.backup(copy)
        return copy

    def restore(self, copy: sqlite3.Connection) -> None:
        """Make the content that of a copy, which is used up."""
        copy.backup(self._main)
        copy.close()

    # -- the template

    def reset(self) -> None:
        """Make the file what the template is; costs next to nothing if nothing was written."""
        version = self._number("data_version")
        if version == self._clean:
            return
        if self._number("schema_version") == self._schema:
            for statement in self._refill:
                self._main.execute(statement)
            self._clean = version
        else:
            self._template.backup(self._main)
            self._remember()

    def snapshot(self) -> None:
        """Make the present content the template."""
        self._main.backup(self._template)
        names = self._main.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        self._refill = ["BEGIN IMMEDIATE"]
        for (name,) in names:
            rows = f'main."{name}"'
            self._refill.append(f"DELETE FROM {rows}")  # noqa: S608 - names from the catalogue
            if self._main.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone():  # noqa: S608
                self._refill.append(f'INSERT INTO {rows} SELECT * FROM template."{name}"')  # noqa: S608
        self._refill.append("COMMIT")
        self._remember()

    def _remember(self) -> None:
        self._clean, self._schema = self._number("data_version"), self._number("schema_version")

    def _number(self, name: str) -> Any:
        """Return data_version, which differs once another connection has committed, or schema_version."""
        return self._main.execute(f"PRAGMA main.{name}").fetchone()[0]


def _remove(lent: list[str], connections: list[sqlite3.Connection]) -> None:
    """Close connections and delete directories, once: a name may belong to somebody else by the next time."""
    while connections:
        with suppress(sqlite3.Error):
            connections.pop().close()
    while lent:
        shutil.rmtree(lent.pop(), ignore_errors=True)
