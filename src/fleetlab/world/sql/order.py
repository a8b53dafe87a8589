"""ORDER BY and LIMIT: where NULLs come, and how many rows."""

from __future__ import annotations

from .tokens import Token, closing, find, word

Parts = list[Token]

_END_OF_ORDER = frozenset("LIMIT OFFSET FETCH ROWS RANGE GROUPS RETURNING UNION EXCEPT INTERSECT".split())


def nulls(parts: Parts) -> Parts:
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
            item += nulls(parts[i:end])
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


def limits(parts: Parts) -> Parts:
    """Rewrite `FETCH FIRST n ROWS ONLY` into LIMIT."""
    at = find(parts, "FETCH")
    if at < 0:
        return parts
    count = parts[at + 2 : at + 3] if parts[at + 2].kind in ("number", "param") else [Token("number", "1")]
    end = find(parts, "ONLY", start=at) + 1
    return [*parts[:at], word("LIMIT"), *count, *parts[end:]]
