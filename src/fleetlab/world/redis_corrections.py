"""Where fakeredis is not faithful to Redis: corrected, or refused in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

from fakeredis import _socket
from fakeredis._command_args_parsing import Int, Timeout
from fakeredis._commands import Signature
from fakeredis._core import CommandItem
from fakeredis._helpers import OK, NoResponse, SimpleError, SimpleString, current_time
from fakeredis._msgs import WRONGTYPE_MSG
from fakeredis.model import ZSet, get_command_info
from fakeredis.model._stream import StreamEntryKey

from .redis_memory import OOM

if TYPE_CHECKING:
    from .redis_store import Store

FakeSocket: Any = _socket.FakeSocket  # its annotations allow no other server

_GROUP_GONE = "NOGROUP the consumer group this client was blocked on no longer exists"

_EXPIRE_TIME = re.compile(r"invalid expire time in '?(\w+)'?( command)?")

# Redis' own generator, drand48; that of C differs from one system to the next.
_RANDOM = b"""
    local high, low = 0x1234ABCD, 0x330E
    local function lrand48()
        local product = low * 0xE66D + 0xB
        local carry = math.floor(product / 65536)
        local middle = high % 65536 * 0xE66D + low * 0xDEEC + carry
        local top = math.floor(high / 65536) * 0xE66D + high % 65536 * 0xDEEC + low * 5 + math.floor(middle / 65536)
        low, high = product % 65536, top % 65536 * 65536 + middle % 65536
        return math.floor(high * 65536 + low) / 131072
    end
    math.randomseed = function(seed) high, low = seed % 4294967296, 0x330E end
    math.random = function(from, to)
        local r = math.floor(lrand48()) % 2147483647 / 2147483647
        if from == nil then return r end
        if to == nil then from, to = 1, from end
        if to < from then error("interval is empty") end
        return math.floor(r * (to - from + 1)) + from
    end
"""


class Corrected(FakeSocket):  # type: ignore[misc]
    """A server's end of a connection that answers as Redis does, or says that it cannot."""

    _server: Store

    def _name_to_func(self, name: str) -> tuple[Any, Signature]:
        """Return the function for a command: ours where fakeredis' own is not faithful."""
        memory = self._server.memory
        if memory is not None and memory.full and _may_grow(name.encode(), self._queueing):
            raise SimpleError(OOM)
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
        return super()._subscribe(channels, subscribers, kind)  # type: ignore[no-any-return]

    def exec_(self) -> Any:
        """EXEC: a watched key that has expired since counts as changed."""
        for key, db in self._watches:
            db.get(key)
        return super().exec_()

    def _get_server_runtime(self, server: Store) -> Any:
        """Return the Lua interpreter; its random numbers are those of Redis."""
        if not hasattr(server, "_lua_runtime"):
            super()._get_server_runtime(server).execute(_RANDOM)
        return super()._get_server_runtime(server)

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
        """XREADGROUP: it blocks at the first pass too, hears that its group has gone, and a second read renews."""
        for group, stream, _ in groups:
            item = self._db.get(stream)
            if item is None or group not in item.value._groups.values():
                raise SimpleError("UNBLOCKED the stream key no longer exists" if item is None else _GROUP_GONE)
        found = super()._xreadgroup(consumer, groups, count, noack, idle, False)
        for group, stream, start in groups:
            if start != b">":
                _renew(group, [entry[0] for entry in found[stream] if entry[1] is not None])
        return found or None

    def xgroup_destroy(self, key: CommandItem, group: bytes) -> int:
        """XGROUP DESTROY: whoever is blocked on the group hears of it."""
        self._server.changed = True
        destroyed: int = super().xgroup_destroy(key, group)
        return destroyed

    def xautoclaim(self, key: CommandItem, group: bytes, consumer: bytes, idle: int, start: bytes, *args: bytes) -> Any:
        """XAUTOCLAIM: it drops what was deleted, however fresh."""
        with _deleted_first(key, group):
            return super().xautoclaim(key, group, consumer, idle, start, *args)

    def xclaim(self, key: CommandItem, group: bytes, consumer: bytes, idle: int, *args: bytes) -> Any:
        """XCLAIM: it drops what was deleted, however fresh, and answers in the order of its arguments."""
        order = {entry: number for number, entry in enumerate(args)}
        with _deleted_first(key, group):
            claimed = super().xclaim(key, group, consumer, idle, *args)
        return sorted(claimed, key=lambda one: order.get(one if isinstance(one, bytes) else one[0], 0))

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
        """WAIT: how many replicas have what this connection wrote; it waits for one at most, beyond that in vain."""

        def left() -> float:
            return inf if self._server.replica is None else self._server.replica.arrives(self.written)

        if replicas <= (left() <= 0):
            return int(left() <= 0)
        seconds = min(timeout / 1000 or inf, left() if replicas == 1 else inf)
        return self._blocking(seconds if seconds < inf else None, lambda first: None, lambda result: int(left() <= 0))

    def client_pause(self, timeout: bytes, *args: bytes) -> Any:
        """CLIENT PAUSE, refused."""
        raise _refusal("CLIENT PAUSE has no effect on it; call its outage(seconds)")

    def config_set(self, name: bytes, value: bytes) -> SimpleString:
        """CONFIG SET, refused but for the password."""
        if name.lower().startswith(b"maxmemory"):
            raise _refusal("it counts no bytes; call its maxmemory(keys)")
        if name.lower() != b"requirepass":
            raise _refusal(f"it has no setting {name.decode()}")
        super().config_set(name, value)
        return OK


def _may_grow(name: bytes, queued: bool) -> bool:
    """Tell whether Redis refuses a command when memory is full: those flagged `denyoom`, and all but a few to queue."""
    info = get_command_info(name)
    if queued and name not in (b"exec", b"discard", b"reset", b"quit"):
        return True
    return info is not None and b"denyoom" in info[2] and not name.endswith(b"subscribe")


def _renew(group: Any, entries: list[bytes]) -> None:
    """Let pending entries count as handed out now."""
    now = current_time()
    for key in map(StreamEntryKey.parse_str, entries):
        group.pel[key] = group.pel[key]._replace(time_read=now)


@contextmanager
def _deleted_first(key: CommandItem, name: bytes) -> Iterator[None]:
    """Let the pending entries of a group that were deleted from its stream be as idle as can be, meanwhile."""
    group: Any = key.value.group_get(name) if key.value is not None else None
    pending = group.pel if group is not None else {}
    deleted = {entry: held for entry, held in pending.items() if entry not in group.stream}
    pending.update({entry: held._replace(time_read=0) for entry, held in deleted.items()})
    yield
    pending.update({entry: held for entry, held in deleted.items() if entry in pending})


def _refusal(why: str) -> SimpleError:
    return SimpleError(f"ERR The simulated Redis cannot do this: {why}. Run it against a real Redis.")


_signature: Any = Signature
_OWN: dict[str, Signature] = {
    "blmove": _signature("blmove", "blmove_", (bytes, bytes, SimpleString, SimpleString, Timeout), flags="s"),
    "wait": _signature("wait", "wait", (Int, Int), flags="s"),
}
