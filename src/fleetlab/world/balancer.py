"""The load balancer: which instance answers the next request."""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import SimpleCookie
from random import Random
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from .instance import Instance

POLICIES = ("round robin", "random", "least busy", "sticky")
COOKIE = "SERVED_BY"


class LoadBalancer:
    """Sends each request to one instance that accepts connections, by a policy.

    `sticky` pins a client to the instance named in its cookie, as long as that one is there.
    """

    def __init__(self, policy: str = "round robin", seed: int | str = 0) -> None:
        if policy not in POLICIES:
            raise ValueError(f"A load balancer has no policy {policy!r}; choose one of {', '.join(POLICIES)}.")
        self.policy = policy
        self._turn = 0
        self._random = Random(f"balancer {seed}")

    def order(self, instances: Sequence[Instance], request: httpx.Request) -> list[Instance]:
        """Return the instances in the order in which they are tried; the first that accepts gets the request."""
        if self.policy == "sticky":
            pinned = [instance for instance in instances if instance.name == self.pinned(request)]
            return pinned + [instance for instance in self._rotate(instances) if instance not in pinned]
        if self.policy == "random":
            return self._random.sample(instances, len(instances))
        turn = self._rotate(instances)
        return sorted(turn, key=lambda instance: instance.busy) if self.policy == "least busy" else turn

    def _rotate(self, instances: Sequence[Instance]) -> list[Instance]:
        if not instances:
            return []
        start = self._turn % len(instances)
        self._turn += 1
        return [*instances[start:], *instances[:start]]

    def pinned(self, request: httpx.Request) -> str:
        """Return the instance that the request's cookie names, or an empty string."""
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        return cookie.value if cookie else ""

    def stick(self, instance: Instance, request: httpx.Request) -> list[tuple[str, str]]:
        """Return the headers that pin a client to its instance."""
        if self.policy != "sticky" or self.pinned(request) == instance.name:
            return []
        return [("set-cookie", f"{COOKIE}={instance.name}; Path=/; HttpOnly")]
