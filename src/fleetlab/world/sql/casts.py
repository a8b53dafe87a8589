"""Types by their names, and casts to them."""

from __future__ import annotations

from .errors import refuse
from .tokens import Token, call, closing, find, primary_before

Parts = list[Token]

CASTS: dict[str, str] = {
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
"""The function that casts to each type; none where SQLite's value will do."""


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
    if name not in CASTS:
        raise refuse(f"A cast to {name.lower()}")
    function = CASTS[name]
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
