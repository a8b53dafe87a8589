"""The driver's face (DB-API 2): connections and cursors as psycopg has them, with psycopg's own exceptions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - a name of DB-API 2
)

from fleetlab.sim import Process
from fleetlab.sim.process import current_process

from .errors import refuse
from .session import Session

apilevel, threadsafety, paramstyle = "2.0", 2, "qmark"
sqlite_version_info = sqlite3.sqlite_version_info
version = psycopg.__version__
Binary = bytes
_NO_ROWS = "the last operation didn't produce a result"


class Connection:
    """One connection of a client to the simulated server."""

    __slots__ = ("__weakref__", "session")

    def __init__(self, session: Session) -> None:
        self.session = session

    def __repr__(self) -> str:
        return f"<Connection of {self.session.lane} to {self.session.store}>"

    @property
    def closed(self) -> bool:
        """Whether the connection is closed, by either side."""
        return self.session.closed

    broken = closed

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self.session.autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if self.session.open:
            raise ProgrammingError("can't change 'autocommit' now: connection in transaction status INTRANS")
        self.session.autocommit = value

    def cursor(self, *arguments: Any, **options: Any) -> Cursor:
        """Return a cursor on the client's side."""
        if arguments or options:
            raise refuse("A named or special cursor")
        return Cursor(self)

    def execute(self, query: str, parameters: Any = ()) -> Cursor:
        """Run a statement on a new cursor."""
        return self.cursor().execute(query, parameters)

    def commit(self) -> None:
        """Commit the open transaction, if there is one."""
        self.session.commit()

    def rollback(self) -> None:
        """Roll the open transaction back, if there is one."""
        self.session.rollback()

    def close(self) -> None:
        """Close the connection: an open transaction rolls back."""
        self.session.cut()


class Cursor:
    """The rows of one statement, fetched as a whole when it runs."""

    __slots__ = ("_next", "_rows", "arraysize", "connection", "description", "lastrowid", "rowcount")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: Any = None
        self.rowcount = -1
        self.arraysize = 1
        self.lastrowid = 0
        self._rows: list[Any] | None = None
        self._next = 0

    def execute(self, query: str, parameters: Any = ()) -> Cursor:
        """Run one statement."""
        self._rows, self.description, self.rowcount = self.connection.session.execute(query, parameters or ())
        self._next = 0
        return self

    def executemany(self, query: str, parameters: Sequence[Any]) -> Cursor:
        """Run one statement once for each set of parameters."""
        if parameters:
            result = self.connection.session.execute(query, list(parameters), many=True)
            self._rows, self.description, self.rowcount = result
        return self

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows = self._rows
        if rows is None:
            raise ProgrammingError(_NO_ROWS)
        start, self._next = self._next, len(rows)
        return rows[start:] if start else rows

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        rows, i = self._rows, self._next
        if rows is None:
            raise ProgrammingError(_NO_ROWS)
        if i >= len(rows):
            return None
        self._next = i + 1
        return rows[i]

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows, at most `size`."""
        if self._rows is None:
            raise ProgrammingError(_NO_ROWS)
        start = self._next
        found = self._rows[start : start + (size or self.arraysize)]
        self._next = start + len(found)
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def close(self) -> None:
        """Forget the rows, and how many there were, as psycopg does."""
        self._rows = None
        self.rowcount = -1

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing, as psycopg does not either."""

    setoutputsize = setinputsizes


def connect(*arguments: Any, **options: Any) -> Connection:
    """Connect as `create_engine(env.database.url, …)` does inside an instance; refuse outside of one."""
    process = current_process()
    server: Any = process.state(connect, lambda: None) if process is not None else None
    if server is None:
        raise InterfaceError("Connect through env.database, the engine that an instance is given.")
    return server(options)  # type: ignore[no-any-return]


def serve(process: Process, server: Callable[[dict[str, Any]], Connection]) -> None:
    """Let engines that a process makes by itself reach `server`, which takes the arguments of `connect`."""
    process.state(connect, lambda: server)


__all__ = [
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "connect",
    "serve",
]
