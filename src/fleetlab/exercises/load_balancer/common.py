"""What the scenarios of this lesson share: what must be answered, and forged cookies."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from ..asking import asked
from ..history import History


def unanswered(history: History, refused: tuple[str, ...] = ()) -> str | None:
    """Return which request got no success without any fault; those of the clients `refused` need none."""
    for request in history.sent:
        if not request.ok and request.client not in refused:
            return f"{asked(history, request)}; the contract says 200."
    return None


def forgeries(cookie: str, old: str, new: str) -> Iterator[str]:
    """Yield a cookie's value with `new` in the place of `old`, wherever that can be read: as it is, or under base64."""
    from werkzeug.http import parse_cookie

    text = parse_cookie(f"forged={cookie}").get("forged", cookie)
    if old in text:
        yield cookie.replace(old, new)
    parts = text.split(".")
    for number, part in enumerate(parts):
        forged = _forged(part, old.encode(), new.encode())
        if forged is not None:
            yield ".".join([*parts[:number], forged, *parts[number + 1 :]])


def _forged(part: str, old: bytes, new: bytes) -> str | None:
    for alphabet in (b"-_", b"+/"):
        try:
            plain = base64.b64decode(part.rstrip("=") + "=" * (-len(part.rstrip("=")) % 4), alphabet, validate=True)
        except (binascii.Error, ValueError):
            continue
        if old in plain:
            coded = base64.b64encode(plain.replace(old, new), alphabet).decode()
            return coded if part.endswith("=") else coded.rstrip("=")
    return None
