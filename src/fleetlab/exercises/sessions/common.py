"""What the scenarios of this lesson share: units, keys, clients that try again, and the contract with an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..history import History

MINUTE = 60.0
DAY = 24 * 60 * MINUTE
LIFE = 15 * MINUTE
"""How long an access token lives, in virtual seconds."""
LEEWAY = MINUTE
"""How long after its end a token may still pass, for clocks that differ."""

KEYS = {f"k{n}": f"{n}-of-the-keys-of-this-lab-0123456789abcdef" for n in (1, 2)}


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
    """Return one field of a JSON answer, or None where there is none."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body.get(name) if isinstance(body, dict) and response.is_success else None


def said(request: Sent, name: str) -> Any:
    """Return one field of the JSON that a request was answered with, or None where there is none."""
    return field(request.response, name) if request.response is not None else None


def disagreement(history: History, path: str, fields: Sequence[str], before: float = inf) -> str | None:
    """Return which answer to `path`, asked `before` a moment, was no JSON with these fields, without any fault."""
    if history.deviated:
        return None
    for request in history.sent:
        if request.path == path and request.time < before and not all(said(request, name) for name in fields):
            wanted = ", ".join(f'"{name}"' for name in fields)
            return f"{asked(history, request)}; the contract says 200 and JSON with {wanted}."
    return None


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as the beginning of a sentence."""
    text = request.response.text.strip() if request.response is not None else ""
    body = f" {text:.40}" if text and not text.startswith("<") else ""
    why = _error(history, request) if request.status == 500 else ""
    return f"{request.client} asked {request.method} {request.path} and got {request.outcome}{why or body}"


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for instance in history.world.instances:
        for moment, error in instance.errors:
            if request.time <= moment <= request.time + request.seconds:
                return f" ({type(error).__name__}: {error})"
    return ""
