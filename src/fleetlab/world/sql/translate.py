"""PostgreSQL's SQL rewritten into SQLite's: casts, intervals, moments, order of NULLs, clauses for locks."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from . import spans
from .errors import refuse
from .tokens import Token, call, closing, find, op, primary_after, primary_before, word

Parts = list[Token]


class Locking(NamedTuple):
    """What a `FOR UPDATE` asks for."""

    for_update: bool = False
    nowait: bool = False
    skip_locked: bool = False


_WORDS: dict[str, Parts] = {
    "CURRENT_TIMESTAMP": call("now"),
    "LOCALTIMESTAMP": call("pg_localtimestamp"),
    "CURRENT_DATE": call("pg_current_date"),
    "ILIKE": [word("MATCH")],
    "~": [word("REGEXP")],
}
_RENAMED = {"date_part": "pg_extract", "random": "pg_random", "char_length": "length"}
_REFUSED = {
    "PG_NOTIFY": "NOTIFY",
    "LATERAL": "LATERAL",
    "GENERATE_SERIES": "generate_series()",
    "TABLESAMPLE": "TABLESAMPLE",
    "#>": "The operator #>",
    "#>>": "The operator #>>",
    "@>": "The operator @>",
    "<@": "The operator <@",
}
_FOREIGN = frozenset(
    "strftime julianday datetime unixepoch ifnull iif group_concat last_insert_rowid changes total_changes typeof printf".split()
)


def translated(parts: Parts) -> tuple[Parts, Locking]:
    """Return a query for SQLite, and what it locks."""
    locking = _locking(parts)
    parts = _without_locking(parts)
    for rewrite in (_refusals, _words, _extracts, _literals, _any, casts, _nulls):
        parts = rewrite(parts)
    return parts, locking


# -- clauses for locks


def _locking(parts: Parts) -> Locking:
    strength = [parts[i + 1 : i + 4] for i, part in enumerate(parts) if part.up == "FOR" and _locks(parts, i)]
    if not strength:
        return Locking()
    for words in strength:
        if words[0].up in ("SHARE", "KEY"):
            raise refuse("FOR SHARE")
    ups = [part.up for part in parts]
    return Locking(True, "NOWAIT" in ups, "SKIP" in ups and "LOCKED" in ups)


def _locks(parts: Parts, i: int) -> bool:
    return i + 1 < len(parts) and parts[i + 1].up in ("UPDATE", "NO", "SHARE", "KEY")


def _without_locking(parts: Parts) -> Parts:
    kept: Parts = []
    i = 0
    while i < len(parts):
        if parts[i].up == "FOR" and _locks(parts, i):
            i += {"NO": 4, "KEY": 3}.get(parts[i + 1].up, 2)
            if i < len(parts) and parts[i].up == "OF":
                i = primary_after(parts, i + 1)
                while i < len(parts) and parts[i].text == ",":
                    i = primary_after(parts, i + 1)
            while i < len(parts) and parts[i].up in ("NOWAIT", "SKIP", "LOCKED"):
                i += 1
        else:
            kept.append(parts[i])
            i += 1
    return kept


# -- words


def _refusals(parts: Parts) -> Parts:
    for i, part in enumerate(parts):
        following = parts[i + 1].text if i + 1 < len(parts) else ""
        if part.up in _REFUSED and (part.kind == "op" or following == "(" or part.up == "LATERAL"):
            raise refuse(_REFUSED[part.up])
        if part.up == "DISTINCT" and following.upper() == "ON":
            raise refuse("DISTINCT ON")
        if part.up in ("INSERT", "UPDATE") and following.upper() == "OR":
            raise psycopg.errors.SyntaxError('syntax error at or near "OR"')
        if part.kind == "word" and following == "(" and part.text.lower() in _FOREIGN:
            raise psycopg.errors.UndefinedFunction(f"function {part.text.lower()} does not exist")
    return parts


def _words(parts: Parts) -> Parts:
    kept: Parts = []
    for i, part in enumerate(parts):
        following = parts[i + 1].text if i + 1 < len(parts) else ""
        before = kept[-1].text if kept else ""
        if part.up in _WORDS and before != ".":
            kept += _WORDS[part.up]
        elif part.text == "%%":
            kept.append(op("%"))
        elif part.up == "ALL" and before.upper() == "LIMIT":
            kept.append(word("-1"))
        elif part.text.lower() in _RENAMED and following == "(":
            kept.append(word(_RENAMED[part.text.lower()]))
        elif part.text.lower() == "public" and following == ".":
            kept.append(part)
        elif before.lower() == "public" and part.text == "." and kept[-1].kind == "word":
            kept.pop()
        else:
            kept.append(part)
    return kept


def _extracts(parts: Parts) -> Parts:
    """Rewrite `EXTRACT(field FROM x)` and `make_interval(unit => x)` into plain calls."""
    kept: Parts = []
    i = 0
    while i < len(parts):
        if parts[i].up == "EXTRACT" and i + 3 < len(parts) and parts[i + 3].up == "FROM":
            kept += [
                word("pg_extract"),
                op("("),
                Token("string", f"'{parts[i + 2].text.strip(chr(39)).lower()}'"),
                op(","),
            ]
            i += 4
        elif parts[i].up == "MAKE_INTERVAL" and i + 3 < len(parts) and parts[i + 3].text == "=>":
            kept += [word("make_interval"), op("("), Token("string", f"'{parts[i + 2].text.lower()}'"), op(",")]
            i += 4
        else:
            kept.append(parts[i])
            i += 1
    return kept


# -- literals


def _literals(parts: Parts) -> Parts:
    """Rewrite `interval '…'`, `timestamptz '…'`, `date '…'`; a factor of an interval is applied exactly."""
    i = 0
    while i + 1 < len(parts):
        if parts[i].kind == "word" and parts[i + 1].kind == "string":
            text = parts[i + 1].text[1:-1]
            if parts[i].up == "INTERVAL":
                parts = _times(parts[:i], Token("number", str(spans.interval(text))), parts[i + 2 :])
            elif parts[i].up in ("TIMESTAMPTZ", "TIMESTAMP", "DATE"):
                parts = parts[:i] + call(_CASTS[parts[i].up], [parts[i + 1]]) + parts[i + 2 :]
        i += 1
    return parts


def _times(before: Parts, span: Token, after: Parts) -> Parts:
    if before and before[-1].text == "*":
        start = primary_before(before, len(before) - 1)
        return before[:start] + call("pg_times", before[start:-1], [span]) + after
    if after and after[0].text == "*":
        end = primary_after(after, 1)
        return before + call("pg_times", after[1:end], [span]) + after[end:]
    return [*before, span, *after]


def _any(parts: Parts) -> Parts:
    """Rewrite `= ANY(list)` into `IN (SELECT value FROM json_each(list))`."""
    kept: Parts = []
    i = 0
    while i < len(parts):
        if parts[i].text == "=" and i + 2 < len(parts) and parts[i + 1].up == "ANY" and parts[i + 2].text == "(":
            end = closing(parts, i + 2)
            inner = [part for part in parts[i + 3 : end] if part.kind != "op"][:1]
            each = [word("value"), word("FROM"), *call("json_each", inner)]
            kept += [word("IN"), op("("), word("SELECT"), *each, op(")")]
            i = end + 1
        else:
            kept.append(parts[i])
            i += 1
    return kept


# -- casts

_CASTS: dict[str, str] = {
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR", "CHARACTER", "CHARACTER VARYING", "NAME", "BPCHAR"), "pg_text"),
    **dict.fromkeys(("INT", "INTEGER", "BIGINT", "SMALLINT", "INT2", "INT4", "INT8", "OID"), "pg_integer"),
    **dict.fromkeys(("NUMERIC", "DECIMAL", "REAL", "FLOAT", "FLOAT4", "FLOAT8", "DOUBLE PRECISION"), "pg_float"),
    **dict.fromkeys(("JSON", "JSONB", "UUID", "REGCLASS"), ""),
    **dict.fromkeys(("BOOL", "BOOLEAN"), "pg_boolean"),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), "pg_timestamptz"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"), "pg_timestamp"),
    "DATE": "pg_date",
    "INTERVAL": "pg_interval",
}


def type_at(parts: Parts, i: int) -> tuple[str, Parts, int]:
    """Return the type that stands at `i`: its name in upper case, its arguments, and the position after it."""
    name = parts[i].text.strip('"').upper()
    i += 1
    arguments: Parts = []
    if name in ("DOUBLE", "CHARACTER") and i < len(parts) and parts[i].up in ("PRECISION", "VARYING"):
        name, i = f"{name} {parts[i].up}", i + 1
    if i < len(parts) and parts[i].text == "(":
        end = closing(parts, i)
        arguments, i = parts[i + 1 : end], end + 1
    if name in ("TIMESTAMP", "TIME") and [part.up for part in parts[i + 1 : i + 3]] == ["TIME", "ZONE"]:
        name, i = f"{name} {parts[i].up} TIME ZONE", i + 3
    if i < len(parts) and parts[i].text == "[":
        raise refuse("An array type")
    return name, arguments, i


def _cast(operand: Parts, name: str) -> Parts:
    if name not in _CASTS:
        raise refuse(f"A cast to {name.lower()}")
    function = _CASTS[name]
    return call(function, operand) if function else operand


def casts(parts: Parts) -> Parts:
    """Rewrite `x::type` and `CAST(x AS type)`."""
    i = 0
    while i < len(parts):
        if parts[i].text == "::":
            name, _, end = type_at(parts, i + 1)
            start = primary_before(parts, i)
            operand = _cast(parts[start:i], name)
            parts = parts[:start] + operand + parts[end:]
            i = start + len(operand)
        elif parts[i].up == "CAST" and i + 1 < len(parts) and parts[i + 1].text == "(":
            end = closing(parts, i + 1)
            inner = parts[i + 2 : end]
            at = find(inner, "AS")
            parts = parts[:i] + _cast(casts(inner[:at]), type_at(inner, at + 1)[0]) + parts[end + 1 :]
            i += 1
        else:
            i += 1
    return parts


# -- order of NULLs

_END_OF_ORDER = frozenset("LIMIT OFFSET FETCH ROWS RANGE GROUPS RETURNING UNION EXCEPT INTERSECT".split())


def _nulls(parts: Parts) -> Parts:
    """Say where NULLs come: last when ascending in PostgreSQL, first in SQLite."""
    kept: Parts = []
    i = 0
    while i < len(parts):
        kept.append(parts[i])
        if parts[i].up == "BY" and i and parts[i - 1].up == "ORDER":
            i = _order(parts, i + 1, kept)
        else:
            i += 1
    return kept


def _order(parts: Parts, i: int, kept: Parts) -> int:
    item: Parts = []
    while i < len(parts) and parts[i].text != ")" and parts[i].up not in _END_OF_ORDER:
        if parts[i].text == ",":
            kept += [*_ordered(item), parts[i]]
            item = []
            i += 1
        elif parts[i].text == "(":
            end = closing(parts, i) + 1
            item += _nulls(parts[i:end])
            i = end
        else:
            item.append(parts[i])
            i += 1
    kept += _ordered(item)
    return i


def _ordered(item: Parts) -> Parts:
    ups = [part.up for part in item]
    if not item or "NULLS" in ups:
        return item
    return [*item, word("NULLS"), word("FIRST" if ups[-1] == "DESC" else "LAST")]
