"""The server's side of the simulated Redis: fakeredis with virtual time, one order, and connections that really close."""

from __future__ import annotations

import re
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from random import Random
from typing import Any

import redis
from fakeredis import FakeServer
from fakeredis._command_args_parsing import Int, Timeout
from fakeredis._commands import SUPPORTED_COMMANDS, Signature
from fakeredis._core import CommandItem, Database
from fakeredis._helpers import OK, NoResponse, SimpleError, SimpleString
from fakeredis._socket import FakeSocket
from fakeredis._socket._resp import convert_to_resp2
from fakeredis._msgs import WRONGTYPE_MSG
from fakeredis.model import AccessControlList, ZSet

from fleetlab.sim import Process, Record, Simulation, WaitQueue
from fleetlab.world.network import Network

_EXPIRE_TIME = re.compile(r"invalid expire time in '?(\w+)'?( command)?")

VERSION = (7, 4)
"""The Redis release whose behaviour the store shows."""


class _Serving:
    """The store that executes a command right now: fakeredis asks it for time and chance."""

    store: Store | None = None


class _Time:
    """Stands for the module `time` inside fakeredis: the server's clock, not that of the process that calls."""

    def time(self) -> float:
        store = _Serving.store
        return time.time() if store is None else store.unix_time()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Chance:
    """Stands for the module `random` inside fakeredis: a function of the seed."""

    def __getattr__(self, name: str) -> Any:
        store = _Serving.store
        return getattr(sys.modules["random"] if store is None else store.random, name)


def _install() -> None:
    stand_ins = {"time": _Time(), "random": _Chance()}
    for module in [module for name, module in sys.modules.items() if name.startswith("fakeredis.")]:
        for name, stand_in in stand_ins.items():
            if getattr(module, name, None) is sys.modules[name]:
                setattr(module, name, stand_in)


_install()


class Ordered(dict[Any, None]):
    """A set that keeps the order of insertion, where fakeredis has sets in the order of memory addresses."""

    def add(self, item: Any) -> None:
        """Add `item` at the end, unless it is there."""
        self[item] = None

    def discard(self, item: Any) -> None:
        """Remove `item` if it is there."""
        self.pop(item, None)

    remove = dict.__delitem__


class Keys(Database):  # type: ignore[misc]
    """One numbered database: keys that expire in virtual time and tell who watches them."""

    def __init__(self, store: Store) -> None:
        super().__init__(None)
        self._store = store
        self._watches = defaultdict(Ordered)
        self._bars: dict[bytes, Record] = {}

    def notify_watch(self, key: bytes) -> None:
        """Tell the transactions that watch `key`, and whoever is blocked, that it has changed."""
        for socket in self._watches.get(key, ()):
            socket.notify_watch()
        self._store.changed = True

    def wake_all(self) -> None:
        """Let every blocked client be looked at again."""
        self._store.changed = True

    def _expire(self, key: bytes) -> None:
        # A watched key that expires counts as changed, as since Redis 6.0.9.
        del self[key]
        self.notify_watch(key)

    def _remove_expired(self) -> None:
        for key in [key for key, item in self._dict.items() if self.expired(item)]:
            self._expire(key)

    def __getitem__(self, key: bytes) -> Any:
        item = self._dict[key]
        if item.expireat is not None and item.expireat < self.time:
            self._expire(key)
            raise KeyError(key)
        return item

    def get(self, key: bytes, default: Any = None) -> Any:
        """Return the item stored at `key` unless it has expired."""
        item = self._dict.get(key)
        if item is None or item.expireat is None:
            return default if item is None else item
        return self[key] if key in self else default

    def __delitem__(self, key: bytes) -> None:
        del self._dict[key]
        if key in self._bars:
            self._end_bar(key)

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        """Note when `key` expires, as a bar of the trace."""
        if expireat is not None:
            self._draw_bar(key, self._store.virtual(expireat))
        elif key in self._bars:
            self._end_bar(key)

    def _draw_bar(self, key: bytes, until: float) -> None:
        bar = self._bars.get(key)
        if bar is not None:
            bar.until = until
        elif self._store.sim.trace.enabled:
            trace, now = self._store.sim.trace, self._store.sim.now
            text = key.decode("utf-8", "replace")
            self._bars[key] = trace.add(now, self._store.name, "ttl", text, until=until)

    def _end_bar(self, key: bytes) -> None:
        bar = self._bars.pop(key)
        bar.until = min(bar.until or 0.0, self._store.sim.now)

    def clear(self) -> None:
        """Remove every key."""
        for key in list(self._dict):
            self.notify_watch(key)
            del self[key]

    def wipe(self) -> None:
        """Forget everything without telling anybody: the next schedule begins."""
        for container in (self._dict, self._watches, self._bars):
            container.clear()


