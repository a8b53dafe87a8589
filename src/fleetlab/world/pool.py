"""What many short worlds share: stores, clients and app images, emptied but not built again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleetlab.sim import Simulation

from . import routing
from .memory import Image, image

if TYPE_CHECKING:
    from .database import Database
    from .network import Network
    from .redis import RedisServer
    from .replica import Replica


class Pool:
    """Stores and images for one world after another; never for two at a time."""

    def __init__(self) -> None:
        self._redis: RedisServer | None = None
        self._database: Database | None = None
        self._replica: Replica | None = None
        self._images: dict[int, tuple[Any, Image]] = {}

    def redis(self, sim: Simulation, network: Network) -> RedisServer:
        """Return an empty Redis for a new world."""
        from .redis import RedisServer

        if self._redis is None:
            self._redis = RedisServer(sim, network)
        else:
            self._redis.attach(sim, network)
        return self._redis

    def database(self, sim: Simulation, network: Network) -> Database:
        """Return an empty database for a new world."""
        from .database import Database

        if self._database is None:
            self._database = Database(sim, network)
        else:
            self._database.attach(sim, network)
        return self._database

    def replica(self, sim: Simulation, network: Network, primary: Database) -> Replica:
        """Return a replica of this world's database."""
        from .replica import Replica

        if self._replica is None or self._replica.primary is not primary:
            self._replica = Replica(sim, network, primary)
        else:
            self._replica.attach(sim, network)
        return self._replica

    def close(self) -> None:
        """Give back what the operating system lends: files and connections. Nothing of the pool can be used then."""
        for database in (self._database, self._replica):
            if database is not None:
                database.file.close()

    def image(self, factory: Callable[..., Any]) -> Image:
        """Return the image of a factory, taken once."""
        found = self._images.get(id(factory))
        if found is None or found[0] is not factory:
            found = self._images[id(factory)] = (factory, image(factory))
        else:
            routing.remember()  # the same app is built again, and will be many times more
        return found[1]
