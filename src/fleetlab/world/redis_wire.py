"""What a client of the simulated Redis sends: each command is one step, and may meet a fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import redis

from fleetlab.sim import Record, Task, WaitQueue, current_task

from .redis_link import Link
from .redis_words import batch_text, command_text, reply_text, touches, touches_of_batch

LATE = 30.0
"""How many virtual seconds a late effect comes after its command, unless the fault says otherwise."""


class Batch(list[Sequence[Any]]):
    """The commands of one pipeline, which travel together."""


class Connection(Link):
    """One connection of a client: takes a step, asks the network, then hands the command to the server."""

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
        self._reach(task, sock is not None, record)
        if sock is not None and sock.closed:
            raise self._lost(record)
        self._execute(batch)
        if store.sim.trace.enabled:
            self._note_reply(record, batch)
        if record.fault:
            self._lose_reply(task, record)

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

    # -- faults

    def _fault(self, task: Task, what: str) -> None:
        sim = self._server.sim
        if sim.trace.enabled:
            sim.trace.add(sim.now, task.lane, "fault", what, to=self._server.name)

    def _lose_reply(self, task: Task, record: Record) -> NoReturn:
        self._fault(task, f"{record.fault}: {record.what}")
        record.reply = f"{record.reply} (lost)"
        self.disconnect()
        self._wait_in_vain()

    def _come_late(self, task: Task, batch: Sequence[Sequence[Any]], record: Record) -> NoReturn:
        self._fault(task, f"{record.fault}: {record.what}")
        record.reply = "no answer"
        delay = float(dict(record.data).get("delay", LATE))
        other = type(self)(**self.home.connection_kwargs)
        other.home = self.home
        # It stays on its connection, where what was watched is still watched, and survives its sender.
        other._sock, self._sock = self._sock, None
        if other._sock is not None:
            other._sock.owner = None
        late = task.sim.spawn(other.arrive_late, batch, delay, name=task.lane)
        if late.process is not None:
            del late.process.tasks[late]
            late.process = None
        self._wait_in_vain()

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
