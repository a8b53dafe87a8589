"""Changes: a statement that writes, or locks rows, runs under the one write lock of the database.

A change of nothing waits for nobody and keeps no lock, as row locks would never have been taken.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg

from . import control
from .before import Before
from .names import Names
from .statement import Statement
from .values import adapted

if TYPE_CHECKING:
    from .session import Session

Result = tuple[list[Any] | None, Any, int]
"""What a statement returned: its rows, if it returns any, their description, and how many rows it touched."""

NOTHING: Result = (None, None, 0)


def write(session: Session, statement: Statement, parameters: Any, many: bool) -> Result:
    """Run a statement under the write lock, waiting for it in virtual time."""
    fresh, sql = not session.writing, statement.sql
    if fresh:
        if session.db.lock.holders:
            sql, parameters = _waited(session, statement, parameters, many)
            if not sql:
                return _none(session, statement, parameters)
        if session.open:
            session.begin_writing()
    try:
        result = _change(session, statement, sql, parameters, many)
    except (sqlite3.Error, OverflowError, psycopg.Error):
        if fresh:
            session.stop_writing()
        raise
    if fresh and not result[2]:
        session.stop_writing()
    return result if statement.kind != "ddl" else (None, None, -1)


# -- somebody else is writing


def _waited(session: Session, statement: Statement, parameters: Any, many: bool) -> tuple[str, Any]:
    """Wait for the write lock, and return what to run then; no SQL if there is nothing to do without the lock."""
    if many or not statement.inner:
        return statement.sql if _lock_free(session, statement, parameters) else "", parameters
    before = Before(session)
    try:
        if not _lock_free(session, statement, parameters):
            return "", parameters
        return before.resolved(statement, parameters)
    finally:
        before.close()


def _lock_free(session: Session, statement: Statement, parameters: Any) -> bool:
    """Wait for the write lock; False if the statement finds nothing to do without it."""
    if statement.locking.skip_locked:
        return False
    if statement.probe and not _finds(session, statement, parameters):
        return False
    if statement.locking.nowait:
        raise pg.LockNotAvailable(f'could not obtain lock on row in relation "{statement.table}"')
    session.db.lock.wait(session)
    return True


def _finds(session: Session, statement: Statement, parameters: Any) -> bool:
    """Tell whether any row would be changed or locked, as far as others have committed."""
    if isinstance(parameters, list):  # several sets of parameters
        return True
    given = adapted(statement.probe_parameters(parameters))
    return session.raw.execute(statement.probe, given).fetchone() is not None


def _none(session: Session, statement: Statement, parameters: Any) -> Result:
    """Return the result of a statement that finds no row; it may have columns all the same."""
    if statement.empty:
        return [], session.raw.execute(statement.empty).description, 0
    if statement.probe == statement.sql:  # a SELECT
        return [], session.raw.execute(statement.sql, adapted(parameters)).description, 0
    return NOTHING


# -- the change itself


def _change(session: Session, statement: Statement, sql: str, parameters: Any, many: bool) -> Result:
    if statement.kind == "ddl":
        return None, None, control.change_schema(session, statement)
    sql = _with_target(session, statement) if statement.constraint else sql
    if many:
        cursor = session.raw.executemany(sql, [adapted(one) for one in parameters])
        return None, None, cursor.rowcount
    try:
        cursor = session.raw.execute(sql, adapted(parameters))
    except sqlite3.OperationalError as failure:
        cursor = session.raw.execute(_with_columns(session, statement, failure), adapted(parameters))
    if cursor.description is None:
        return None, None, cursor.rowcount if cursor.rowcount >= 0 else _changes(session)
    rows = cursor.fetchall()
    if statement.read is not None:
        rows = statement.read(rows)
    return rows, cursor.description, len(rows)


def _changes(session: Session) -> int:
    """Return how many rows the last change touched: Python's driver does not say so of one that begins with WITH."""
    changed: int = session.raw.execute("SELECT changes()").fetchone()[0]
    return changed


def _with_columns(session: Session, statement: Statement, failure: sqlite3.OperationalError) -> str:
    """Name the columns of an INSERT that gives fewer values: PostgreSQL takes defaults for the rest."""
    found = re.fullmatch(r"table (.+) has (\d+) columns but (\d+) values were supplied", str(failure))
    if found is None or int(found[3]) > int(found[2]):
        raise failure
    names = [row[1] for row in session.raw.execute(f'PRAGMA table_info("{found[1]}")').fetchall()]
    listed = ", ".join(f'"{name}"' for name in names[: int(found[3])])
    return re.sub(r"^(INSERT INTO \S+)", rf"\1 ({listed})", statement.sql, count=1, flags=re.IGNORECASE)


def _with_target(session: Session, statement: Statement) -> str:
    """Name the columns of the constraint of an `ON CONFLICT ON CONSTRAINT`."""
    columns = Names(session.raw).columns(statement.table, statement.constraint)
    if columns is None:
        message = f'constraint "{statement.constraint}" for table "{statement.table}" does not exist'
        raise pg.UndefinedObject(message)
    return statement.sql.replace(statement.MARK, "(" + ", ".join(f'"{column}"' for column in columns) + ")")
