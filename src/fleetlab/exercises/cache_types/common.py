"""What the scenarios of this lesson share: asking for a page, and reading an ETag."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from fleetlab.world.http import Client

from ..asking import attempt

Answer = httpx.Response


def get(client: Client, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask for a page; an answer that never comes is a 504."""
    return attempt(lambda: client.get(path, headers=headers))


def tag_of(answer: Answer) -> str:
    """Return an answer's ETag, or nothing."""
    return str(answer.headers.get("etag", ""))


def opaque(tag: str) -> str:
    """Return an ETag without its mark for weakness (RFC 9110, section 8.8.3)."""
    return tag.removeprefix("W/")
