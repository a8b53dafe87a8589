"""Functions of PostgreSQL that SQLite lacks, or has with another meaning."""

from __future__ import annotations

import hashlib
import json
import random
import re
import uuid
import weakref
import zlib
from collections.abc import Callable
from typing import Any

from psycopg import errors as pg

from . import spans, values
from .file import Handle
from .session_functions import SESSION_FUNCTIONS


def register(connection: Handle) -> None:
    """Define every function on one connection; an error of theirs is kept for the session to raise.

    The functions know the connection weakly: SQLite holds them where Python's collector does not look.
    """
    handle = weakref.proxy(connection)

    def define(name: str, arity: int, function: Callable[..., Any]) -> None:
        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except Exception as failure:
                handle.error = failure
                raise

        connection.raw.create_function(name, arity, guarded)

    for name, arity, function in _PLAIN:
        define(name, arity, function)
    for name, arity, method in SESSION_FUNCTIONS:
        define(name, arity, _of_session(handle, method))
    for name, aggregate in _AGGREGATES.items():
        connection.raw.create_aggregate(name, -1, aggregate)


def _of_session(handle: Handle, method: Callable[..., Any]) -> Callable[..., Any]:
    def function(*arguments: Any) -> Any:
        return method(handle.session, *arguments)

    return function


# -- plain functions


def _integer(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(value) if isinstance(value, str) else round(value)
    except ValueError:
        raise pg.InvalidTextRepresentation(f'invalid input syntax for type integer: "{value}"') from None


def _float(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        raise pg.InvalidTextRepresentation(f'invalid input syntax for type numeric: "{value}"') from None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if values.is_moment(value):
        return values.as_datetime(value).isoformat(" ").replace("+00:00", "+00")
    return str(value)


def _split_part(text: str | None, separator: str | None, number: int | None) -> str | None:
    if text is None or separator is None or number is None:
        return None
    if number == 0:
        raise pg.InvalidParameterValue("field position must not be zero")
    fields = text.split(separator) if separator else [text]
    at = number - 1 if number > 0 else len(fields) + number
    return fields[at] if 0 <= at < len(fields) else ""


def _boolean(value: Any) -> bool | None:
    return value if value is None else str(value).lower() in ("t", "true", "1", "on", "yes", "y")


def _date(value: Any) -> str | None:
    return None if value is None else spans.parsed(value).date().isoformat()


def _json_text(document: str | None, key: str | int) -> str | None:
    """Return one member of a JSON document as text (`->>`)."""
    found = json.loads(document) if document is not None else None
    try:
        found = found[key]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return None
    return found if found is None or isinstance(found, str) else json.dumps(found)


def _nonzero(value: Any) -> Any:
    if value == 0 and value is not None:
        raise pg.DivisionByZero("division by zero")
    return value


def _like(pattern: str | None, text: str | None) -> bool | None:
    if pattern is None or text is None:
        return None
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), text, re.I | re.S) is not None


def _matches(pattern: str | None, text: str | None) -> bool | None:
    return None if pattern is None or text is None else re.search(pattern, text) is not None


def _hash(text: str | None, seed: int = 0) -> int | None:
    """Return a 32-bit number as hashtext() does; not the same one."""
    return None if text is None else zlib.crc32(text.encode(), seed & 0xFFFFFFFF) - (1 << 31)


def _hash_extended(text: str | None, seed: int) -> int | None:
    low = _hash(text, seed)
    return None if text is None or low is None else (low << 31) ^ (_hash(text[::-1], seed + 1) or 0)


def _among(choose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *items: choose([item for item in items if item is not None], default=None)


_PLAIN: list[tuple[str, int, Callable[..., Any]]] = [
    ("pg_integer", 1, _integer),
    ("pg_float", 1, _float),
    ("pg_text", 1, _text),
    ("pg_boolean", 1, _boolean),
    ("pg_date", 1, _date),
    ("pg_timestamptz", 1, spans.zoned),
    ("pg_like", 2, lambda other, text: spans.zoned(text) if values.is_moment(other) else text),
    ("pg_timestamp", 1, spans.naive),
    ("pg_nonzero", 1, _nonzero),
    ("reverse", 1, lambda text: None if text is None else text[::-1]),
    ("md5", 1, lambda text: None if text is None else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()),
    ("pg_json_text", 2, _json_text),
    ("pg_interval", 1, lambda value: spans.interval(value) if isinstance(value, str) else value),
    ("pg_times", 2, lambda factor, span: None if factor is None else 2 * round(float(factor) * span / 2)),
    ("make_interval", 2, lambda unit, amount: None if amount is None else 2 * round(amount * spans.unit(unit))),
    ("pg_extract", 2, spans.extract),
    ("date_trunc", 2, spans.truncated),
    ("to_timestamp", 1, lambda seconds: None if seconds is None else values.moment(seconds)),
    ("match", 2, _like),
    ("regexp", 2, _matches),
    ("greatest", -1, _among(max)),
    ("least", -1, _among(min)),
    ("concat", -1, lambda *items: "".join([_text(item) or "" for item in items])),
    ("pg_left", 2, lambda text, size: None if text is None else text[:size]),
    ("pg_right", 2, lambda text, size: None if text is None else text[-size:] if size else ""),
    ("split_part", 3, _split_part),
    ("hashtext", 1, _hash),
    ("hashtextextended", 2, _hash_extended),
    ("gen_random_uuid", 0, lambda: str(uuid.uuid4())),
    ("pg_random", 0, lambda: random.random()),
    ("version", 0, lambda: "PostgreSQL 16 (simulated by fleetlab)"),
    ("current_schema", 0, lambda: "public"),
]


class _StringAgg:
    """string_agg(text, separator)."""

    def __init__(self) -> None:
        self._items: list[str] = []
        self._separator = ""

    def step(self, item: Any, separator: str = "") -> None:
        if item is not None:
            self._items.append(_text(item) or "")
            self._separator = separator

    def finalize(self) -> str | None:
        return self._separator.join(self._items) if self._items else None


class _BoolAnd:
    """bool_and(condition)."""

    def __init__(self) -> None:
        self._items: list[bool] = []

    def step(self, item: Any) -> None:
        if item is not None:
            self._items.append(bool(item))

    def finalize(self) -> bool | None:
        return all(self._items) if self._items else None


class _BoolOr(_BoolAnd):
    """bool_or(condition)."""

    def finalize(self) -> bool | None:
        return any(self._items) if self._items else None


_AGGREGATES: dict[str, type] = {"string_agg": _StringAgg, "bool_and": _BoolAnd, "every": _BoolAnd, "bool_or": _BoolOr}
