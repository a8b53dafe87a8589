"""The client's end of one connection to the simulated Redis: it opens, fails, waits and reads in virtual time."""

from __future__ import annotations

import sys
import time
import uuid
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import fakeredis
import redis
import redis.lock
import redis.retry
from redis.utils import SENTINEL

from fleetlab.sim import Record, Task, WaitQueue, current_task
from fleetlab.sim.trace import Touches

from .redis_socket import Socket
from .redis_store import Store
from .redis_words import ALL, reply_text

if TYPE_CHECKING:
    from .redis_client import Pool

FakeRedisConnection: Any = fakeredis.FakeRedisConnection  # its annotations allow no other socket

KEEPALIVE = 45.0
"""Virtual seconds until a connection without a socket timeout is found dead: redis-py's 30 s and 3 probes of 5 s."""

# Bound before the clocks were replaced, if redis was imported first.
redis.retry.sleep = time.sleep  # type: ignore[attr-defined]
# A lock's token is a uuid1, which C makes from the real clock; inside a task it is drawn from the task's own chance.
redis.lock.uuid = SimpleNamespace(  # type: ignore[assignment,attr-defined]
    uuid1=lambda: uuid.uuid1() if current_task() is None else uuid.uuid4()
)


class Link(FakeRedisConnection):  # type: ignore[misc]
    """A connection that knows who owns it, whether the network lets it through, and how to wait."""

    home: Pool
    _sock: Socket | None
    _server: Store
    _shaking = False
    _last: Socket | None = None

    # -- open and close

    def connect(self) -> None:
        """Connect if need be; raises `redis.ConnectionError` or, after a while, `redis.TimeoutError`."""
        if self._sock is not None and not self._sock.closed:
            return
        task = current_task()
        if task is not None:
            if task.doomed:
                task.sim.die(task)
            self._reach(task, connected=False)
        self.disconnect()
        self._shaking = True
        try:
            self.connect_check_health(check_health=False)
        finally:
            self._shaking = False

    def _open(self) -> Socket:
        """Return the server's end of this connection, connected and of the present generation."""
        sock = self._sock or self._last
        if sock is not None and sock.generation != self._server.generation:
            self._sock = sock
            sock.begin_again()
            self._own(sock)
        elif self._sock is None or self._sock.closed:
            self.connect()
        assert self._sock is not None
        return self._sock

    def _connect(self) -> Socket:
        sock = Socket(self._server, self.db, self._client_info)
        self._own(sock)
        return sock

    def _own(self, sock: Socket) -> None:
        task = current_task()
        sock.owner = self.home.owner or (task.process if task is not None else None)
        if sock.owner is not None:
            self._server.own(sock.owner)

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection; the server notices at once."""
        sock, self._sock = self._sock, None
        self._reset_himport_state()
        self.reset_should_reconnect()
        if sock is not None:
            sock.close()
            self._last = sock

    def forget(self) -> None:
        """Disconnect, and shake hands again next time."""
        self.disconnect()
        self._last = None

    def _step(self, task: Task, what: str, touched: Touches) -> Record:
        store = self._server
        if task.sim is not store.sim:
            raise RuntimeError(f"{task.lane} calls {store.name}, which belongs to another simulation.")
        store.attempts += 1
        latency = store.network.latency[store.name]
        if store.memory is not None:
            touched = (store.name, ALL, "w")  # each use of a key has a say in which one is evicted
        return store.sim.step(task, what, touched, store.name, "call", latency, sys._getframe(1))

    # -- failures

    def _reach(self, task: Task, connected: bool, record: Record | None = None) -> None:
        """Raise what a client gets from a server out of reach: at once, or after its socket timeout."""
        state = self._server.network.state(task.lane, self._server.name)
        if not state:
            return
        if record is not None:
            record.reply = "refused" if state == "outage" else "no answer"
        if state == "outage":
            raise redis.ConnectionError(f"Error 111 connecting to {self.host}:{self.port}. Connection refused.")
        self._wait_in_vain(connected)

    def _lost(self, record: Record | None) -> redis.ConnectionError:
        if record is not None:
            record.reply = "connection lost"
        return redis.ConnectionError("Connection closed by server.")

    def _wait_in_vain(self, connected: bool = True) -> NoReturn:
        timeout = self.socket_timeout if connected else self.socket_connect_timeout
        WaitQueue(f"an answer of {self._server.name}").wait(KEEPALIVE if timeout is None else timeout)
        if timeout is None:
            raise redis.ConnectionError(
                f"Error while reading from {self._host_error()} : (110, 'Connection timed out')"
            )
        raise redis.TimeoutError("Timeout reading from socket" if connected else "Timeout connecting to server")

    # -- read

    def read_response(
        self,
        disable_decoding: bool = False,
        *,
        timeout: Any = SENTINEL,
        disconnect_on_error: bool = True,
        push_request: bool = False,
    ) -> Any:
        """Return the next reply or message, waiting for it in virtual time."""
        sock = self._sock
        if sock is None:
            raise redis.ConnectionError("Connection closed by server.")
        if not sock.responses or not self._server.network.whole:
            try:
                self._await(sock, self.socket_timeout if timeout is SENTINEL else timeout)
            except BaseException:
                if disconnect_on_error:
                    self.disconnect()
                raise
        response = sock.responses.popleft()
        if self.health_check_interval:
            self.next_health_check = time.monotonic() + self.health_check_interval
        if isinstance(response, redis.RedisError):
            raise response
        return response if disable_decoding else self._decode(response)

    def _await(self, sock: Socket, timeout: float | None) -> None:
        if current_task() is not None and not self._wait(sock, timeout):
            if sock.record is not None:
                sock.record.reply = "no answer"
            raise redis.TimeoutError("Timeout reading from socket")
        if not sock.responses:
            raise self._standstill()

    def can_read(self, timeout: float | None = 0) -> bool:
        """Tell whether there is something to read, waiting at most `timeout` virtual seconds for it.

        Raises `redis.ConnectionError` where the server has closed the connection.
        """
        if self._sock is not None and self._sock.closed and self._sock.generation == self._server.generation:
            raise self._lost(None)  # closed by the server, as a reader finds out with its next look
        sock = self._open()
        if current_task() is None:
            if timeout and not sock.responses:
                raise self._standstill()
            return bool(sock.responses)
        if timeout == 0 and not sock.responses:
            # An idle look takes a moment, or a loop of them would stand still in time.
            sock.arrival.wait(self._server.network.latency[self._server.name][1])
        return self._wait(sock, timeout)

    def _standstill(self) -> RuntimeError:
        return RuntimeError(
            f"Nobody can wait for {self._server.name} outside the simulation, where time stands still: "
            "wait inside a task, with world.call(f)."
        )

    def _wait(self, sock: Socket, timeout: float | None) -> bool:
        """Wait until `sock` has something to read; False after `timeout` seconds, an error if it was closed."""
        task, store = current_task(), self._server
        assert task is not None
        sim = store.sim
        end = inf if timeout is None else sim.now + timeout
        if not sock.blocked and not sock.responses and sim.now < end:
            sock.record = self._step(task, "wait for a message", (store.name, ALL, "r"))
            end = max(end, sim.now)
        waited = not sock.responses
        sock.arrival.label = f"{sock.record.what!r} of {store.name}" if sock.record is not None else store.name
        while not sock.responses or store.network.state(task.lane, store.name):
            if sock.closed:
                raise self._lost(sock.record)
            deadline = inf if sock.deadline is None else sock.deadline
            if sim.now >= deadline:
                sock.give_up()
            elif sim.now >= end:
                return False
            else:
                moment = min(end, deadline)
                sock.arrival.wait(None if moment == inf else moment - sim.now)
        if waited and sock.record is not None:
            sock.record.reply = reply_text(sock.responses[0])
        return True
