"""ALTER TABLE where SQLite has none: columns and constraints of a table that holds rows already.

SQLite's own ALTER is small, and its tools make the table anew. Here its definition is written anew, and the rows stay
where they are (SQLite's documentation, "Making Other Kinds Of Table Schema Changes"); before a constraint is written
it is tried on every row, as PostgreSQL does while it holds its lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from psycopg import errors as pg

from .errors import error, refuse
from .tokens import Token, closing, find, name_of, op, split, sql_of, tokens, word
from .translate import expression

if TYPE_CHECKING:
    from .session import Session

Parts = list[Token]


class Alteration(NamedTuple):
    """What to do with a table: the words that say so, the column or constraint it concerns, an expression."""

    kind: str
    table: str
    name: str
    parts: tuple[Token, ...] = ()
    checked: bool = True


def asked(table: str, verb: str, rest: Parts) -> Alteration | None:
    """Return what an ALTER TABLE asks for with the words `rest` after its verb; None where SQLite does it."""
    ups = [part.up for part in rest]
    name = name_of(rest[1]) if len(rest) > 1 else ""
    if verb == "ALTER" and len(rest) > 2:
        return _column(table, name_of(rest[0]), rest[1:])
    if verb == "DROP" and ups[0] != "CONSTRAINT":
        return Alteration("DROP COLUMN", table, name_of(rest[0]))
    if verb == "DROP" and name:
        return Alteration("DROP CONSTRAINT", table, name)
    if verb == "ADD" and ups[0] == "CONSTRAINT" and ups[2:3] == ["CHECK"]:
        end = closing(rest, 3)
        return Alteration("ADD CHECK", table, name, tuple(rest[3 : end + 1]), ups[end + 1 :] != ["NOT", "VALID"])
    if verb == "VALIDATE" and name:
        return Alteration("VALIDATE", table, name)
    return None


def _column(table: str, name: str, words: Parts) -> Alteration | None:
    ups = [part.up for part in words]
    if ups[-2:] == ["NOT", "NULL"] or ups == ["DROP", "DEFAULT"]:
        return Alteration(" ".join(ups), table, name)
    if ups[:2] == ["SET", "DEFAULT"]:
        return Alteration("SET DEFAULT", table, name, tuple(expression(words[2:])))
    return None


def run(session: Session, asked: Alteration) -> int:
    """Alter a table that a session may write; return 1: PostgreSQL keeps its lock even where all was so already."""
    row = session.raw.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (asked.table,)
    ).fetchone()
    if row is None:
        raise pg.UndefinedTable(f'relation "{asked.table}" does not exist')
    parts = tokens(row[0])
    start = next(i for i, part in enumerate(parts) if part.text == "(")
    end = closing(parts, start)
    items = split(parts[start + 1 : end])
    changed = _ALTERATIONS[asked.kind](session, asked, items)
    if changed is not None:
        _rewrite(session, asked.table, [*parts[: start + 1], *_joined(changed), *parts[end:]])
    return 1


def _joined(items: list[Parts]) -> Parts:
    joined: Parts = []
    for item in items:
        joined += [op(","), *item] if joined else item
    return joined


def _rewrite(session: Session, table: str, parts: Parts) -> None:
    """Put a definition into the catalogue; the schema's new number tells every connection to read it again."""
    raw = session.raw
    (version,) = raw.execute("PRAGMA main.schema_version").fetchone()
    raw.execute("PRAGMA writable_schema = ON")
    try:
        raw.execute("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (sql_of(parts), table))
        raw.execute(f"PRAGMA main.schema_version = {version + 1}")
    finally:
        raw.execute("PRAGMA writable_schema = RESET")


# -- columns


def _item(asked: Alteration, items: list[Parts]) -> int:
    for number, item in enumerate(items):
        if item[0].kind in ("word", "quoted") and name_of(item[0]) == asked.name and not _is_constraint(item):
            return number
    raise pg.UndefinedColumn(f'column "{asked.name}" of relation "{asked.table}" does not exist')


def _is_constraint(item: Parts) -> bool:
    return item[0].up in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


def _with(items: list[Parts], number: int, item: Parts) -> list[Parts]:
    return [*items[:number], item, *items[number + 1 :]]


def _set_not_null(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts] | None:
    number = _item(asked, items)
    if find(items[number], "NOT", "NULL") >= 0:
        return None
    if _any(session, asked.table, f'"{asked.name}" IS NULL'):
        message = f'column "{asked.name}" of relation "{asked.table}" contains null values'
        raise error(pg.NotNullViolation, message, table_name=asked.table, column_name=asked.name)
    return _with(items, number, [*items[number], word("NOT"), word("NULL")])


def _drop_not_null(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts] | None:
    number = _item(asked, items)
    at = find(items[number], "NOT", "NULL")
    if find(items[number], "PRIMARY") >= 0:
        raise pg.InvalidTableDefinition(f'column "{asked.name}" is in a primary key')
    return None if at < 0 else _with(items, number, items[number][:at] + items[number][at + 2 :])


def _without_default(item: Parts) -> Parts:
    """Return a column without its default, which is one token, a sign and one, or stands in parentheses."""
    at = find(item, "DEFAULT")
    if at < 0:
        return item
    after = at + 1 + (item[at + 1].text in ("+", "-"))
    return item[:at] + item[(closing(item, after) if item[after].text == "(" else after) + 1 :]


def _set_default(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts]:
    number = _item(asked, items)
    return _with(items, number, [*_without_default(items[number]), word("DEFAULT"), op("("), *asked.parts, op(")")])


def _drop_default(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts]:
    number = _item(asked, items)
    return _with(items, number, _without_default(items[number]))


def _drop_column(session: Session, asked: Alteration, items: list[Parts]) -> None:
    """Drop a column with its indexes, as PostgreSQL does."""
    _item(asked, items)
    for _, index, _, origin, *_ in session.raw.execute(f'PRAGMA index_list("{asked.table}")').fetchall():
        columns = [row[2] for row in session.raw.execute(f'PRAGMA index_info("{index}")').fetchall()]
        if origin == "c" and asked.name in columns:
            session.raw.execute(f'DROP INDEX "{index}"')
    session.raw.execute(f'ALTER TABLE "{asked.table}" DROP COLUMN "{asked.name}"')


# -- constraints


def _any(session: Session, table: str, condition: str) -> bool:
    return session.raw.execute(f'SELECT 1 FROM "{table}" WHERE {condition} LIMIT 1').fetchone() is not None  # noqa: S608


def _try(session: Session, asked: Alteration, check: Parts) -> None:
    """Try a check on every row."""
    if _any(session, asked.table, f"NOT {sql_of(check)}"):
        message = f'check constraint "{asked.name}" of relation "{asked.table}" is violated by some row'
        raise error(pg.CheckViolation, message, table_name=asked.table, constraint_name=asked.name)


def _add_check(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts]:
    check = expression(list(asked.parts))
    if _named(asked, items) is not None:
        raise pg.DuplicateObject(f'constraint "{asked.name}" for relation "{asked.table}" already exists')
    if asked.checked:
        _try(session, asked, check)
    return [*items, [word("CONSTRAINT"), Token("quoted", f'"{asked.name}"'), word("CHECK"), *check]]


def _named(asked: Alteration, items: list[Parts]) -> int | None:
    """Return which of a table's own constraints has that name."""
    for number, item in enumerate(items):
        if item[0].up == "CONSTRAINT" and name_of(item[1]) == asked.name:
            return number
    return None


def _missing(asked: Alteration) -> Exception:
    return pg.UndefinedObject(f'constraint "{asked.name}" of relation "{asked.table}" does not exist')


def _validate(session: Session, asked: Alteration, items: list[Parts]) -> None:
    number = _named(asked, items)
    if number is None or items[number][2].up != "CHECK":
        raise _missing(asked)
    _try(session, asked, items[number][3:])


def _drop_constraint(session: Session, asked: Alteration, items: list[Parts]) -> list[Parts] | None:
    number = _named(asked, items)
    if number is not None and items[number][2].up == "CHECK":
        return items[:number] + items[number + 1 :]
    found = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND name = ? AND sql IS NOT NULL"
    if session.raw.execute(found, (asked.table, asked.name)).fetchone():
        session.raw.execute(f'DROP INDEX "{asked.name}"')
        return None
    if number is None:
        raise _missing(asked)
    raise refuse(f"To drop the constraint {asked.name}")


_ALTERATIONS: dict[str, Callable[[Session, Alteration, list[Parts]], list[Parts] | None]] = {
    "SET NOT NULL": _set_not_null,
    "DROP NOT NULL": _drop_not_null,
    "SET DEFAULT": _set_default,
    "DROP DEFAULT": _drop_default,
    "DROP COLUMN": _drop_column,
    "DROP CONSTRAINT": _drop_constraint,
    "ADD CHECK": _add_check,
    "VALIDATE": _validate,
}
