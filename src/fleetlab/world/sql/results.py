"""What expressions return: SQLite tells no types, so moments, dates and conditions are recognised and converted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from .tokens import Token, find, split
from .values import as_datetime, as_timedelta, is_moment

Rows = list[Any]

_MOMENTS = frozenset(
    "now max min coalesce greatest least nullif case date_trunc to_timestamp clock_timestamp transaction_timestamp "
    "statement_timestamp pg_localtimestamp pg_timestamptz pg_timestamp".split()
)
_CLOCKS = frozenset("now clock_timestamp transaction_timestamp statement_timestamp pg_localtimestamp".split())
_DATES = frozenset(("pg_date", "pg_current_date", "max", "min", "coalesce"))
_CONDITIONS = frozenset("= < > <= >= <> != IN IS LIKE MATCH REGEXP BETWEEN AND OR NOT EXISTS".split())
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def reader(parts: list[Token]) -> Callable[[Rows], Rows] | None:
    """Return a function that converts the rows of a query for SQLite, or None if there is nothing to convert."""
    words = {part.text.lower() for part in parts if part.kind == "word"}
    conversions: list[Callable[[Rows], Rows]] = []
    if words & _MOMENTS:
        conversions.append(_with_moments)
    if words & _DATES:
        conversions.append(_with_dates)
    for test, convert in _CONVERSIONS:
        positions = _positions(parts, test)
        if positions:
            conversions.append(partial(_converted, positions, convert))
    if not conversions:
        return None

    def read(rows: Rows) -> Rows:
        for convert in conversions:
            rows = convert(rows)
        return rows

    return read


def _with_moments(rows: Rows) -> Rows:
    return [tuple([as_datetime(value) if is_moment(value) else value for value in row]) for row in rows]


def _with_dates(rows: Rows) -> Rows:
    return [tuple([_date(value) for value in row]) for row in rows]


def _date(value: Any) -> Any:
    return date.fromisoformat(value) if value.__class__ is str and _DATE.fullmatch(value) else value


def _converted(positions: frozenset[int], convert: Callable[[Any], Any], rows: Rows) -> Rows:
    return [tuple([convert(value) if i in positions else value for i, value in enumerate(row)]) for row in rows]


def _condition(value: Any) -> Any:
    return None if value is None else bool(value)


def _span(value: Any) -> Any:
    return as_timedelta(value) if value.__class__ in (int, float) else value


def _document(value: Any) -> Any:
    return json.loads(value) if value.__class__ is str else value


def _sum(value: Any) -> Any:
    """Return a sum of decimals without the noise of its binary fractions."""
    return Decimal(repr(round(value, 10))) if value.__class__ is float else value


def _items(parts: list[Token]) -> list[list[Token]]:
    """Return the expressions that a statement returns, or nothing if a `*` hides how many there are."""
    start = find(parts, "RETURNING") if parts and parts[0].up in ("INSERT", "UPDATE", "DELETE") else 0
    if start < 0 or not parts or (not start and parts[0].up != "SELECT"):
        return []
    ends = [find(parts, word, start=start) for word in ("FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "HAVING")]
    end = min([end for end in ends if end >= 0], default=len(parts))
    items = split(parts[start + 1 : end])
    return [] if any(item and item[-1].text == "*" for item in items) else items


def _positions(parts: list[Token], test: Callable[[list[Token]], bool]) -> frozenset[int]:
    return frozenset(i for i, item in enumerate(_items(parts)) if item and test(item))


def _is_condition(item: list[Token]) -> bool:
    first = item[0].text.lower()
    if find(item, "CASE") >= 0 or first == "pg_advisory_unlock_all":
        return False
    if first in ("true", "false") or first.startswith(("pg_try_advisory", "pg_advisory_unlock", "pg_boolean", "bool_")):
        return True
    return any(find(item, word) >= 0 for word in _CONDITIONS)


def _is_span(item: list[Token]) -> bool:
    """Tell whether an expression, if not a moment, is an interval: `until - now()`, `make_interval(…)`."""
    if _is_condition(item):
        return False
    if item[0].text.lower() in ("make_interval", "pg_interval", "pg_times"):
        return True
    summed = find(item, "-") > 0 or find(item, "+") > 0
    return summed and any(part.text.lower() in _CLOCKS for part in item)


def _is_document(item: list[Token]) -> bool:
    return find(item, "->") > 0 and not _is_condition(item)


def _is_sum(item: list[Token]) -> bool:
    return item[0].text.lower() in ("sum", "avg", "coalesce") and not _is_condition(item)


_CONVERSIONS: tuple[tuple[Callable[[list[Token]], bool], Callable[[Any], Any]], ...] = (
    (_is_condition, _condition),
    (_is_span, _span),
    (_is_document, _document),
    (_is_sum, _sum),
)
