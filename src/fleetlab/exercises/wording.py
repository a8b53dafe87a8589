"""Words for verdicts: numbers with their nouns, lists, and text that is the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
LONGEST = 400


def plural(count: int, noun: str) -> str:
    """Return a number with its noun: `1 kill`, `2 lost replies`, `1,290 schedules`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Return `a, b and c`."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def counted(counts: Mapping[str, int]) -> str:
    """Return how many of each kind, `2 preemptions and 1 kill`; kinds that do not occur are left out."""
    return listed([plural(count, kind) for kind, count in counts.items() if count])


def clean(text: str, longest: int = LONGEST) -> str:
    """Return text that prints everywhere alike: no memory addresses, no control characters, not too long."""
    text = _ADDRESS.sub("", text[: 4 * longest].encode("utf-8", "replace").decode("utf-8"))
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "\u2026"


def sentences(parts: Iterable[str]) -> str:
    """Return sentences as one text, without those that are empty."""
    return " ".join(part for part in parts if part)


def cause(error: BaseException) -> str:
    """Return an error in one clause: a database's own, without the statement and the link that SQLAlchemy adds."""
    own = getattr(error, "orig", None) or error
    lines = str(own).splitlines() or [""]
    return clean(f"{type(own).__name__}: {lines[0]}".rstrip(".: "))


def told(error: BaseException) -> str:
    """Return an error as `KeyError: 'x'`, also where it cannot say what it is."""
    try:
        said = str(error)
    except Exception:  # an error of the learner's whose own __str__ fails
        said = "(its message cannot be printed)"
    name = type(error).__name__
    return clean(" ".join(f"{name}: {said}".split())) if said else name