class Store(FakeServer):  # type: ignore[misc]
    """What all connections to one Redis share.

    `parked` holds the connections whose command blocks, in the order in which they began to wait.
    """

    def __init__(self, name: str, sim: Simulation, network: Network) -> None:
        super().__init__(version=VERSION)
        self.name = name
        self.split_pipelines = False
        # No other task runs while a command executes, so nothing needs a lock.
        self.lock = nullcontext()
        self.dbs = defaultdict(lambda: Keys(self))
        self.parked = Ordered()
        self.changed = False
        self.generation = 0
        self.attach(sim, network)

    def attach(self, sim: Simulation, network: Network) -> None:
        """Belong to another simulation from now on, empty."""
        self.sim, self.network = sim, network
        self.owners: set[Process] = set()
        self.random = Random(f"redis {sim.seed}")
        self.generation += 1
        self.sockets, self.parked = [], Ordered()
        self.subscribers, self.psubscribers, self.ssubscribers = (defaultdict(Ordered) for _ in range(3))
        for db in self.dbs.values():
            db.wipe()
        self.acl = AccessControlList()
        self.config.clear()
        self.scan_cursors.clear()
        self.lastsave = int(sim.epoch)
        self._next_client_id = 1
        self.forget_scripts()

    def forget_scripts(self) -> None:
        """Empty the script cache; the interpreter's own random numbers start again."""
        self.script_cache.clear()
        self._lua_functions = None
        runtime = getattr(self, "_lua_runtime", None)
        if runtime is not None:
            runtime.execute(b"math.randomseed(0)")

    def forget_globals(self) -> None:
        """Remove the global variables that a script has made."""
        runtime = getattr(self, "_lua_runtime", None)
        if runtime is not None:
            lua = runtime.globals()
            for name in set(lua.keys()) - self._lua_expected_globals:
                del lua[name]

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


