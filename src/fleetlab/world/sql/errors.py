"""Errors in PostgreSQL's words: psycopg's own exception classes, with the SQLSTATE that an answer may look at."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import psycopg
from psycopg import errors as pg
from psycopg.pq import DiagnosticField

from .names import Names

LOST = (
    "server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request."
)
CLOSED = "the connection is closed"
ABORTED = "current transaction is aborted, commands ignored until end of transaction block"
LOCK_TIMEOUT = "canceling statement due to lock timeout"
STATEMENT_TIMEOUT = "canceling statement due to statement timeout"
MOMENT = "A string as a moment (pass a datetime, or write timestamptz '…')"
TIMED_OUT = "consuming input failed: could not receive data from server: Connection timed out"


class NotSimulated(Exception):
    """Asked of the simulated database, but only a real PostgreSQL does it.

    Not an error of SQLAlchemy, so that no `except SQLAlchemyError` hides it.
    """


def refuse(what: str) -> NotSimulated:
    """Return the one sentence that refuses something."""
    return NotSimulated(f"{what} is not simulated: it runs on a real PostgreSQL (set DATABASE_URL).")


def error(kind: type[psycopg.Error] | str, message: str, **fields: str) -> psycopg.Error:
    """Return an error with its diagnostics; `fields` are those of `error.diag` (constraint_name, table_name, …)."""
    cls = psycopg.errors.lookup(kind) if isinstance(kind, str) else kind
    info = {DiagnosticField.MESSAGE_PRIMARY: message, DiagnosticField.SEVERITY: "ERROR"}
    if cls.sqlstate:
        info[DiagnosticField.SQLSTATE] = cls.sqlstate
    info |= {DiagnosticField[name.upper()]: value for name, value in fields.items()}
    return cls(message, info={field: value.encode() for field, value in info.items()})


def connecting(host: str, reason: str) -> psycopg.OperationalError:
    """Return the error of an attempt to connect."""
    return psycopg.OperationalError(f'connection failed: connection to server at "{host}", port 5432 failed: {reason}')


def _unique(found: re.Match[str], names: Names) -> psycopg.Error:
    columns = [part.partition(".") for part in found[1].split(", ")]
    table = columns[0][0]
    name = names.unique(table, [column for _, _, column in columns])
    return error(
        pg.UniqueViolation,
        f'duplicate key value violates unique constraint "{name}"',
        constraint_name=name,
        table_name=table,
    )


def _unique_index(found: re.Match[str], names: Names) -> psycopg.Error:
    name = found[1]
    message = f'duplicate key value violates unique constraint "{name}"'
    return error(pg.UniqueViolation, message, constraint_name=name)


def _not_null(found: re.Match[str], names: Names) -> psycopg.Error:
    table, column = found[1], found[2]
    message = f'null value in column "{column}" of relation "{table}" violates not-null constraint'
    return error(pg.NotNullViolation, message, table_name=table, column_name=column)


def _check(found: re.Match[str], names: Names) -> Exception:
    if found[1] == MOMENT:
        return refuse(MOMENT)
    coded = re.fullmatch(r"(\d[0-9A-Z]{4}) (.*)", found[1])
    if coded:  # a check of ours, which stands for a type
        return error(coded[1], coded[2])
    table, name = names.check(found[1])
    message = f'new row for relation "{table}" violates check constraint "{name}"'
    return error(pg.CheckViolation, message, constraint_name=name, table_name=table)


def _foreign_key(found: re.Match[str], names: Names) -> psycopg.Error:
    table, name, child = names.foreign_key()
    if child:
        message = f'update or delete on table "{table}" violates foreign key constraint "{name}" on table "{child}"'
    else:
        message = f'insert or update on table "{table}" violates foreign key constraint "{name}"'
    return error(pg.ForeignKeyViolation, message, constraint_name=name, table_name=child or table)


def _plain(cls: type[psycopg.Error], message: str) -> Callable[[re.Match[str], Names], psycopg.Error]:
    return lambda found, names: error(cls, found.expand(message))


_HINT = " (if a real PostgreSQL understands it, the simulated one does not: set DATABASE_URL)"
_TRANSLATIONS: list[tuple[str, Callable[[re.Match[str], Names], Exception]]] = [
    (r"UNIQUE constraint failed: index '(.+)'", _unique_index),
    (r"UNIQUE constraint failed: (.+)", _unique),
    (r"NOT NULL constraint failed: ([^.]+)\.(.+)", _not_null),
    (r"CHECK constraint failed: (?s:(.+))", _check),
    (r"FOREIGN KEY constraint failed", _foreign_key),
    (
        r"table .+ has \d+ columns? but \d+ values were supplied|\d+ values for \d+ columns",
        _plain(pg.SyntaxError, "INSERT has more expressions than target columns"),
    ),
    (r"no such table: (?:main\.)?(.+)", _plain(pg.UndefinedTable, r'relation "\1" does not exist')),
    (r"no such column: \"?(.+?)\"?", _plain(pg.UndefinedColumn, r'column "\1" does not exist')),
    (
        r"table (.+) has no column named (.+)",
        _plain(pg.UndefinedColumn, r'column "\2" of relation "\1" does not exist'),
    ),
    (r"(?:table|view) (.+) already exists", _plain(pg.DuplicateTable, r'relation "\1" already exists')),
    (r"index (.+) already exists", _plain(pg.DuplicateTable, r'relation "\1" already exists')),
    (r"no such index: (.+)", _plain(pg.UndefinedObject, r'index "\1" does not exist')),
    (r"duplicate column name: (.+)", _plain(pg.DuplicateColumn, r'column "\1" already exists')),
    (r"no such function: (.+)", _plain(pg.UndefinedFunction, r"function \1 does not exist" + _HINT)),
    (r"ambiguous column name: (.+)", _plain(pg.AmbiguousColumn, r'column reference "\1" is ambiguous')),
    (r'near "(.+)": syntax error', _plain(pg.SyntaxError, r'syntax error at or near "\1"' + _HINT)),
    (r"unrecognized token: \"(.+)\"", _plain(pg.SyntaxError, r'syntax error at or near "\1"' + _HINT)),
    (
        r"Cannot add a NOT NULL column with default value NULL",
        _plain(pg.NotNullViolation, "the new column contains null values"),
    ),
    (r"Cannot (add a (?:UNIQUE|PRIMARY KEY|REFERENCES) column.*)", lambda found, names: refuse(f"To {found[1]}")),
    (r"Cannot (add a column with non-constant default)", lambda found, names: refuse(f"To {found[1]}")),
    (r"error in (?:index|view|table) .+ after drop column: .+", lambda found, names: refuse("To drop this column")),
    (r'cannot drop .+ column: "(.+)"', lambda found, names: refuse(f"To drop the column {found[1]}")),
    (r"incomplete input", _plain(pg.SyntaxError, "syntax error at end of input")),
    (r"integer overflow", _plain(pg.NumericValueOutOfRange, "bigint out of range")),
    (
        r"ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint",
        _plain(
            pg.InvalidColumnReference,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        ),
    ),
]


def translated(failure: sqlite3.Error | OverflowError, names: Names) -> Exception:
    """Return what PostgreSQL, through psycopg, raises for an error of SQLite."""
    text = str(failure)
    for pattern, make in _TRANSLATIONS:
        found = re.fullmatch(pattern, text)
        if found:
            return make(found, names)
    if isinstance(failure, OverflowError):
        return error(pg.NumericValueOutOfRange, "bigint out of range")
    if "one statement at a time" in text:
        return refuse("Several statements in one call")
    if isinstance(failure, sqlite3.ProgrammingError) and "binding" in text:
        return psycopg.ProgrammingError(text)
    return psycopg.ProgrammingError(text + _HINT)
