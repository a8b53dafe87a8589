"""redis-py's client and pool, as the simulated Redis hands them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import redis

from fleetlab.sim import Process
from fleetlab.sim.locks import virtual

from .redis_keys import Ordered


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
        connection: Any = super().make_connection()
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
                connection.forget()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.connection_kwargs['server']!r}>"


class Client(redis.Redis):
    """redis-py's client; what it makes outside a task can be waited for inside one."""

    connection_pool: Pool

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        for command in ("SMEMBERS", "SDIFF", "SINTER", "SUNION"):
            self.set_response_callback(command, Members)

    def pubsub(self, **more: Any) -> Any:
        """Return a Publish/Subscribe object."""
        with virtual():
            return super().pubsub(**more)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """Return a pipeline."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class Members(set[Any]):
    """The members of a Redis set; a loop over them has the same order in every run: that in which they were added."""

    def __init__(self, members: Iterable[Any], **options: Any) -> None:
        self._order = list(members)
        super().__init__(self._order)

    def __iter__(self) -> Iterator[Any]:
        yield from (member for member in self._order if member in self)
        yield from (member for member in super().__iter__() if member not in self._order)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}" if self else "set()"


class Pipeline(redis.client.Pipeline):
    """redis-py's pipeline; one that is left lying about sends no command when it is collected."""

    @property
    def scripts(self) -> Any:
        """The scripts to load first, in the order in which they were called."""
        return self._scripts

    @scripts.setter
    def scripts(self, scripts: Iterable[Any]) -> None:
        self._scripts = Ordered.fromkeys(scripts)

    def __del__(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.disconnect()
            self.connection_pool.release(connection)
