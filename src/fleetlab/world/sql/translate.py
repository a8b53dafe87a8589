"""PostgreSQL's SQL rewritten into SQLite's: words, literals, casts, comparisons, divisions."""

from __future__ import annotations

import re

from . import spans
from .casts import CASTS, casts
from .locking import Locking, locking_of, without_locking
from .order import limits, nulls
from .refusals import check_grouping, check_locking, refusals
from .tokens import Token, call, closing, find, op, primary_after, primary_before, word

Parts = list[Token]


_WORDS: dict[str, Parts] = {
    "CURRENT_TIMESTAMP": call("now"),
    "LOCALTIMESTAMP": call("pg_localtimestamp"),
    "CURRENT_DATE": call("pg_current_date"),
    "ILIKE": [word("MATCH")],
    "~": [word("REGEXP")],
}
_RENAMED = {
    "date_part": "pg_extract",
    "random": "pg_random",
    "char_length": "length",
    "left": "pg_left",
    "right": "pg_right",
}


def translated(parts: Parts) -> tuple[Parts, Locking]:
    """Return a query for SQLite, and what it locks."""
    locking = locking_of(parts)
    parts = without_locking(parts)
    if locking.for_update:
        check_locking(parts)
    check_grouping(parts)
    parts = expression(parts)
    for rewrite in (_moments, _any, limits, nulls, _identifiers):
        parts = rewrite(parts)
    return parts, locking


def expression(parts: Parts) -> Parts:
    """Return an expression for SQLite."""
    for rewrite in (refusals, _words, _extracts, _literals, casts, _divisions, _json_text):
        parts = rewrite(parts)
    return parts


# -- words


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
        elif parts[i].up == "POSITION" and i + 1 < len(parts) and parts[i + 1].text == "(":
            end = closing(parts, i + 1)
            at = find(parts, "IN", start=i + 2)
            kept += call("instr", _extracts(parts[at + 1 : end]), _extracts(parts[i + 2 : at]))
            i = end + 1
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
                parts = parts[:i] + call(CASTS[parts[i].up], [parts[i + 1]]) + parts[i + 2 :]
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


_ISO = re.compile(r"'\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?'")
_COMPARISONS = frozenset(("<", ">", "<=", ">=", "=", "<>", "!="))


def _moments(parts: Parts) -> Parts:
    """Let a moment be compared with its text: `x < '2026-01-05 09:00'`."""
    i = 1
    while i + 1 < len(parts):
        literal = parts[i + 1]
        if parts[i].text in _COMPARISONS and literal.kind == "string" and _ISO.fullmatch(literal.text):
            start = primary_before(parts, i)
            same = call("pg_like", parts[start:i], [literal])
            parts = parts[: i + 1] + same + parts[i + 2 :]
        i += 1
    return parts


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


def _divisions(parts: Parts) -> Parts:
    """Let a division by zero be an error; SQLite returns NULL."""
    i = 1
    while i + 1 < len(parts):
        if parts[i].text in ("/", "%") and parts[i].kind == "op":
            end = primary_after(parts, i + 1)
            parts = parts[: i + 1] + call("pg_nonzero", _divisions(parts[i + 1 : end])) + parts[end:]
        i += 1
    return parts


def _json_text(parts: Parts) -> Parts:
    """Let `->>` return text; SQLite returns numbers as numbers."""
    i = 1
    while i + 1 < len(parts):
        if parts[i].text == "->>":
            start = primary_before(parts, i)
            while start > 1 and parts[start - 1].text == "->":
                start = primary_before(parts, start - 1)
            end = primary_after(parts, i + 1)
            text = call("pg_json_text", parts[start:i], parts[i + 1 : end])
            parts, i = parts[:start] + text + parts[end:], start
        i += 1
    return parts


def _identifiers(parts: Parts) -> Parts:
    """Quote identifiers so that SQLite never takes one for a string."""
    return [
        Token("quoted", f"[{part.text[1:-1]}]") if part.kind == "quoted" and "]" not in part.text else part
        for part in parts
    ]
