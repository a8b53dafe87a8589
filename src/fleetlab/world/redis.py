"""Redis: one shared store of a world, reached through the real redis-py client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fleetlab.sim import Process, Simulation, current_task
from fleetlab.sim.kernel import STORE_LATENCY
from fleetlab.sim.locks import virtual
from fleetlab.sim.process import stream

from . import amounts
from .network import Network
from .redis_client import Client, Pool
from .redis_memory import POLICIES, Memory
from .redis_replica import LAG, Replica
from .redis_store import Store
from .redis_wire import Connection

TIMEOUT = 5.0
"""Socket timeout of every client, in seconds; a command that blocks for longer raises `redis.TimeoutError`."""


def options() -> dict[str, Any]:
    """Return the options of every client, simulated and real: decoded responses, a timeout, and no retries.

    redis-py by itself retries ten times, so that one `incr()` whose reply is lost counts twice; who wants retries asks
    for them: `client(process, retry=Retry(...))`.
    """
    return {
        "decode_responses": True,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }


def real_client(url: str, **more: Any) -> redis.Redis:
    """Return a client of a real Redis with the options of a simulated one."""
    return redis.Redis.from_url(url, **(options() | more))


class RedisServer:
    """One shared Redis of a world: real redis-py clients, each command of a task being one step.

    Its keys expire in virtual time, its blocking commands wait in it, its connections close when their process dies.
    Outside a task commands run at once, unrecorded, at the simulation's present moment, whatever the network does.
    A pipeline is one step; with `split_pipelines` one without MULTI is a step a command, as a real server may
    interleave them with those of others.
    """

    def __init__(
        self, sim: Simulation, network: Network, name: str = "redis", *, split_pipelines: bool = False
    ) -> None:
        self.name = name
        self._store = Store(name, sim, network)
        self._store.split_pipelines = split_pipelines
        self._clients: dict[Any, list[Client]] = {}
        self._unused: dict[Any, list[Client]] = {}
        self._join(sim, network)

    def client(self, process: Process | None = None, **more: Any) -> redis.Redis:
        """Return a client, of `process` if given, whose connections close when that process dies.

        `more` are redis-py's options for a connection or a pool; the rest are those of `options()`.
        """
        key = tuple(sorted(more.items(), key=lambda item: item[0]))
        unused = self._unused.get(key)
        client = unused.pop(0) if unused else self._make(key, more)
        client.connection_pool.owner = process
        if process is not None:
            self._store.own(process)
        return client

    def _make(self, key: Any, more: dict[str, Any]) -> Client:
        of_client = {name: more[name] for name in ("single_connection_client",) if name in more}
        of_pool = options() | {name: value for name, value in more.items() if name not in of_client}
        with virtual(), _same_chance():
            pool = Pool(connection_class=Connection, host=self.name, server=self._store, **of_pool)
            client = Client(connection_pool=pool, **of_client)
        self._clients.setdefault(key, []).append(client)
        return client

    @property
    def attempts(self) -> int:
        """How many steps were taken towards this server, successful or not."""
        return self._store.attempts

    def size(self) -> int:
        """Return how many keys there are now."""
        return self._store.size()

    def outage(self, seconds: float, lose_data: bool = False) -> None:
        """Be out of reach for `seconds` of virtual time; with `lose_data` come back empty."""
        self._store.network.outage(self.name, seconds)
        if lose_data:
            for db in self._store.dbs.values():
                db.clear()
            self._store.forget_scripts()

    def replicate(self, lag: float = LAG) -> None:
        """Have a replica from now on, asynchronous: a write arrives there `lag` virtual seconds after its effect."""
        self._store.replica = Replica(self._store, amounts.seconds(lag, "replicate(lag)"))

    def failover(self, seconds: float = 0.0) -> None:
        """Lose the primary: after `seconds` out of reach the replica serves in its place, under the same name.

        Writes of its last `lag` seconds are gone, acknowledged or not; what had a time to live keeps its end.
        Connections break, and clients connect again by themselves. The old primary is the replica from then on.
        Raises RuntimeError where there is no replica.
        """
        seconds = amounts.seconds(seconds, "failover(seconds)")
        if self._store.replica is None:
            raise RuntimeError(f"{self.name} has no replica that could take over: call replicate(lag) before.")
        if seconds:
            self._store.network.outage(self.name, seconds)
        self._store.fail_over()
        if self._store.sim.trace.enabled:
            self._store.sim.trace.add(self._store.sim.now, self.name, "note", "fails over to its replica")

    def maxmemory(self, keys: int, policy: str = "noeviction") -> None:
        """Hold `keys` keys at most from now on; `policy` says what becomes of the rest, by the words of Redis.

        Raises ValueError for no number of keys, and for a policy that is not simulated.
        """
        if policy not in POLICIES:
            raise ValueError(f"maxmemory(policy) is one of {', '.join(POLICIES)}, not {policy!r:.40}.")
        self._store.memory = Memory(self._store, amounts.whole(keys, "maxmemory(keys)", least=1), policy)

    def disconnect(self, process: Process) -> None:
        """Close every connection of `process`: its watches, subscriptions, MULTI and blocked commands are gone."""
        self._store.drop_connections(lambda socket: socket.owner is process)

    def reset(self) -> None:
        """Forget keys, scripts, subscribers and clients; `client()` gives the clients out again, still connected."""
        self.attach(self._store.sim, self._store.network)

    def attach(self, sim: Simulation, network: Network) -> None:
        """Belong to another simulation and network from now on, and be empty as after `reset()`."""
        if network is not self._store.network:
            self._join(sim, network)
        self._store.attach(sim, network)
        self._unused = {key: list(clients) for key, clients in self._clients.items()}
        for clients in self._clients.values():
            for client in clients:
                client.connection_pool.begin_again()

    def _join(self, sim: Simulation, network: Network) -> None:
        network.latency.setdefault(self.name, STORE_LATENCY)
        network.on_change(self._store.network_changed)
        sim.trace.lane(self.name, "store")

    def __repr__(self) -> str:
        return f"<Redis {self.name}>"


@contextmanager
def _same_chance() -> Iterator[None]:
    """Let a pool draw the id that it gives itself without cost to the running task's random numbers."""
    task = current_task()
    random = stream(task) if task is not None else None
    before = random.getstate() if random is not None else ()
    yield
    if random is not None:
        random.setstate(before)
