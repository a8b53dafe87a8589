"""What was committed when a statement began to wait: its subqueries keep seeing that, as on PostgreSQL.

READ COMMITTED gives a statement one snapshot, taken when it begins. A row that it had to wait for is looked at once
more; what a SELECT inside of the statement has found is not (PostgreSQL documentation, Transaction Isolation).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from .tokens import Token, op, sql_of
from .values import adapted

if TYPE_CHECKING:
    from .session import Session
    from .statement import Statement

Span = tuple[int, int]


def subqueries(parts: list[Token]) -> list[Span]:
    """Return where the SELECTs inside a change begin and end, the outermost ones alone."""
    found: list[Span] = []
    i = 0
    while i < len(parts):
        if parts[i].up == "SELECT":
            found.append((i, _end(parts, i)))
            i = found[-1][1]
        i += 1
    return found


def _end(parts: list[Token], start: int) -> int:
    """Return where a SELECT ends: at its parenthesis, or at what an INSERT says after it."""
    depth = 0
    for i in range(start, len(parts)):
        depth += {"(": 1, ")": -1}.get(parts[i].text, 0)
        conflict = parts[i].up == "ON" and [part.up for part in parts[i + 1 : i + 2]] == ["CONFLICT"]
        if depth < 0 or (depth == 0 and (conflict or parts[i].up == "RETURNING")):
            return i
    return len(parts)


class Before:
    """What is committed now, for a session that is about to wait; `close` it."""

    def __init__(self, session: Session) -> None:
        self._file = session.db.file
        self._handle = self._file.take(session)
        self._handle.raw.execute("BEGIN")
        self._handle.raw.execute("SELECT 1 FROM sqlite_master").fetchone()  # the first read takes SQLite's snapshot

    def close(self) -> None:
        """Let go of the snapshot."""
        self._file.give(self._handle)

    def resolved(self, statement: Statement, parameters: Any) -> tuple[str, Any]:
        """Return a statement with what its subqueries find here in their place, and the parameters that are left."""
        parts = list(statement.numbered)
        for start, end in reversed(statement.inner):
            named = isinstance(parameters, dict)
            first, after = (sum(part.kind == "param" for part in parts[:at]) for at in (start, end))
            values = self._values(sql_of(parts[start:end]), parameters if named else parameters[first:after])
            if values:
                parts[start:end] = [op(values)]
                parameters = parameters if named else (*parameters[:first], *parameters[after:])
        return sql_of(parts), parameters

    def _values(self, query: str, parameters: Any) -> str:
        """Return what a query finds, as SQL; nothing where it needs a row of the statement around it."""
        try:
            cursor = self._handle.raw.execute(query, adapted(parameters))
        except sqlite3.OperationalError:
            return ""
        rows = cursor.fetchall()
        if not rows:
            return f"SELECT {', '.join(['NULL'] * len(cursor.description))} WHERE 0"
        return f"VALUES {', '.join('(' + ', '.join(map(self._quoted, row)) + ')' for row in rows)}"

    def _quoted(self, value: Any) -> str:
        return str(self._handle.raw.execute("SELECT quote(?)", adapted([value])).fetchone()[0])
