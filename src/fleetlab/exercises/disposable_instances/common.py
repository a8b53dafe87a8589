"""What the scenarios of this lesson share: patience, clients that bear a failure, and what was asked and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..history import History

MINUTE = 60.0
TIMEOUT, PATIENCE = 3.0, 2.0
"""When a client gives up, and after how long one is said to wait for somebody dead, in virtual seconds."""

CUT_OFF = (0, 502, 503, 504)
"""How a request ends that met a dead instance, or nobody: no answer, or one of the balancer's own."""


def attempt(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    """Return the answer to a request, or None where none came: what came of it stands in the history."""
    try:
        return call()
    except httpx.HTTPError:
        return None


def ask(client: Client, path: str, tries: int = 3) -> httpx.Response | None:
    """Return the answer to a GET, asked again where an instance is dead, as a person does who loads a page again."""
    response = None
    for _ in range(tries):
        response = attempt(lambda: client.get(path))
        if response is not None and response.status_code not in CUT_OFF:
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


def asked(request: Sent) -> str:
    """Return who asked for what and got what, as a clause."""
    text = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {text:.40}" if text and not text.startswith("<") else ""
    return f"{request.client.title()} asked {request.method} {request.path} and got {request.outcome}{body}"


def stalled(world: World) -> bool:
    """Tell whether somebody waited for an instance that is dead: all is lost, and the scenario need not go on."""
    return any(request.seconds >= PATIENCE for request in world.sent)


def blocked(history: History) -> str | None:
    """Return who waited for an instance that is dead, if anybody did."""
    for request in history.sent:
        if request.seconds >= PATIENCE:
            end = "" if request.ok else ", in vain"
            waited = f"{request.client.title()} waited {request.seconds:.0f} s for {request.method} {request.path}{end}"
            return f"{waited}: an instance is dead."
    return None


def listed(values: list[Any]) -> str:
    """Return values as `1, 2 and 3`; as `nothing` where there are none."""
    texts = [str(value) for value in values]
    if len(texts) < 2:
        return texts[0] if texts else "nothing"
    return f"{', '.join(texts[:-1])} and {texts[-1]}"
