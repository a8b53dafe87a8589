"""CREATE TABLE and its relatives rewritten into SQLite's: types, checks that stand for types, sequences."""

from __future__ import annotations

from typing import NamedTuple

from . import alter, values
from .casts import casts, type_at
from .errors import MOMENT, refuse
from .tokens import Token, call, closing, find, name_of, op, split, tokens, word
from .translate import expression

Parts = list[Token]


class Change(NamedTuple):
    """A change of the schema: for SQLite, its sequences, the column that may be there already, what SQLite lacks."""

    parts: Parts
    table: str = ""
    sequences: tuple[str, ...] = ()
    guard: tuple[str, bool] | None = None
    alteration: alter.Alteration | None = None


_RANGES = {"SMALLINT": ("smallint", 15), "INT": ("integer", 31), "BIGINT": ("bigint", 63)}
_INTEGERS = {
    **dict.fromkeys(("SMALLINT", "INT2", "SMALLSERIAL", "SERIAL2"), "SMALLINT"),
    **dict.fromkeys(("INT", "INTEGER", "INT4", "SERIAL", "SERIAL4"), "INT"),
    **dict.fromkeys(("BIGINT", "INT8", "BIGSERIAL", "SERIAL8"), "BIGINT"),
}
_TYPES = {
    **dict.fromkeys(("VARCHAR", "CHARACTER VARYING", "CHAR", "CHARACTER", "TEXT", "NAME"), "TEXT"),
    **dict.fromkeys(("BOOL", "BOOLEAN"), "PG_BOOLEAN"),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), "PG_NUMERIC"),
    **dict.fromkeys(("REAL", "FLOAT", "FLOAT4", "FLOAT8", "DOUBLE PRECISION"), "DOUBLE"),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), "PG_TIMESTAMPTZ"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"), "PG_TIMESTAMP"),
    **dict.fromkeys(("TIME", "TIME WITHOUT TIME ZONE"), "PG_TIME"),
    "DATE": "PG_DATE",
    "INTERVAL": "PG_INTERVAL",
    **dict.fromkeys(("JSON", "JSONB"), "PG_JSON_TEXT"),
    "UUID": "PG_UUID_TEXT",
    "BYTEA": "BLOB",
}
_CONSTRAINTS = frozenset(
    "NOT NULL UNIQUE PRIMARY CHECK REFERENCES CONSTRAINT GENERATED COLLATE DEFAULT DEFERRABLE".split()
)
_TABLE_CONSTRAINTS = frozenset("CONSTRAINT PRIMARY UNIQUE CHECK FOREIGN EXCLUDE LIKE".split())


def translated(parts: Parts) -> Change:
    """Return a change of the schema for SQLite; refuse what SQLite cannot do."""
    verb, kind = parts[0].up, next((part.up for part in parts[1:] if part.up in _KINDS), "")
    if verb == "TRUNCATE":
        return _truncate(parts)
    if verb == "ALTER" and kind == "TABLE":
        return _alter(parts)
    if verb == "CREATE" and kind == "TABLE":
        return _create_table(parts)
    if verb == "CREATE" and kind == "INDEX":
        return _create_index(parts)
    if verb == "CREATE" and kind == "SEQUENCE":
        names = [part for part in parts[2:] if part.up not in ("IF", "NOT", "EXISTS")]
        return Change([], name_of(names[0]), (name_of(names[0]),))
    if verb == "DROP" and kind in ("TABLE", "INDEX", "VIEW"):
        return Change(casts([part for part in parts if part.up not in ("CASCADE", "RESTRICT", "CONCURRENTLY")]))
    if kind == "VIEW":
        return Change(casts(parts))
    what = " ".join(part.up for part in parts[:2])
    raise refuse(what)


_KINDS = (
    "TABLE",
    "INDEX",
    "VIEW",
    "SEQUENCE",
    "TYPE",
    "FUNCTION",
    "TRIGGER",
    "EXTENSION",
    "SCHEMA",
    "ROLE",
    "DATABASE",
)


def _truncate(parts: Parts) -> Change:
    names = [
        part for part in parts[1:] if part.up not in ("TABLE", "ONLY", "RESTART", "CONTINUE", "IDENTITY", "CASCADE")
    ]
    if len(names) != 1:
        raise refuse("TRUNCATE of several tables")
    restart = (f"{name_of(names[0])}_*",) if find(parts, "RESTART") >= 0 else ()
    return Change([word("DELETE"), word("FROM"), names[0]], name_of(names[0]), restart)


