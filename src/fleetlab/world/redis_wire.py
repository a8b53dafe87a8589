"""The client's side of the simulated Redis: redis-py's connection, each command being one step."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import fakeredis
import redis
import redis.lock
import redis.retry
from redis.utils import SENTINEL

from fleetlab.sim import Killed, Record, Task, WaitQueue, current_task
from fleetlab.sim.trace import Touches

from .redis_socket import Socket
from .redis_store import Store
from .redis_words import ALL, batch_text, command_text, reply_text, touches, touches_of_batch

if TYPE_CHECKING:
    from .redis_client import Pool

FakeRedisConnection: Any = fakeredis.FakeRedisConnection  # its annotations allow no other socket

LATE = 30.0
"""How many virtual seconds a late effect comes after its command, unless the fault says otherwise."""

KEEPALIVE = 45.0
"""Virtual seconds until a connection without a socket timeout is found dead: redis-py's 30 s and 3 probes of 5 s."""

# Bound before the clocks were replaced, if redis was imported first.
redis.retry.sleep = time.sleep  # type: ignore[attr-defined]
# A lock's token is a uuid1, which C makes from the real clock; inside a task it is drawn from the task's own chance.
redis.lock.uuid = SimpleNamespace(  # type: ignore[assignment,attr-defined]
    uuid1=lambda: uuid.uuid1() if current_task() is None else uuid.uuid4()
)


class Batch(list[Sequence[Any]]):
    """The commands of one pipeline, which travel together."""


