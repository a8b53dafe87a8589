"""The load balancer: which instance answers the next request."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from http.cookies import SimpleCookie
from random import Random
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from .instance import Instance

POLICIES = ("round robin", "random", "least busy", "sticky", "source address")
_ALONE = ("round robin", "sticky", "source address")
"""Policies under which one client's requests can be kept apart from the order of all others'."""
COOKIE = "SERVED_BY"


class LoadBalancer:
    """Sends each request to one instance that accepts connections, by a policy.

    `sticky` pins a client to the instance named in its cookie, `source address` to the one that its address (here: its
    lane) draws, each as long as that one is there. With `fair`, each client has a round of its own, so that the
    requests of different clients do not depend on each other's order: for exploration, which would otherwise try every
    order in which they can reach the balancer.
    """

    def __init__(self, policy: str = "round robin", seed: int | str = 0, fair: bool = False) -> None:
        if policy not in POLICIES:
            raise ValueError(f"A load balancer has no policy {policy!r}; choose one of {', '.join(POLICIES)}.")
        self.policy = policy
        self.fair = fair and policy in _ALONE
        self._turns: dict[str, int] = {}
        self._random = Random(f"balancer {seed}")

    def order(self, instances: Sequence[Instance], request: httpx.Request, client: str, number: int) -> list[Instance]:
        """Return the instances in the order in which they are tried; the first that accepts gets the request.

        `client` sends the request; `number` is where its own round begins.
        """
        if self.policy == "source address":
            return sorted(instances, key=lambda instance: _draw(client, instance.name), reverse=True)
        turn = self._rotate(instances, client if self.fair else "", number if self.fair else 0)
        if self.policy == "sticky":
            pinned = [instance for instance in instances if instance.name == self.pinned(request)]
            return pinned + [instance for instance in turn if instance not in pinned]
        if self.policy == "random":
            return self._random.sample(instances, len(instances))
        return sorted(turn, key=lambda instance: instance.busy) if self.policy == "least busy" else turn

    def _rotate(self, instances: Sequence[Instance], client: str, number: int) -> list[Instance]:
        if not instances:
            return []
        turn = self._turns.get(client, number)
        self._turns[client] = turn + 1
        start = turn % len(instances)
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


def _draw(client: str, instance: str) -> bytes:
    """Return what the highest of names an instance by: who leaves takes along its own clients alone.

    Rendezvous hashing (Thaler and Ravishankar, 1998).
    """
    return blake2b(f"{client} {instance}".encode()).digest()
