"""The server of the simulated Redis: what all of its connections share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING, Any

import fakeredis
from fakeredis.model import AccessControlList

from fleetlab.sim import Process, Simulation

from .network import Network
from .redis_keys import Keys, Ordered
from .redis_memory import Memory
from .redis_replica import Keyspace, Replica

if TYPE_CHECKING:
    from .redis_socket import Socket

FakeServer: Any = fakeredis.FakeServer  # its annotations allow no other lock, databases and sets

VERSION = (7, 4)
"""The Redis release whose behaviour the store shows."""


class Store(FakeServer):  # type: ignore[misc]
    """What all connections to one Redis share.

    `parked` holds the connections whose command blocks, in the order in which they began to wait.
    """

    def __init__(self, name: str, sim: Simulation, network: Network) -> None:
        super().__init__(version=VERSION)
        self.name = name
        self.split_pipelines = False
        self.attempts = 0
        # No other task runs while a command executes, so nothing needs a lock.
        self.lock = nullcontext()
        self.memory: Memory | None = None
        self.replica: Replica | None = None
        self.dbs: dict[int, Keys] = defaultdict(lambda: Keys(self))
        self.parked = Ordered()
        self.changed = False
        self.generation = 0
        self.attach(sim, network)

    def attach(self, sim: Simulation, network: Network) -> None:
        """Belong to another simulation from now on, empty."""
        self.sim, self.network = sim, network
        self.memory = self.replica = None
        self.owners: set[Process] = set()
        self.attempts = 0
        self.random = Random(f"redis {sim.seed}")
        self.generation += 1
        self.sockets: list[Socket] = []
        self.parked = Ordered()
        for name in ("subscribers", "psubscribers", "ssubscribers"):
            setattr(self, name, defaultdict(Ordered))
        for db in self.dbs.values():
            db.wipe()
        self.acl = AccessControlList()
        self.config.clear()
        self.scan_cursors.clear()
        self.lastsave = int(sim.epoch)
        self._next_client_id = 1
        self.forget_scripts()

    def forget_scripts(self) -> None:
        """Empty the script cache, and let the random numbers of scripts start again."""
        self.script_cache.clear()
        self._lua_functions = None
        if hasattr(self, "_lua_runtime"):
            self._lua_runtime.globals().math.randomseed(0x1234ABCD)

    def forget_globals(self) -> None:
        """Remove the global variables that a script has made."""
        runtime = getattr(self, "_lua_runtime", None)
        if runtime is not None:
            lua = runtime.globals()
            for name in set(lua.keys()) - self._lua_expected_globals:
                del lua[name]

    def size(self) -> int:
        """Return how many keys there are now."""
        now = self.unix_time()
        return sum(not 0 < (item.expireat or 0) < now for db in self.dbs.values() for item in db._dict.values())

    def copy(self) -> Keyspace:
        """Return every key of every database."""
        return {number: db.copy() for number, db in self.dbs.items()}

    def fail_over(self) -> None:
        """Hold what the replica holds; connections and scripts were the primary's. The old one is to be the replica."""
        assert self.replica is not None
        promoted = self.replica.promote()
        self.drop_connections()
        self.forget_scripts()
        for number, db in self.dbs.items():
            db.restore(promoted.get(number, {}))
        self.replica = Replica(self, self.replica.lag)

    def unix_time(self) -> float:
        """Return the server's clock: Unix time, in whole microseconds."""
        return round(self.sim.epoch + self.sim.now, 6)

    def virtual(self, unix_time: float) -> float:
        """Return a moment of the server's clock in virtual seconds."""
        return round(unix_time - self.sim.epoch, 6)

    def serve(self) -> None:
        """Give the blocked clients what has come, longest waiting first, before any other command runs."""
        while self.changed and self.parked:
            self.changed = False
            for socket in list(self.parked):
                socket.try_again()
        self.changed = False

    def drop_connections(self, of: Callable[[Socket], bool] = lambda socket: True) -> None:
        """Close connections from the server's side; what they still had to read is lost."""
        for socket in [socket for socket in self.sockets if of(socket)]:
            socket.responses.clear()
            socket.close()

    def own(self, process: Process) -> None:
        """Close the connections of `process` when it dies."""
        if process not in self.owners:
            self.owners.add(process)
            process.on_death(lambda: self.drop_connections(lambda socket: socket.owner is process))

    def network_changed(self, kind: str) -> None:
        """Drop every connection when an outage begins; let readers look again when a partition is healed."""
        if kind == "outage" and self.network.state("", self.name):
            self.drop_connections()
        elif kind == "heal":
            for socket in self.sockets:
                socket.arrival.notify_all()

    def __repr__(self) -> str:
        return f"<Redis {self.name}>"
