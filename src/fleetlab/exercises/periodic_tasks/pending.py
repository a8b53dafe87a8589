"""What a run has left in the consumer groups of the shared Redis."""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World


def groups(world: World) -> list[tuple[str, dict[str, Any]]]:
    """Return the consumer groups of all streams, each with its stream."""
    store = world.redis.client()
    streams = sorted(key for key in store.scan_iter(count=1000) if store.type(key) == "stream")
    return [(key, group) for key in streams for group in store.xinfo_groups(key)]


def holders(world: World) -> list[str]:
    """Return the consumers that hold an entry of any stream."""
    store = world.redis.client()
    return [row["name"] for key, group in groups(world) for row in store.xpending(key, group["name"])["consumers"]]