class Connection(FakeRedisConnection):  # type: ignore[misc]
    """One connection of a client: takes a step, asks the network, then hands the command to the server."""

    home: Pool
    _sock: Socket | None
    _server: Store
    _shaking = False

    # -- open and close

    def connect(self) -> None:
        """Connect if need be; raises `redis.ConnectionError` or, after a while, `redis.TimeoutError`."""
        if self._sock is not None and not self._sock.closed:
            return
        task = current_task()
        if task is not None:
            if task.doomed:
                raise Killed
            self._reach(task, "Timeout connecting to server")
        self.disconnect()
        self._shaking = True
        try:
            self.connect_check_health(check_health=False)
        finally:
            self._shaking = False

    def _open(self) -> Socket:
        """Return the server's end of this connection, connected and of the present generation."""
        sock = self._sock
        if sock is None or sock.closed:
            self.connect()
            sock = self._sock
            assert sock is not None
        if sock.generation != self._server.generation:
            sock.begin_again()
            self._own(sock)
        return sock

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

    # -- send

    def pack_commands(self, commands: Any) -> Any:
        """Keep the commands of a pipeline apart: they are not packed into bytes."""
        return Batch(commands)

    def pack_command(self, *args: Any) -> Any:
        """Keep a command as it is: it is not packed into bytes."""
        return Batch([args])

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send the commands of a pipeline, as `pack_commands` gave them."""
        self._send(command, check_health)

    def send_command(self, *args: Any, **options: Any) -> None:
        """Send one command."""
        self._send((args,), options.get("check_health", True))

    def _send(self, batch: Sequence[Sequence[Any]], check_health: bool) -> None:
        task = current_task()
        if task is None or self._shaking:
            self._execute(batch)
            return
        if check_health and self.health_check_interval:
            self.check_health()
        try:
            if self._server.split_pipelines and len(batch) > 1 and batch[0][0] != "MULTI":
                for args in batch:
                    self._call(task, (args,))
            else:
                self._call(task, batch)
        except BaseException:
            self.disconnect()
            raise

    def _call(self, task: Task, batch: Sequence[Sequence[Any]]) -> None:
        store, sock = self._server, self._sock
        if sock is None or sock.generation != store.generation:
            sock = self._open() if not store.network.state(task.lane, store.name) else None
        if len(batch) == 1:
            record = self._step(task, command_text(batch[0]), touches(store.name, batch[0]))
        else:
            watched = [key for key, _ in sock._watches] if sock is not None else []
            record = self._step(task, batch_text(batch), touches_of_batch(store.name, batch, watched))
        if record.fault == "late effect":
            self._come_late(task, batch, record)
        self._reach(task, "Timeout reading from socket" if sock else "Timeout connecting to server", record)
        if sock is not None and sock.closed:
            record.reply = "connection lost"
            raise redis.ConnectionError("Connection closed by server.")
        self._execute(batch)
        if store.sim.trace.enabled:
            self._note_reply(record, batch)
        if record.fault:
            self._lose_reply(task, record)

    def _step(self, task: Task, what: str, touched: Touches) -> Record:
        store = self._server
        if task.sim is not store.sim:
            raise RuntimeError(f"{task.lane} calls {store.name}, which belongs to another simulation.")
        store.attempts += 1
        latency = store.network.latency[store.name]
        return store.sim.step(task, what, touched, store.name, "call", latency, sys._getframe(3))

    def _execute(self, batch: Sequence[Sequence[Any]]) -> None:
        """Let the server run the commands, now."""
        sock = self._open()
        encode = self.encoder.encode
        for args in batch:
            if " " in args[0]:
                args = (*args[0].split(), *args[1:])
            sock.execute([encode(arg) for arg in args])

    def _note_reply(self, record: Record, batch: Sequence[Sequence[Any]]) -> None:
        sock = self._sock
        assert sock is not None
        sock.record = record
        if not sock.responses:
            return  # it blocks
        if len(batch) == 1 or batch[-1][0] == "EXEC":
            record.reply = reply_text(sock.responses[-1])
        else:
            record.reply = reply_text(list(sock.responses)[-len(batch) :])

    # -- faults and failures

    def _reach(self, task: Task, late: str, record: Record | None = None) -> None:
        """Raise what a client gets from a server out of reach: at once, or after its socket timeout."""
        state = self._server.network.state(task.lane, self._server.name)
        if not state:
            return
        if record is not None:
            record.reply = "refused" if state == "outage" else "no answer"
        if state == "outage":
            raise redis.ConnectionError(f"Error 111 connecting to {self.host}:{self.port}. Connection refused.")
        self._wait_in_vain(late)

    def _wait_in_vain(self, message: str) -> NoReturn:
        timeout = self.socket_timeout
        WaitQueue(f"an answer of {self._server.name}").wait(KEEPALIVE if timeout is None else timeout)
        if timeout is None:
            raise redis.ConnectionError(
                f"Error while reading from {self._host_error()} : (110, 'Connection timed out')"
            )
        raise redis.TimeoutError(message)

    def _fault(self, task: Task, what: str) -> None:
        sim = self._server.sim
        if sim.trace.enabled:
            sim.trace.add(sim.now, task.lane, "fault", what, to=self._server.name)

    def _lose_reply(self, task: Task, record: Record) -> NoReturn:
        self._fault(task, f"{record.fault}: {record.what}")
        record.reply = f"{record.reply} (lost)"
        self.disconnect()
        self._wait_in_vain("Timeout reading from socket")

    def _come_late(self, task: Task, batch: Sequence[Sequence[Any]], record: Record) -> NoReturn:
        self._fault(task, f"{record.fault}: {record.what}")
        record.reply = "no answer"
        self.disconnect()
        delay = float(dict(record.data).get("delay", LATE))
        other = type(self)(**self.home.connection_kwargs)
        other.home = self.home
        late = task.sim.spawn(other.arrive_late, batch, delay, name=task.lane)
        if late.process is not None:  # on its way already, it survives its sender
            del late.process.tasks[late]
            late.process = None
        self._wait_in_vain("Timeout reading from socket")

    def arrive_late(self, batch: Sequence[Sequence[Any]], delay: float) -> None:
        """Send commands after `delay` virtual seconds, for a client that has long given up."""
        task = current_task()
        assert task is not None
        WaitQueue("its late arrival").wait(delay)
        try:
            self._call(task, batch)
        except redis.RedisError:
            return
        if self._sock is not None and self._sock.record is not None:
            self._sock.record.reply += " (late)"
        self.disconnect()

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
            raise redis.TimeoutError("Timeout reading from socket")
        if not sock.responses:
            raise self._standstill()

    def can_read(self, timeout: float | None = 0) -> bool:
        """Tell whether there is something to read, waiting at most `timeout` virtual seconds for it."""
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
                raise redis.ConnectionError("Connection closed by server.")
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
