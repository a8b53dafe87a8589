"""What the scenarios of this lesson share: clients, the database as its owner sees it, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import text

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..history import History

MINUTE = 60.0


def client(world: World, name: str) -> Client:
    """Return a client with the patience of a person."""
    return world.client(name, base_url="http://shop", timeout=10)


def attempt(call: Callable[[], httpx.Response]) -> Any:
    """Return the JSON of an answer, or None where none came or it was no success: that stands in the history."""
    try:
        response = call()
        return response.json() if response.is_success else None
    except (httpx.HTTPError, ValueError):
        return None


def sql(world: World, statement: str, **values: Any) -> Any:
    """Let the owner of the database run one statement by hand; return the first value that it finds, or None."""
    with world.database.engine().begin() as db:
        found = db.execute(text(statement), values)
        row = found.first() if found.returns_rows else None
    return row[0] if row is not None else None


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as the beginning of a sentence."""
    said = " ".join(request.response.text.split()) if request.response is not None else ""
    body = f" {said:.60}" if said and not said.startswith("<") else ""
    why = _error(history, request) if request.status == 500 else ""
    return f"{request.client.title()} asked {request.method} {request.path} and got {request.outcome}{why or body}"


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for _, moment, error in history.errors:
        if request.time <= moment <= request.time + request.seconds:
            return f" ({type(error).__name__}: {str(error).splitlines()[0]:.80})"
    return ""
