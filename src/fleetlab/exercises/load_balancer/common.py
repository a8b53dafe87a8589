"""What the scenarios of this lesson share: browsers that try again, what they were told, and forged cookies."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..history import History
from ..wording import clean

MINUTE = 60.0
DAY = 24 * 60 * MINUTE


def browser(world: World, name: str, service: str = "shop", **options: Any) -> Client:
    """Return a client that keeps cookies for https, where cookies marked as secure are sent too."""
    return world.client(name, base_url=f"https://{service}", **options)


def patiently(call: Callable[[], httpx.Response], tries: int = 3) -> httpx.Response:
    """Call again where an instance died or no answer came, as a person at a browser does."""
    for _ in range(tries):
        try:
            response = call()
        except httpx.HTTPError:
            continue
        if response.status_code not in (502, 503):
            return response
    return httpx.Response(504)


def field(response: httpx.Response, name: str) -> Any:
    """Return one field of a JSON answer of success, or None where there is none."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body.get(name) if isinstance(body, dict) and response.is_success else None


def asked(request: Sent) -> str:
    """Return who asked for what and got what, as the beginning of a sentence."""
    text = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {text:.60}" if text and not text.startswith("<") else ""
    return clean(f"{request.client.title()} asked {request.method} {request.path} and got {request.outcome}{body}")


def unanswered(history: History, refused: tuple[str, ...] = ()) -> str | None:
    """Return which request got no success without any fault; those of the clients `refused` need none."""
    for request in history.sent:
        if not request.ok and request.client not in refused:
            return f"{asked(request)}; the contract says 200."
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
