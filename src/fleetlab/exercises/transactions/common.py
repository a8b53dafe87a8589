"""What the scenarios of this lesson share: clients that try again, and what was asked and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..history import History

MINUTE = 60.0
TIMEOUT = 12.0
"""When a client gives up, in virtual seconds: later than a service that waits 5 s for another."""
PAUSE = 15.0
"""How long a client waits before it tries again, in virtual seconds."""
TRIES = 5


def client(world: World, name: str, timeout: float = TIMEOUT) -> Client:
    """Return somebody outside who talks to the shop, and waits longer for it than the shop waits for others."""
    return world.client(name, base_url="http://shop", timeout=timeout)


def attempt(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    """Return the answer to a request, or None where none came: what came of it stands in the history."""
    try:
        return call()
    except httpx.HTTPError:
        return None


def patiently(world: World, call: Callable[[], httpx.Response], tries: int = TRIES) -> httpx.Response | None:
    """Send a request again, a while later, where no answer came, an instance failed, or it is still under way."""
    response = None
    for number in range(tries):
        if number:
            world.run(PAUSE)
        response = attempt(call)
        if response is not None and response.status_code < 500 and response.status_code not in (409, 425, 429):
            break
    return response


def field(response: httpx.Response | None, name: str) -> Any:
    """Return one field of a successful JSON answer, or None where there is none."""
    try:
        body = response.json() if response is not None and response.is_success else None
    except ValueError:
        return None
    return body.get(name) if isinstance(body, dict) else None


def whole(value: Any) -> bool:
    """Tell whether a value is a whole number, and neither text nor a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as a clause."""
    text = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {text:.60}" if text and not text.startswith("<") else ""
    why = _error(history, request) if request.status == 500 else ""
    return f"{request.client.title()} asked {request.method} {request.path} and got {request.outcome}{why or body}"


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for _, moment, error in history.errors:
        if request.time <= moment <= request.time + request.seconds:
            return f" ({type(error).__name__}: {str(error).splitlines()[0]:.80})"
    return ""


def euros(cents: int) -> str:
    """Return an amount as people write it."""
    return f"{cents // 100}.{cents % 100:02} €" if cents % 100 else f"{cents // 100} €"
