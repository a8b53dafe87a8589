"""What the scenarios of this lesson share: a client."""

from __future__ import annotations

from fleetlab.world.http import Client
from fleetlab.world.world import World


def client(world: World, name: str) -> Client:
    """Return a client with the patience of a person."""
    return world.client(name, base_url="http://shop", timeout=10)
