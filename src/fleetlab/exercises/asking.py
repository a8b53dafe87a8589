"""How scenarios ask a service: clients who bear a failure, and their requests and answers in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.instance import Instance
from fleetlab.world.world import World

from .history import History
from .wording import cause, clean

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

NOBODY = (502, 503, 504)
"""How a request ends that met a dead instance, or nobody."""


def browser(world: World, name: str, service: str = "shop", **options: Any) -> Client:
    """Return a client that keeps cookies for https, where cookies marked as secure are sent too."""
    return world.client(name, base_url=f"https://{service}", **options)


def attempt(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Send a request; an answer that never comes is a 504, and what came of it stands in the history."""
    try:
        return call()
    except httpx.HTTPError:
        return httpx.Response(504)


def nobody_there(answer: httpx.Response) -> bool:
    """Tell whether a request met a dead instance, or nobody."""
    return answer.status_code in NOBODY


def patiently(
    call: Callable[[], httpx.Response],
    tries: int = 3,
    *,
    again: Callable[[httpx.Response], bool] = nobody_there,
    pause: Callable[[], object] = lambda: None,
) -> httpx.Response:
    """Send a request again, after a pause, as long as `again` says so of the answer: by default where nobody was."""
    answer = attempt(call)
    for _ in range(tries - 1):
        if not again(answer):
            break
        pause()
        answer = attempt(call)
    return answer


def ask_one(
    world: World, instance: Instance, request: httpx.Request, who: str = "checker", patience: float = 5.0
) -> tuple[int, Any]:
    """Ask one instance, past the balancer; return status and JSON of its answer, 0 where none came in time."""
    world.trace.add(world.now, who, "request", f"{request.method} {request.url.path}", instance.name)
    exchange = instance.accept(request, who)
    if exchange is None or not exchange.wait(patience) or exchange.answer is None:
        return 0, None
    try:
        return exchange.answer.status, httpx.Response(200, content=exchange.answer.body).json()
    except ValueError:
        return exchange.answer.status, None


def content(answer: httpx.Response | None) -> Any:
    """Return what the JSON of a successful answer says, or None where there is none."""
    try:
        return answer.json() if answer is not None and answer.is_success else None
    except ValueError:
        return None


def field(answer: httpx.Response | None, name: str) -> Any:
    """Return one field of a successful JSON answer, or None where there is none."""
    said = content(answer)
    return said.get(name) if isinstance(said, dict) else None


def whole(value: Any) -> bool:
    """Tell whether a value is a whole number, and neither text nor a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as a clause; a 500 is followed by its error."""
    text = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {text:.60}" if text and not text.startswith("<") else ""
    why = _error(history, request) if request.status == 500 else ""
    who = request.client.title()
    return clean(f"{who} asked {request.method} {request.path} and got {request.outcome}{why or body}")


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for _, moment, error in history.errors:
        if request.time <= moment <= request.time + request.seconds:
            return f" ({clean(cause(error), 100)})"
    return ""
