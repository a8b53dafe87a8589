"""What the scenarios of this lesson share: lives and keys of tokens, and the contract with an answer."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from ..asking import MINUTE, asked, field
from ..history import History

LIFE = 15 * MINUTE
"""How long an access token lives, in virtual seconds."""
LEEWAY = MINUTE
"""How long after its end a token may still pass, for clocks that differ."""

KEYS = {f"k{n}": f"{n}-of-the-keys-of-this-lab-0123456789abcdef" for n in (1, 2)}


def disagreement(history: History, path: str, fields: Sequence[str], before: float = inf) -> str | None:
    """Return which answer to `path`, asked `before` a moment, was no JSON with these fields, without any fault."""
    if history.deviated:
        return None
    for request in history.sent:
        if request.path == path and request.time < before and not all(field(request.response, name) for name in fields):
            wanted = ", ".join(f'"{name}"' for name in fields)
            return f"{asked(history, request)}; the contract says 200 and JSON with {wanted}."
    return None
