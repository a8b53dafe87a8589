"""Redis: one shared store of a world, reached through the real redis-py client."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fleetlab.sim import Process, Simulation, current_task
from fleetlab.sim.kernel import STORE_LATENCY
from fleetlab.sim.locks import virtual
from fleetlab.sim.process import stream

from .network import Network
from .redis_store import Store
from .redis_wire import Connection

TIMEOUT = 5.0
"""Socket timeout of every client, in seconds; a command that blocks for longer raises `redis.TimeoutError`, as for real."""


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
        task = current_task()
        before = stream(task).getstate() if task is not None else None
        with virtual():
            pool = Pool(connection_class=Connection, host=self.name, server=self._store, **(options() | more))
            client = Client(connection_pool=pool)
        if task is not None:
            stream(task).setstate(before)  # the pool's own id costs the task nothing
        self._clients.setdefault(key, []).append(client)
        return client

    def outage(self, seconds: float, lose_data: bool = False) -> None:
        """Be out of reach for `seconds` of virtual time; with `lose_data` come back empty."""
        self._store.network.outage(self.name, seconds)
        if lose_data:
            for db in self._store.dbs.values():
                db.clear()
            self._store.forget_scripts()

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


class Pool(redis.ConnectionPool):
    """redis-py's pool for connections of one process; it connects when a command is sent, so that this is one step."""

    owner: Process | None = None

    def _checkpid(self) -> None:
        """Do nothing: another process of the simulation is no fork of this one."""

    def get_connection(self, command_name: Any = None, *keys: Any, **more: Any) -> Any:
        """Return an idle connection, or a new one."""
        idle = self._available_connections
        connection = idle.pop() if idle else self.make_connection()
        self._in_use_connections.add(connection)
        sock = connection._sock
        if sock is not None and (sock.closed or sock.responses):
            connection.disconnect()
        return connection

    def make_connection(self) -> Any:
        """Return a new connection that belongs to this pool."""
        connection = super().make_connection()
        connection.home = self
        return connection

    def release(self, connection: Any) -> None:
        """Take a connection back, unless it belongs to a schedule that is over."""
        if connection in self._in_use_connections:
            self._in_use_connections.remove(connection)
            if connection.should_reconnect():
                connection.disconnect()
            self._available_connections.append(connection)

    def begin_again(self) -> None:
        """Keep the idle connections, and forget those that a schedule which is over still holds."""
        self._created_connections -= len(self._in_use_connections)
        self._in_use_connections = set()
        for connection in self._available_connections:
            if connection.username or connection.password or connection.credential_provider:
                connection.disconnect()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.connection_kwargs['server']!r}>"


class Client(redis.Redis):
    """redis-py's client; what it makes outside a task can be waited for inside one."""

    connection_pool: Pool

    def pubsub(self, **more: Any) -> Any:
        """Return a Publish/Subscribe object."""
        with virtual():
            return super().pubsub(**more)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """Return a pipeline."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class Pipeline(redis.client.Pipeline):
    """redis-py's pipeline; one that is left lying about sends no command when it is collected."""

    def __del__(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.disconnect()
            self.connection_pool.release(connection)