# -- CREATE TABLE


def _create_table(parts: Parts) -> Change:
    start = next((i for i, part in enumerate(parts) if part.text == "("), len(parts))
    table = name_of(parts[start - 1]) if start < len(parts) else ""
    if find(parts, "AS") >= 0:
        return Change(casts(parts))
    end = closing(parts, start)
    if any(part.up in ("PARTITION", "INHERITS") for part in parts[end:]):
        raise refuse("A partitioned table")
    inner: Parts = []
    sequences: list[str] = []
    for item in split(parts[start + 1 : end]):
        inner += [op(","), *_item(table, item, sequences)] if inner else _item(table, item, sequences)
    head = [part for part in parts[:start] if part.up != "UNLOGGED"]
    return Change([*head, op("("), *inner, op(")")], table, tuple(sequences))


def _item(table: str, item: Parts, sequences: list[str]) -> Parts:
    if item[0].up not in _TABLE_CONSTRAINTS:
        return column(table, item, sequences)
    if any(part.up in ("EXCLUDE", "LIKE") for part in item):
        raise refuse("EXCLUDE")
    return casts(item)


def column(table: str, item: Parts, sequences: list[str]) -> Parts:
    """Return one column's definition for SQLite, noting the sequence it makes."""
    kind, arguments, i = type_at(item, 1)
    declared, checks = _declared(item[0], kind, arguments)
    rest = _constraints(item[i:])
    if kind.endswith("SERIAL") or kind[:-1].endswith("SERIAL") or find(item, "IDENTITY") >= 0:
        sequence = f"{table}_{name_of(item[0])}_seq"
        sequences.append(sequence)
        default = call("nextval", [Token("string", f"'{sequence}'")])
        rest = [*rest, word("NOT"), word("NULL"), word("DEFAULT"), op("("), *default, op(")")]
    return [item[0], *declared, *rest, *checks]


def _declared(name: Token, kind: str, arguments: Parts) -> tuple[Parts, Parts]:
    """Return the column's type for SQLite and the checks that make it as strict as PostgreSQL's."""
    if kind in _INTEGERS:
        return [word(_INTEGERS[kind])], _integer_check(name, *_RANGES[_INTEGERS[kind]])
    if kind not in _TYPES:
        raise refuse(f"The type {kind.lower()}")
    declared, checks = _TYPES[kind], _CHECKS.get(_TYPES[kind], "")
    if declared == "TEXT" and arguments:
        size = arguments[0].text
        varying = "VAR" in kind
        declared = f"{'VARCHAR' if varying else 'CHAR'}({size})"
        length = f"{'character varying' if varying else 'character'}({size})"
        checks = f'CONSTRAINT "22001 value too long for type {length}" CHECK (length(@) <= {size})'
    if declared == "PG_NUMERIC" and arguments:
        precision, scale = int(arguments[0].text), int(arguments[2].text) if len(arguments) == 3 else 0
        declared = values.numeric(scale)
        checks += f' CONSTRAINT "22003 numeric field overflow" CHECK (abs(@) < 1e{precision - scale})'
    return [word(declared)], tokens(checks.replace("@", name.text))


_CHECKS = {
    **dict.fromkeys(
        ("PG_TIMESTAMPTZ", "PG_TIMESTAMP"), f"CONSTRAINT \"{MOMENT}\" CHECK (typeof(@) IN ('integer', 'null'))"
    ),
    "PG_NUMERIC": 'CONSTRAINT "22P02 invalid input syntax for type numeric" '
    "CHECK (typeof(@) IN ('integer', 'real', 'null'))",
    "PG_BOOLEAN": 'CONSTRAINT "22P02 invalid input syntax for type boolean" CHECK (@ IN (0, 1))',
    "PG_DATE": 'CONSTRAINT "22007 invalid input syntax for type date" '
    "CHECK (@ GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')",
}
"""Checks that make a column as strict as PostgreSQL's; `@` is the column."""