class Socket(FakeSocket):  # type: ignore[misc]
    """One connection as the server sees it; `owner` is the process at its other end."""

    def __init__(self, store: Store, db: int, client_info: Any) -> None:
        super().__init__(store, db=db, client_class=redis.Redis, client_info=client_info)
        self.responses: deque[Any] = deque()
        self.arrival = WaitQueue(f"an answer of {store.name}")
        self.generation = store.generation
        self.closed = False
        self.owner: Process | None = None
        self.record: Record | None = None
        self.deadline: float | None = None
        self._at_first = {"db": db, "resp": self._client_info["resp"]}

    def execute(self, fields: list[bytes]) -> None:
        """Run one command, then those that waited for what it wrote."""
        store = self._server
        _Serving.store = store
        try:
            self._process_command(fields)
            if store.parked:
                store.serve()
        finally:
            _Serving.store = None

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
        self.generation = self._server.generation
        self._watches.clear()
        self.responses.clear()
        self.deadline = self.record = None
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

    # -- where fakeredis differs from Redis

    def _name_to_func(self, name: str) -> tuple[Any, Signature]:
        """Return the function for a command: ours where fakeredis' own is not faithful."""
        if name in _OWN:
            return getattr(self, _OWN[name].func_name), _OWN[name]
        return super()._name_to_func(name)  # type: ignore[no-any-return]

    def _unknown_command(self, command: str, args: str | None = None) -> SimpleError:
        return _refusal(f"{command.upper()} is unknown to it")

    def _keyspace_notifications(self, items: list[CommandItem], event: bytes) -> None:
        """Send none, as Redis by default."""

    def _subscribe(self, channels: tuple[bytes, ...], subscribers: Any, kind: bytes) -> NoResponse:
        if any(channel.startswith(b"__key") for channel in channels):
            raise _refusal("it sends no keyspace notifications")
        return super()._subscribe(channels, subscribers, kind)

    def exec_(self) -> Any:
        """EXEC: a watched key that has expired since counts as changed."""
        for key, db in self._watches:
            db.get(key)
        return super().exec_()

    def eval(self, script: bytes, numkeys: int, *keys_and_args: bytes) -> Any:
        """EVAL: a script that sets a global variable fails alone, not every later one with it."""
        try:
            return super().eval(script, numkeys, *keys_and_args)
        except SimpleError:
            self._server.forget_globals()
            raise

    def _blmove_pass(self, source: bytes, target: bytes, src: bytes, dst: bytes, first: bool) -> Any:
        items = [CommandItem(key, self._db, item=self._db.get(key), default=[]) for key in (source, target)]
        if source == target:
            items[1] = items[0]
        if not isinstance(items[0].value, list) or (items[0].value and not isinstance(items[1].value, list)):
            raise SimpleError(WRONGTYPE_MSG)
        if not items[0].value:
            return None
        moved = self._lmove(*items, src, dst, first)
        for item in items:
            item.writeback()
        return moved

    def blmove_(self, source: bytes, target: bytes, src: bytes, dst: bytes, timeout: float) -> Any:
        """BLMOVE: it blocks on an empty list."""
        return self._blocking(timeout, lambda first: self._blmove_pass(source, target, src, dst, first))

    def _xreadgroup(self, consumer: bytes, groups: Any, count: Any, noack: bool, idle: Any, first: bool) -> Any:
        """XREADGROUP: fakeredis' first pass would deliver entries to nobody, or not block."""
        return super()._xreadgroup(consumer, groups, count, noack, idle, False) or None

    def _empty_stream_read_reply(self, found: Any) -> Any:
        """XREAD, XREADGROUP: nothing is nil."""
        return found or None

    def _zpop(self, key: CommandItem, *args: Any, **options: Any) -> Any:
        """ZPOPMIN and its blocking relatives: they look at the type of what they pop from."""
        if isinstance(key.value, ZSet):
            return super()._zpop(key, *args, **options)
        if key.value:
            raise SimpleError(WRONGTYPE_MSG)
        return []

    def _decode_error(self, error: SimpleError) -> Any:
        error.value = _EXPIRE_TIME.sub(r"invalid expire time in '\1' command", error.value)
        return super()._decode_error(error)

    def _lmpop(self, keys: Any, count: int, left: bool, first: bool) -> Any:
        popped = super()._lmpop(keys, count, left, first)
        if popped:
            item = self._db.get(popped[0])
            written = CommandItem(popped[0], self._db, item=item)
            written.updated()
            written.writeback()
        return popped

    def wait(self, replicas: int, timeout: int) -> Any:
        """WAIT: there is no replica, so it waits in vain."""
        if replicas <= 0:
            return 0
        return self._blocking(timeout / 1000, lambda first: None, lambda result: 0)

    def client_pause(self, timeout: bytes, *args: bytes) -> Any:
        """CLIENT PAUSE, refused."""
        raise _refusal("CLIENT PAUSE has no effect on it; call its outage(seconds)")

    def config_set(self, name: bytes, value: bytes) -> SimpleString:
        """CONFIG SET, refused but for the password."""
        if name.lower() != b"requirepass":
            raise _refusal(f"it has no setting {name.decode()}")
        super().config_set(name, value)
        return OK


def _refusal(why: str) -> SimpleError:
    return SimpleError(f"ERR The simulated Redis cannot do this: {why}. Run it against a real Redis.")


_OWN = {
    "blmove": Signature("blmove", "blmove_", (bytes, bytes, SimpleString, SimpleString, Timeout), flags="s"),
    "wait": Signature("wait", "wait", (Int, Int), flags="s"),
}


def commands() -> Iterator[str]:
    """Return the names of the commands that the simulated Redis knows."""
    return iter(sorted({*SUPPORTED_COMMANDS, *_OWN}))
