"""What the scenarios of this lesson share: asking for a page, reading an ETag, and saying who got what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from fleetlab.world.http import Client, Sent

from ..history import History

MINUTE = 60.0

Answer = httpx.Response


def attempt(call: Callable[[], Answer]) -> Answer:
    """Send a request; an answer that never comes is a 504."""
    try:
        return call()
    except httpx.HTTPError:
        return httpx.Response(504)


def get(client: Client, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask for a page; an answer that never comes is a 504."""
    return attempt(lambda: client.get(path, headers=headers))


def tag_of(answer: Answer) -> str:
    """Return an answer's ETag, or nothing."""
    return str(answer.headers.get("etag", ""))


def opaque(tag: str) -> str:
    """Return an ETag without its mark for weakness (RFC 9110, section 8.8.3)."""
    return tag.removeprefix("W/")


def asked(history: History, request: Sent) -> str:
    """Return who asked for what and got what, as the beginning of a sentence."""
    text = request.response.text.strip() if request.response is not None else ""
    why = _error(history, request) if request.status == 500 else ""
    body = f" {text:.60}" if text and not text.startswith("<") else ""
    return f"{request.client} asked {request.method} {request.path} and got {request.outcome}{why or body}"


def _error(history: History, request: Sent) -> str:
    """Return the error behind a 500: one that an instance noted while the request was under way."""
    for instance in history.world.instances:
        for moment, error in instance.errors:
            if request.time <= moment <= request.time + request.seconds:
                return f" ({type(error).__name__}: {error})"
    return ""