def _integer_check(name: Token, kind: str, bits: int) -> Parts:
    text = (
        f"CONSTRAINT \"22P02 invalid input syntax for type {kind}\" CHECK (typeof({name.text}) IN ('integer', 'null'))"
    )
    if bits < 63:
        text += f' CONSTRAINT "22003 {kind} out of range" CHECK ({name.text} BETWEEN -{2**bits} AND {2**bits - 1})'
    return tokens(text)


def _constraints(parts: Parts) -> Parts:
    """Return a column's constraints: defaults in parentheses, primary keys not NULL, no identity clause."""
    kept: Parts = []
    i = 0
    while i < len(parts):
        if parts[i].up == "DEFAULT":
            end = next((j for j in range(i + 1, len(parts)) if _ends(parts, i, j)), len(parts))
            value = expression(parts[i + 1 : end])
            kept += [
                word("DEFAULT"),
                *(value if len(value) == 1 and value[0].kind != "word" else [op("("), *value, op(")")]),
            ]
            i = end
        elif parts[i].up == "GENERATED" and "IDENTITY" in [part.up for part in parts[i : i + 5]]:
            i = find(parts, "IDENTITY", start=i) + 1
            i = closing(parts, i) + 1 if i < len(parts) and parts[i].text == "(" else i
        elif parts[i].up == "PRIMARY":
            kept += [word("NOT"), word("NULL"), parts[i]]
            i += 1
        else:
            kept.append(parts[i])
            i += 1
    return kept


def _ends(parts: Parts, start: int, i: int) -> bool:
    """Tell whether a constraint begins at `i`, outside parentheses opened after `start`."""
    depth = sum({"(": 1, ")": -1}.get(part.text, 0) for part in parts[start:i] if part.kind == "op")
    return not depth and i > start + 1 and parts[i].up in _CONSTRAINTS


# -- indexes and alterations


def _create_index(parts: Parts) -> Change:
    kept = [part for part in parts if part.up not in ("CONCURRENTLY", "ONLY")]
    on = find(kept, "ON")
    if kept[on - 1].up == "INDEX":  # PostgreSQL names it after its columns
        table = name_of(kept[on + 1])
        columns = [name_of(item[0]) for item in split(kept[find(kept, "(") + 1 : -1])] if find(kept, "(") >= 0 else []
        kept.insert(on, word("_".join([table, *columns, "idx"])))
    at = find(kept, "USING")
    if at >= 0:
        kept = kept[:at] + kept[at + 2 :]
    if find(kept, "INCLUDE") >= 0:
        at = find(kept, "INCLUDE")
        kept = kept[:at] + kept[closing(kept, at + 1) + 1 :]
    return Change(casts(kept), name_of(kept[find(kept, "ON") + 1]))


def _alter(parts: Parts) -> Change:
    parts = [part for i, part in enumerate(parts) if not (part.up in ("IF", "EXISTS", "ONLY") and i < 5)]
    table, action = parts[2], parts[3:]
    if len(split(action)) > 1:
        raise refuse("ALTER TABLE with several actions")
    head = [*parts[:3], word(action[0].up)]
    rest = [part for part in action[1:] if part.up not in ("COLUMN", "CASCADE", "RESTRICT")]
    guarded = len(rest) > 1 and rest[0].up == "IF"
    if guarded:
        rest = [part for part in rest if part.up not in ("IF", "EXISTS") and not (part.up == "NOT" and part is rest[1])]
    if action[0].up == "ADD" and rest[0].up not in _TABLE_CONSTRAINTS:
        sequences: list[str] = []
        new = column(name_of(table), rest, sequences)
        return Change([*head, *new], name_of(table), tuple(sequences), (name_of(rest[0]), False) if guarded else None)
    asked = alter.asked(name_of(table), action[0].up, rest)
    if asked is not None:
        return Change([], name_of(table), (), (name_of(rest[0]), True) if guarded else None, asked)
    if action[0].up == "RENAME":
        return Change([*head, *rest], name_of(table))
    if [part.up for part in (*rest[:1], *rest[2:3])] == ["CONSTRAINT", "UNIQUE"]:
        made = [word("CREATE"), word("UNIQUE"), word("INDEX"), rest[1], word("ON"), table, *rest[3:]]
        return Change(made, name_of(table))
    raise refuse("ALTER TABLE … " + " ".join(part.up for part in action[:2]))
