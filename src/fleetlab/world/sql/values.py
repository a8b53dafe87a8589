"""Values on their way in and out: what psycopg adapts, SQLite stores, and a trace shows.

SQLite has no moments and no intervals. Both are stored as integers, so that `now() + interval '30 seconds'` and
comparisons are SQLite's own arithmetic: an interval is twice its microseconds, a moment is `EPOCH` plus twice its
Unix microseconds, plus one if it has no time zone. The range of moments is far from other numbers, which tells an
expression's moment from an integer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import ProgrammingError
from psycopg.types.json import Json, Jsonb

EPOCH = 1 << 61
"""The integer that stands for 1970-01-01 00:00:00 UTC."""

_LOW, _HIGH = EPOCH - (1 << 57), EPOCH + (1 << 59)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_UNIX = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 24
_WIDEST = 60


class Parsed(str):
    """A JSON string that has been parsed already: not to be parsed again."""

    __slots__ = ()


def moment(seconds: float) -> int:
    """Return a Unix time in seconds as a stored moment with time zone."""
    return EPOCH + 2 * round(seconds * 1e6)


def stored(when: datetime) -> int:
    """Return a datetime as a stored moment; one without time zone is marked so."""
    if when.tzinfo is None:
        return EPOCH + 2 * ((when - _NAIVE_UNIX) // _MICROSECOND) + 1
    return EPOCH + 2 * ((when - _UNIX) // _MICROSECOND)


def is_moment(value: Any) -> bool:
    """Tell whether a number from SQLite is a moment."""
    return value.__class__ in (int, float) and _LOW < value < _HIGH


def as_datetime(value: int | float) -> datetime:
    """Return a stored moment as psycopg does: in UTC, or naive if it has no time zone."""
    number = int(value) - EPOCH
    return (_NAIVE_UNIX if number & 1 else _UNIX) + timedelta(microseconds=number >> 1)


def as_zoned(value: int | float) -> datetime:
    """Return a stored moment of a column with time zone."""
    return _UNIX + timedelta(microseconds=(int(value) - EPOCH) >> 1)


def as_naive(value: int | float) -> datetime:
    """Return a stored moment of a column without time zone."""
    return _NAIVE_UNIX + timedelta(microseconds=(int(value) - EPOCH) >> 1)


def interval(span: timedelta) -> int:
    """Return a timedelta as a stored interval."""
    return 2 * (span // _MICROSECOND)


def as_timedelta(value: int | float) -> timedelta:
    """Return a stored interval as a timedelta."""
    return timedelta(microseconds=int(value) // 2)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


_ADAPT: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys((int, str, float, bytes, bool, type(None)), lambda value: value),
    datetime: stored,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: interval,
    Decimal: _number,
    UUID: str,
    list: lambda items: json.dumps([adapt(item) for item in items]),
    tuple: lambda items: json.dumps([adapt(item) for item in items]),
    Json: lambda wrapper: json.dumps(wrapper.obj),
    Jsonb: lambda wrapper: json.dumps(wrapper.obj),
}
PLAIN = frozenset((int, str, float, bytes, bool, type(None)))
"""The types that SQLite takes as they are."""


def adapt(value: Any) -> Any:
    """Return a parameter as SQLite stores it; refuse, as psycopg does, what has no SQL type."""
    for cls in type(value).__mro__[:-1]:
        if cls in _ADAPT:
            return _ADAPT[cls](value)
    raise ProgrammingError(f"cannot adapt type '{type(value).__name__}' using placeholder '%s' (format: AUTO)")


def adapted(parameters: Any) -> Any:
    """Return the parameters of one statement as SQLite stores them."""
    if isinstance(parameters, dict):
        return {name: adapt(value) for name, value in parameters.items()}
    for value in parameters:
        if value.__class__ not in PLAIN:
            return tuple([adapt(value) for value in parameters])
    return parameters


def _quoted(text: str) -> str:
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    if "'" in text or "\n" in text:
        text = text.replace("'", "''").replace("\n", " ")
    return f"'{text}'"


def _show_moment(when: datetime) -> str:
    text = when.isoformat(" ", "milliseconds" if when.microsecond else "seconds")
    return "'" + text.replace("+00:00", "+00") + "'"


class _Shown(dict[type, Callable[[Any], str]]):
    """How to show a value of each type; of an unknown one, its text."""

    def __missing__(self, cls: type) -> Callable[[Any], str]:
        return lambda value: _quoted(str(value))


SHOW = _Shown(
    {
        int: int.__repr__,
        float: float.__repr__,
        str: _quoted,
        Parsed: _quoted,
        type(None): lambda value: "NULL",
        bool: lambda value: "true" if value else "false",
        bytes: lambda value: "'\\x" + value[:8].hex() + "'",
        datetime: _show_moment,
        timedelta: lambda span: f"'{span}'",
        Decimal: str,
        dict: lambda value: _quoted(json.dumps(value, default=str)),
        list: lambda value: _quoted(json.dumps(value, default=str)),
    }
)
"""How a trace shows a value: as a short SQL literal."""


def show_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Return a result as short text: the rows if they are few and small, else their number."""
    count = len(rows)
    if count == 1 and len(rows[0]) == 1:  # the usual case, quickly
        value = rows[0][0]
        text = f"[({SHOW[value.__class__](value)},)]"
        return text if len(text) <= _WIDEST else "1 row"
    if 0 < count <= 3:
        text = ", ".join([_show_row(row) for row in rows])
        if len(text) <= _WIDEST:
            return f"[{text}]"
    return "1 row" if count == 1 else f"{count} rows"


def _show_row(row: Sequence[Any]) -> str:
    comma = "," if len(row) == 1 else ""
    return "(" + ", ".join([SHOW[value.__class__](value) for value in row]) + comma + ")"


def _json(text: bytes) -> Any:
    value = json.loads(text)
    return Parsed(value) if isinstance(value, str) else value


def numeric(scale: int) -> str:
    """Return the name of SQLite's column type for `numeric(p, scale)`."""
    name = f"PG_NUMERIC_{scale}"
    sqlite3.register_converter(name, lambda text: Decimal(f"{float(text):.{scale}f}"))
    return name


def _register() -> None:
    """Teach the sqlite3 module what the columns of the simulated PostgreSQL hold."""
    sqlite3.register_converter("PG_TIMESTAMPTZ", lambda text: as_zoned(int(text)))
    sqlite3.register_converter("PG_TIMESTAMP", lambda text: as_naive(int(text)))
    sqlite3.register_converter("PG_DATE", lambda text: date.fromisoformat(text.decode()))
    sqlite3.register_converter("PG_TIME", lambda text: time.fromisoformat(text.decode()))
    sqlite3.register_converter("PG_INTERVAL", lambda text: as_timedelta(int(text)))
    sqlite3.register_converter("PG_BOOLEAN", lambda text: text != b"0")
    sqlite3.register_converter("PG_NUMERIC", lambda text: Decimal(text.decode()))
    sqlite3.register_converter("PG_UUID_TEXT", lambda text: UUID(text.decode()))
    sqlite3.register_converter("PG_JSON_TEXT", _json)


_register()
