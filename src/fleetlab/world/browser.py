"""A browser: a client with a private HTTP cache, for which no request is sent while what it keeps is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .http import Client
from .http_cache import Way, cached
from .kept import Kept

if TYPE_CHECKING:
    from .world import World


def browser(world: World, name: str | None = None, **options: Any) -> Client:
    """Return a client as `world.client` does, with a private cache as RFC 9111 has it.

    What it answers from its cache is in no trace and not in `world.sent`: nobody else hears of it. Like a browser it
    keeps by URL, whoever is logged in.
    """
    client = world.client(name, **options)
    client._transport = cached(Way(client._transport), Kept(shared=False))
    return client
