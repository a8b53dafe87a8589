"""Amounts that a learner hands over: checked once, refused in a sentence."""

from __future__ import annotations

from math import inf
from typing import Any


def seconds(value: Any, what: str) -> float:
    """Return a number of virtual seconds, 0 or more; `what` names the argument in the error."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise ValueError(f"{what} is a number of seconds, 0 or more, not {value!r:.40}.")
    return float(value)


def whole(value: Any, what: str, least: int = 0) -> int:
    """Return a whole number of at least `least`; `what` names the argument in the error."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{what} is a whole number, {least} or more, not {value!r:.40}.")
    return value
