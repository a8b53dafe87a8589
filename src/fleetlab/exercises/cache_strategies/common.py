"""What the scenarios of this lesson share: clients, the database as its owner sees it, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import text

from fleetlab.world.http import Sent
from fleetlab.world.world import World

from ..history import History

MINUTE = 60.0
TIMEOUT = 300.0
"""When a client gives up, in virtual seconds: later than any instance stands still."""
PATIENCE = 10.0
"""After how long one is said to wait for somebody who is dead or stands still, in virtual seconds."""


def attempt(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    """Return the answer to a request, or None where none came: what came of it stands in the history."""
    try:
        return call()
    except httpx.HTTPError:
        return None


def patiently(world: World, call: Callable[[], httpx.Response], tries: int = 4) -> httpx.Response | None:
    """Send a request again, a second later, where no answer came or an instance failed."""
    response = None
    for number in range(tries):
        if number:
            world.run(1)
        response = attempt(call)
        if response is not None and response.status_code < 500:
            break
    return response


def field(response: httpx.Response | None, name: str) -> Any:
    """Return one field of a successful JSON answer, or None where there is none."""
    try:
        body = response.json() if response is not None and response.is_success else None
    except ValueError:
        return None
    return body.get(name) if isinstance(body, dict) else None


def sql(world: World, statement: str, **values: Any) -> Any:
    """Let the owner of the database run one statement by hand; return the first value that it finds, or None."""
    with world.database.engine().begin() as db:
        found = db.execute(text(statement), values)
        row = found.first() if found.returns_rows else None
    return row[0] if row is not None else None


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as a clause."""
    said = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {said:.40}" if said and not said.startswith("<") else ""
    why = _error(history, request) if request.status == 500 else ""
    return f"{request.client.title()} asked {request.method} {request.path} and got {request.outcome}{why or body}"


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for _, moment, error in history.errors:
        if request.time <= moment <= request.time + request.seconds:
            return f" ({type(error).__name__}: {str(error).splitlines()[0]:.80})"
    return ""
