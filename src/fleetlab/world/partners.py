"""Somebody else's service on HTTP: it never dies, it remembers, and it may be slow."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fleetlab.sim.clocks import sleep

if TYPE_CHECKING:
    from .env import Env
    from .world import World

Answer = tuple[int, dict[str, Any]]
"""A status, and what the body says."""


def _of(world: World) -> dict[str, Partner]:
    """Return the partners of a world, by name: kept with it, so that they end with it."""
    partners: dict[str, Partner] = vars(world).setdefault("partners", {})
    return partners


def _front(env: Env) -> Callable[..., Any]:
    """Return the WSGI application of the partner whose instance this is: its memory is no copy."""
    instance = env._instance
    return _of(instance.world)[instance.deployment.name]._serve


class Partner:
    """A service outside, deployed under a name; what it does with a request is one indivisible moment.

    The next requests wait before they take effect for as many virtual seconds as stand in `delays`: who gives up
    earlier has still asked. A subclass says what an `answer` is.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.delays: deque[float] = deque()
        self.requests = 0
        _of(world)[name] = self
        deployment = world.deploy(_front, instances=1, name=name, workers=64)
        for instance in deployment:
            instance.process.mortal = False

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> Answer:
        """Do what is asked and return status and body; `key` is the Idempotency-Key, or empty."""
        raise NotImplementedError

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        if self.delays:
            sleep(self.delays.popleft())
        text = environ["wsgi.input"].read()
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            status, told = 400, {"error": "the body is not a JSON object"}
        else:
            key = environ.get("HTTP_IDEMPOTENCY_KEY", "")
            status, told = self.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], key, body)
        sent = json.dumps(told).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(sent)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [sent]
