"""What the scenarios of this lesson share: clients that try again, and amounts."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import patiently

TIMEOUT = 12.0
"""When a client gives up, in virtual seconds: later than a service that waits 5 s for another."""
PAUSE = 15.0
"""How long a client waits before it tries again, in virtual seconds."""
TRIES = 5


def client(world: World, name: str, timeout: float = TIMEOUT) -> Client:
    """Return somebody outside who talks to the shop, and waits longer for it than the shop waits for others."""
    return world.client(name, base_url="http://shop", timeout=timeout)


def insistently(world: World, call: Callable[[], httpx.Response]) -> httpx.Response:
    """Send a request again, a while later, where no answer came, an instance failed, or it is still under way."""
    return patiently(call, TRIES, again=_undecided, pause=lambda: world.run(PAUSE))


def _undecided(answer: httpx.Response) -> bool:
    return answer.status_code >= 500 or answer.status_code in (409, 425, 429)


def euros(cents: int) -> str:
    """Return an amount as people write it."""
    return f"{cents // 100}.{cents % 100:02} €" if cents % 100 else f"{cents // 100} €"
