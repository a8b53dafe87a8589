"""Statements about the transaction and the session: BEGIN, SAVEPOINT, SET, SHOW, LOCK; and changes of the schema."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import errors as pg

from . import alter
from .errors import ABORTED, refuse
from .names import Names
from .tokens import Token, name_of

if TYPE_CHECKING:
    from .session import Session
    from .statement import Statement


class Savepoint(NamedTuple):
    """A savepoint: whether SQLite's transaction was open when it was made, and how many advisory locks were held."""

    name: str
    writing: bool
    held: int


def run(session: Session, statement: Statement) -> tuple[Any, Any, int]:
    """Run a statement that controls the transaction or the session."""
    parts = statement.original
    ups = [part.up for part in parts]
    if "PREPARED" in ups or (ups[0] == "PREPARE"):
        raise refuse("Two-phase commit")
    if session.aborted and ups[0] not in ("ROLLBACK", "ABORT", "COMMIT", "END"):
        raise pg.InFailedSqlTransaction(ABORTED)
    if ups[0] == "SHOW":
        name = "transaction_isolation" if "ISOLATION" in ups else parts[1].text
        shown = session.db.slots.show(name.lower()) or session.settings.show(name)
        return [(shown,)], ((name, None, None, None, None, None, None),), 1
    if ups[0] == "SAVEPOINT":
        _savepoint(session, name_of(parts[1]))
    elif ups[0] == "RELEASE":
        _release(session, name_of(parts[-1]))
    elif ups[0] == "ROLLBACK" and "TO" in ups:
        _rollback_to(session, name_of(parts[-1]))
    elif ups[0] in ("BEGIN", "START"):
        _check_isolation(ups)
        session.open = True
    elif ups[0] in ("COMMIT", "END"):
        session.do_commit(None)
    elif ups[0] in ("ROLLBACK", "ABORT"):
        session.end(committed=False)
    elif ups[0] == "LOCK":
        _lock(session, ups)
    else:
        _set(session, parts, ups)
    return None, None, 0


# -- savepoints: SQLite's own once a write has begun, only noted before


def _savepoint(session: Session, name: str) -> None:
    if not session.open:
        raise pg.NoActiveSqlTransaction("SAVEPOINT can only be used in transaction blocks")
    if session.writing:
        session.raw.execute(f"SAVEPOINT p{len(session.points)}")
    session.points.append(Savepoint(name, session.writing, len(session.held.of_transaction)))


def _found(session: Session, name: str) -> int:
    for i in reversed(range(len(session.points))):
        if session.points[i].name == name:
            return i
    raise pg.InvalidSavepointSpecification(f'savepoint "{name}" does not exist')


def _release(session: Session, name: str) -> None:
    i = _found(session, name)
    if session.writing:
        session.raw.execute(f"RELEASE p{i}")
    del session.points[i:]


def _rollback_to(session: Session, name: str) -> None:
    i = _found(session, name)
    point = session.points[i]
    if session.writing and point.writing:
        session.raw.execute(f"ROLLBACK TO p{i}")
    else:
        session.stop_writing()
    session.held.end_transaction(keep=point.held)
    del session.points[i + 1 :]
    session.aborted = False


# -- settings


def _check_isolation(ups: list[str]) -> None:
    for level in ("SERIALIZABLE", "REPEATABLE", "ONLY"):
        if level in ups:
            raise refuse({"REPEATABLE": "REPEATABLE READ", "ONLY": "READ ONLY"}.get(level, level))


def _set(session: Session, parts: list[Token], ups: list[str]) -> None:
    _check_isolation(ups)
    if "ISOLATION" in ups:
        return
    if ups[0] == "RESET":
        session.settings.reset(parts[1].text)
        return
    words = [part for part in parts[1:] if part.up not in ("SESSION", "LOCAL", "TO", "=")]
    if words[0].up == "TIME":
        words = [Token("word", "timezone"), *words[2:]]
    value = "".join(part.text for part in words[1:])
    local = "LOCAL" in ups
    if not (local and not session.open):  # outside a transaction SET LOCAL has no effect, as in PostgreSQL
        session.settings.put(words[0].text, value, local=local, in_transaction=session.open)


def _lock(session: Session, ups: list[str]) -> None:
    """Run `LOCK TABLE`: modes that stop writers take the write lock; those that stop readers are refused."""
    if not session.open:
        raise pg.NoActiveSqlTransaction("LOCK TABLE can only be used in transaction blocks")
    mode = " ".join(ups[ups.index("IN") + 1 : ups.index("MODE")]) if "MODE" in ups else "ACCESS EXCLUSIVE"
    if mode not in ("EXCLUSIVE", "SHARE ROW EXCLUSIVE"):
        raise refuse(f"LOCK TABLE IN {mode} MODE")
    if session.writing:
        return
    if session.db.lock.holders:
        if "NOWAIT" in ups:
            raise pg.LockNotAvailable("could not obtain lock on relation")
        session.db.lock.wait(session)
    session.begin_writing()


# -- the schema


_LOOK = "SELECT 1 FROM main.sqlite_master LIMIT 1"


def change_schema(session: Session, statement: Statement) -> int:
    """Change the schema, or empty a table; return how much changed, 0 if everything was so already."""
    change = statement.change
    assert change is not None
    session.raw.execute(_LOOK).fetchone()  # SQLite compares an ALTER with the schema as this connection last saw it
    if session.open and any(part.up == "CONCURRENTLY" for part in statement.original):
        verb = " ".join(part.up for part in statement.original[:2])
        raise pg.ActiveSqlTransaction(f"{verb} CONCURRENTLY cannot run inside a transaction block")
    if any(part.up in ("TEMP", "TEMPORARY") for part in statement.original[:3]):
        session.handle.used_temp = True
    if change.guard is not None:
        name, wanted = change.guard
        columns = [row[1] for row in session.raw.execute(f'PRAGMA table_info("{change.table}")').fetchall()]
        if (name in columns) is not wanted:
            return 0
    if change.alteration is not None:
        return alter.run(session, change.alteration)
    if [part.up for part in statement.original[:2]] == ["DROP", "TABLE"]:
        _check_dependants(session, statement)
    _restart(session, statement, change.sequences)
    before = _version(session)
    deleted = session.raw.execute(statement.sql).rowcount if change.parts else 0
    return max(deleted, 0) + (_version(session) != before)


def _check_dependants(session: Session, statement: Statement) -> None:
    """Refuse, as PostgreSQL does, to drop a table to which another one refers."""
    table = name_of([part for part in statement.original if part.up not in ("CASCADE", "RESTRICT")][-1])
    if Names(session.raw).references(table):
        if statement.original[-1].up == "CASCADE":
            raise refuse("DROP TABLE … CASCADE of a table that others refer to")
        raise pg.DependentObjectsStillExist(f"cannot drop table {table} because other objects depend on it")


def _version(session: Session) -> int:
    return int(session.raw.execute("PRAGMA main.schema_version").fetchone()[0])


def _restart(session: Session, statement: Statement, names: tuple[str, ...]) -> None:
    """Start the sequences that a statement makes, unless their table is there already."""
    change = statement.change
    assert change is not None
    if statement.original[0].up == "CREATE" and change.parts:
        known = session.raw.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (change.table,)).fetchone()
        if known:
            return
    for name in names:
        for existing in [other for other in session.sequences if fnmatch(other, name)] or [name]:
            session.sequences[existing] = 0
