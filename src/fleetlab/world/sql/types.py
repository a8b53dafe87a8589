"""How SQLAlchemy's types read what the simulated server returns: what psycopg would have made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import types
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB, TIMESTAMP
from sqlalchemy.dialects.sqlite.json import JSONIndexType, JSONPathType

from . import values

Processor = Callable[[Any], Any]


def _reader(convert: Processor, *raw: type) -> Processor:
    """Return a processor that converts values of the raw types, and leaves the others as they are."""

    def process(value: Any) -> Any:
        return convert(value) if value.__class__ in raw else value

    return process


class Moment(types.DateTime):
    """timestamp and timestamptz: expressions come as numbers, columns as datetimes already."""

    _read = staticmethod(_reader(values.as_datetime, int, float))

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a moment."""
        return self._read

    def literal_processor(self, dialect: Any) -> Callable[[datetime], str]:
        """Write a moment."""
        return lambda value: f"pg_timestamptz('{value.isoformat(' ')}')"


class Day(types.Date):
    """date."""

    _read = staticmethod(_reader(lambda value: date.fromisoformat(value[:10]), str))

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a date."""
        return self._read


class TimeOfDay(types.Time):
    """time."""

    _read = staticmethod(_reader(time.fromisoformat, str))

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a time."""
        return self._read


class Span(INTERVAL):
    """interval."""

    _read = staticmethod(_reader(values.as_timedelta, int, float))

    @classmethod
    def adapt_emulated_to_native(cls, impl: Any, **kw: Any) -> Span:  # type: ignore[override]
        """Stand for SQLAlchemy's Interval."""
        return cls()

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read an interval."""
        return self._read

    def bind_processor(self, dialect: Any) -> None:
        """Leave it to the driver."""

    def literal_processor(self, dialect: Any) -> Callable[[timedelta], str]:
        """Write an interval."""
        return lambda value: str(values.interval(value))


class Truth(types.Boolean):
    """boolean."""

    _read = staticmethod(_reader(bool, int))

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a boolean."""
        return self._read


class Number(types.Numeric[Any]):
    """numeric: Decimal, or float if the type says so."""

    def bind_processor(self, dialect: Any) -> None:
        """Leave it to the driver."""

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a number."""
        if not self.asdecimal:
            return _reader(float, int, Decimal)
        scale = self.scale
        if scale is None:
            return _reader(lambda value: Decimal(repr(value)), int, float)
        return _reader(lambda value: Decimal(f"{value:.{scale}f}"), int, float)


class Real(types.Float[Any]):
    """double precision."""

    def bind_processor(self, dialect: Any) -> None:
        """Leave it to the driver."""

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a number."""
        if self.asdecimal:
            return _reader(lambda value: Decimal(repr(value)), int, float)
        return _reader(float, int, Decimal)


class Identifier(types.Uuid[Any]):
    """uuid: a UUID, or its text if the type says so."""

    def bind_processor(self, dialect: Any) -> None:
        """Leave it to the driver."""

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read an identifier."""
        return _reader(UUID, str) if self.as_uuid else _reader(str, UUID)


class Document(types.JSON):
    """json and jsonb."""

    def result_processor(self, dialect: Any, coltype: Any) -> Processor:
        """Read a document; columns come parsed, expressions as text."""
        parse = dialect._json_deserializer or json.loads

        def process(value: Any) -> Any:
            if value.__class__ is values.Parsed:
                return str(value)
            return parse(value) if value.__class__ is str else value

        return process


COLSPECS: dict[Any, Any] = {
    types.DateTime: Moment,
    types.Date: Day,
    types.Time: TimeOfDay,
    types.Interval: Span,
    types.Boolean: Truth,
    types.Numeric: Number,
    types.Float: Real,
    types.Uuid: Identifier,
    types.JSON: Document,
    types.JSON.JSONIndexType: JSONIndexType,
    types.JSON.JSONPathType: JSONPathType,
}
"""SQLAlchemy's types and ours."""

REFLECTED: dict[str, Any] = {
    "INT": types.INTEGER,
    "PG_BOOLEAN": types.BOOLEAN,
    "PG_NUMERIC": types.NUMERIC,
    "PG_TIMESTAMPTZ": partial(TIMESTAMP, timezone=True),
    "PG_TIMESTAMP": TIMESTAMP,
    "PG_DATE": types.DATE,
    "PG_TIME": types.TIME,
    "PG_INTERVAL": INTERVAL,
    "PG_JSON_TEXT": JSONB,
    "PG_UUID_TEXT": types.UUID,
}
"""Column types of the file, as reflection reads them."""
