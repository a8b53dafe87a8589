"""Queries that PostgreSQL refuses and SQLite would run, and those that only PostgreSQL understands."""

from __future__ import annotations

import psycopg

from .errors import refuse
from .tokens import Token, find, split

Parts = list[Token]

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
    "strftime julianday datetime unixepoch ifnull group_concat last_insert_rowid changes total_changes typeof printf "
    "iif".split()  # codespell:ignore iif
)
_AGGREGATES = frozenset("COUNT SUM MIN MAX AVG STRING_AGG ARRAY_AGG JSON_AGG BOOL_AND BOOL_OR EVERY".split())


def check_locking(parts: Parts) -> None:
    """Refuse, as PostgreSQL does, to lock rows that are not rows of a table."""
    if parts[0].up != "SELECT":
        return
    start = find(parts, "FROM")
    listed = parts[: start if start >= 0 else len(parts)]
    if any(find(listed, name, "(") >= 0 for name in _AGGREGATES):
        raise psycopg.errors.FeatureNotSupported("FOR UPDATE is not allowed with aggregate functions")
    for words in (("GROUP", "BY"), ("DISTINCT",), ("HAVING",), ("UNION",), ("INTERSECT",), ("EXCEPT",)):
        if find(parts, *words) >= 0:
            clause = "GROUP BY clause" if words[0] == "GROUP" else f"{words[0]} clause"
            clause = "UNION/INTERSECT/EXCEPT" if words[0] in ("UNION", "INTERSECT", "EXCEPT") else clause
            raise psycopg.errors.FeatureNotSupported(f"FOR UPDATE is not allowed with {clause}")


def check_grouping(parts: Parts) -> None:
    """Refuse, as PostgreSQL does, a bare column beside an aggregate without GROUP BY."""
    start = find(parts, "FROM")
    if parts[0].up != "SELECT" or start < 0 or find(parts, "GROUP", "BY") >= 0:
        return
    items = split(parts[1:start])
    grouped = any(find(item, name, "(") >= 0 and find(item, "OVER") < 0 for item in items for name in _AGGREGATES)
    for item in items if grouped else ():
        if [part.kind for part in item] in (["word"], ["word", "op", "word"]) and item[-1].text != "*":
            column = "".join(part.text for part in item)
            message = f'column "{column}" must appear in the GROUP BY clause or be used in an aggregate function'
            raise psycopg.errors.GroupingError(message)


def refusals(parts: Parts) -> Parts:
    """Return a query as it is, unless it holds something that is refused."""
    for i, part in enumerate(parts):
        following = parts[i + 1].text if i + 1 < len(parts) else ""
        if part.up in _REFUSED and (part.kind == "op" or following == "(" or part.up == "LATERAL"):
            raise refuse(_REFUSED[part.up])
        if part.up == "CURRENT_DATE" and (following in ("+", "-") or (i and parts[i - 1].text in ("+", "-"))):
            raise refuse("Arithmetic with dates")
        if part.up == "ARRAY" and following == "[":
            raise refuse("An array")
        if part.up == "DISTINCT" and following.upper() == "ON":
            raise refuse("DISTINCT ON")
        if part.up in ("INSERT", "UPDATE") and following.upper() == "OR":
            raise psycopg.errors.SyntaxError('syntax error at or near "OR"')
        if part.kind == "word" and following == "(" and part.text.lower() in _FOREIGN:
            raise psycopg.errors.UndefinedFunction(f"function {part.text.lower()} does not exist")
    return parts
