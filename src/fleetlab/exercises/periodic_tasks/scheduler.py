"""The scheduler outside: how it signs, how long it waits, and that it calls again."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import httpx

from fleetlab.world.http import Client

from ..asking import attempt, field, patiently
from .common import CUSTOMERS

PATIENCE, TRIES = 10.0, 3
"""How long the scheduler waits for an answer, in virtual seconds, and how often it calls."""
KEY = "the-key-of-the-scheduler-0123456789abcdef"
VARS = {"TRIGGER_KEY": KEY, "CUSTOMERS": " ".join(CUSTOMERS)}


def body(slot: str) -> bytes:
    """Return what is sent for a slot: JSON with blanks that no serialiser makes, so that its bytes must be signed."""
    return f'{{ "slot": "{slot}" }}\n'.encode()


def sign(text: bytes, key: str = KEY) -> str:
    """Return the signature of a body: HMAC-SHA256, in hexadecimal."""
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def post(client: Client, slot: str, signature: str | None = None) -> httpx.Response:
    """Call the endpoint once, with a signature if there is one; 504 stands for no answer."""
    headers = {"Content-Type": "application/json"} | ({"X-Signature": signature} if signature else {})
    return attempt(lambda: client.post("/jobs/reminders", content=body(slot), headers=headers))


def call(client: Client, slot: str) -> Any:
    """Call as a scheduler does, again until it hears that all is well; return the run that it is told."""
    signature = sign(body(slot))
    answer = patiently(lambda: post(client, slot, signature), TRIES, again=lambda heard: not heard.is_success)
    return field(answer, "run")
