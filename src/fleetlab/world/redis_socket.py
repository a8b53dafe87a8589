"""One connection as the server of the simulated Redis sees it: fakeredis, corrected where it is not faithful."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

import redis
from fakeredis._commands import Signature
from fakeredis._helpers import NoResponse, SimpleError
from fakeredis._socket._resp import convert_to_resp2
from fakeredis.model import is_write_command

from fleetlab.sim import Process, Record, WaitQueue

from .redis_corrections import Corrected
from .redis_keys import Serving

if TYPE_CHECKING:
    from .redis_store import Store


class Socket(Corrected):
    """One connection as the server sees it; `owner` is the process at its other end."""

    _server: Store
    _unblock_reason: bytes | None

    def __init__(self, store: Store, db: int, client_info: Any) -> None:
        super().__init__(store, db=db, client_class=redis.Redis, client_info=client_info)
        self.responses: deque[Any] = deque()
        self.arrival = WaitQueue(f"an answer of {store.name}")
        self.generation = store.generation
        self.closed = False
        self.owner: Process | None = None
        self.record: Record | None = None
        self.deadline: float | None = None
        self.written = -inf
        self._at_first = {"db": db, "resp": self._client_info["resp"]}

    def execute(self, fields: list[bytes]) -> None:
        """Run one command, then those that waited for what it wrote."""
        store = self._server
        Serving.store = store
        try:
            if store.memory is not None:
                store.memory.before(fields[0].decode("utf-8", "replace").lower())
            self._process_command(fields)
            if store.parked:
                store.serve()
        finally:
            Serving.store = None

    def _run_command(self, func: Any, sig: Signature, args: list[Any], from_script: bool) -> Any:
        result = super()._run_command(func, sig, args, from_script)
        if self._server.replica is not None and is_write_command(sig.name.encode()):
            self._replicate()
        return result

    def _replicate(self) -> None:
        if self._server.replica is not None:
            self.written = self._server.sim.now
            self._server.replica.send()

    def put_response(self, message: Any) -> None:
        """Send something to the client."""
        self.responses.append(message)
        if self.arrival:
            self.arrival.notify_all()

    def close(self) -> None:
        """End this connection: its watches, subscriptions, MULTI and blocked command are gone."""
        if self.closed:
            return
        self.closed = True
        self._unpark()
        if self.generation == self._server.generation:
            self._discard_subscriptions()
            self._clear_watches()
            self._server.sockets.remove(self)
        self.arrival.notify_all()

    kill = close  # CLIENT KILL

    @property
    def blocked(self) -> bool:
        """Whether a command of this connection is still waiting for its answer."""
        return self._blocked

    def begin_again(self) -> None:
        """Join the store's new generation as a fresh connection, without a handshake."""
        self.generation, self.closed = self._server.generation, False
        self._watches.clear()
        self.responses.clear()
        self.deadline = self.record = None
        self.written = -inf
        self.reset()
        self.select(self._at_first["db"])
        self._client_info.update(id=self._server.get_next_client_id(), resp=self._at_first["resp"])
        self._client_info["-created"] = int(self._server.unix_time())
        self._server.sockets.append(self)

    # -- commands that block

    def _blocking(self, timeout: float | None, func: Callable[[bool], Any], shape: Any = None) -> Any:
        """Answer at once if possible; otherwise park until a write makes it possible, or the time is over."""
        self._shape = shape or (lambda result: result)
        result = func(True)
        if result is not None or self._in_transaction or self._script_resp is not None:
            return self._shape(result)
        self._attempt = func
        self.deadline = self._server.sim.now + timeout if timeout else None
        self._blocked = True
        self._server.parked.add(self)
        return NoResponse()

    def try_again(self) -> None:
        """Complete the blocked command if it can be by now."""
        if self.deadline is not None and self._server.sim.now >= self.deadline:
            self.give_up()
            return
        try:
            if self._unblock_reason is not None:
                self._take_unblock_reason()
                self.give_up()
                return
            result = self._attempt(False)
        except SimpleError as error:
            self._answer(error)
        else:
            if result is not None:
                self._answer(self._shape(result))
                self._replicate()

    def give_up(self) -> None:
        """Answer the blocked command with nothing: its time is over."""
        self._answer(self._shape(None))

    def _answer(self, result: Any) -> None:
        self._unpark()
        if self._resp_version == 2:
            result = convert_to_resp2(result)
        self.put_response(self._decode_result(result))

    def _unpark(self) -> None:
        self._server.parked.discard(self)
        self._blocked, self._unblock_reason, self.deadline = False, None, None
