"""Moments and intervals in PostgreSQL's words: '30 seconds', '1 day 02:00', '2026-01-05 09:00+00'."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import psycopg

from . import values
from .errors import refuse

_UNITS = {
    "microsecond": 1,
    "us": 1,
    "millisecond": 1_000,
    "ms": 1_000,
    "second": 1_000_000,
    "sec": 1_000_000,
    "s": 1_000_000,
    "minute": 60_000_000,
    "min": 60_000_000,
    "m": 60_000_000,
    "hour": 3_600_000_000,
    "hr": 3_600_000_000,
    "h": 3_600_000_000,
    "day": 86_400_000_000,
    "d": 86_400_000_000,
    "week": 604_800_000_000,
    "w": 604_800_000_000,
}
_PART = re.compile(r"\s*(?:(-?\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?|([+-]?\d+(?:\.\d+)?)\s*([a-z]+))")
_FIELDS = ("microseconds", "milliseconds", "second", "minute", "hour", "day", "month", "year")


def unit(name: str) -> int:
    """Return how many microseconds a unit has; months and years, which have no fixed number, are refused."""
    name = name.lower().strip("'")
    if name in ("month", "months", "mon", "mons", "year", "years", "decade", "century"):
        raise refuse(f"An interval in {name}")
    known = _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))
    if known is None:
        raise psycopg.errors.InvalidTextRepresentation(f'invalid input syntax for type interval: "{name}"')
    return known


def interval(text: str) -> int:
    """Return an interval's text as a stored interval."""
    total, position = 0.0, 0
    text = text.strip().lower()
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return 2 * round(_seconds(text) * 1_000_000)
        hours, minutes, seconds, amount, name = part.groups()
        if amount is not None:
            total += float(amount) * unit(name)
        else:
            total += (int(hours) * 3600 + int(minutes) * 60 + float(seconds or 0)) * 1_000_000
        position = part.end()
    return 2 * round(total)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise psycopg.errors.InvalidDatetimeFormat(f'invalid input syntax for type interval: "{text}"') from None


def parsed(value: object) -> datetime:
    """Return a stored moment, or a moment's text, as a datetime."""
    if isinstance(value, int | float):
        return values.as_datetime(value)
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise psycopg.errors.InvalidDatetimeFormat(f'invalid input syntax for type timestamp: "{value}"') from None


def zoned(value: object) -> int | None:
    """Return a value as a stored moment with time zone; without one it means UTC."""
    if value is None:
        return None
    when = parsed(value)
    return values.stored(when) & ~1 if when.tzinfo is None else values.stored(when)


def naive(value: object) -> int | None:
    """Return a value as a stored moment without time zone, in UTC."""
    moment = zoned(value)
    return None if moment is None else moment | 1


def extract(field: str, value: object) -> float | int | None:
    """Return one field of a moment, or of an interval (its epoch only)."""
    if value is None:
        return None
    if not values.is_moment(value) and isinstance(value, int | float):
        if field == "epoch":
            return value / 2_000_000
        raise refuse(f"extract({field}) of an interval")
    when = parsed(value)
    if field == "epoch":
        return (values.stored(when) - values.EPOCH) // 2 / 1_000_000
    simple = {"dow": when.isoweekday() % 7, "isodow": when.isoweekday(), "doy": when.timetuple().tm_yday}
    simple |= {"second": when.second + when.microsecond / 1e6, "week": when.isocalendar().week}  # type: ignore[dict-item]
    if field in simple:
        return simple[field]
    if field in _FIELDS[3:]:
        return int(getattr(when, field))
    raise refuse(f"extract({field})")


def truncated(field: str, value: object) -> int | None:
    """Return a moment cut to the beginning of its second, minute, hour, day, week, month or year."""
    if value is None:
        return None
    when = parsed(value)
    if field == "week":
        when -= timedelta(days=when.weekday())
        field = "day"
    if field not in _FIELDS:
        raise refuse(f"date_trunc('{field}')")
    zero = {"microsecond": 0, "second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1}
    smaller = list(zero)[: max(1, _FIELDS.index(field) - 1)]
    return values.stored(when.replace(**{name: zero[name] for name in smaller}))  # type: ignore[arg-type]
