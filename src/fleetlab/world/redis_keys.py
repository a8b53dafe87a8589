"""The keys of the simulated Redis: they expire in virtual time, and everything about them has one order."""

from __future__ import annotations

import copy
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakeredis import _core
from fakeredis.model import ExpiringMembersSet

from fleetlab.sim import Record

if TYPE_CHECKING:
    from .redis_store import Store

Database: Any = _core.Database  # its annotations allow no other kind of set


class Serving:
    """The store that executes a command right now: fakeredis asks it for time and chance."""

    store: Store | None = None


class _Time:
    """Stands for the module `time` inside fakeredis: the server's clock, not that of the process that calls."""

    def time(self) -> float:
        store = Serving.store
        return time.time() if store is None else store.unix_time()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Chance:
    """Stands for the module `random` inside fakeredis: a function of the seed."""

    def __getattr__(self, name: str) -> Any:
        store = Serving.store
        return getattr(sys.modules["random"] if store is None else store.random, name)


def _install() -> None:
    stand_ins = {"time": _Time(), "random": _Chance()}
    for module in [module for name, module in sys.modules.items() if name.startswith("fakeredis.")]:
        for name, stand_in in stand_ins.items():
            if getattr(module, name, None) is sys.modules[name]:
                setattr(module, name, stand_in)
    ExpiringMembersSet.__iter__ = _members  # type: ignore[method-assign]


def _members(self: ExpiringMembersSet) -> Iterator[bytes]:
    # fakeredis iterates over a set of bytes, whose order changes with PYTHONHASHSEED
    return iter(self._member_list()[:])


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
        self._watches: dict[bytes, Ordered] = defaultdict(Ordered)
        self._bars: dict[bytes, Record] = {}

    def notify_watch(self, key: bytes) -> None:
        """Tell the transactions that watch `key`, and whoever is blocked, that it has changed."""
        for socket in self._watches.get(key, ()):
            socket.notify_watch()
        self._store.changed = True

    def wake_all(self) -> None:
        """Let every blocked client be looked at again."""
        self._store.changed = True

    def lose(self, key: bytes) -> None:
        """Remove a key that has expired or is evicted; to those who watch it, it has changed, as since Redis 6.0.9."""
        del self[key]
        self.notify_watch(key)

    def _remove_expired(self) -> None:
        for key in [key for key, item in self._dict.items() if self.expired(item)]:
            self.lose(key)

    def __getitem__(self, key: bytes) -> Any:
        item = self._dict[key]
        if item.expireat is not None and item.expireat < self.time:
            self.lose(key)
            raise KeyError(key)
        if self._store.memory is not None:
            self._store.memory.use(self, key)
        return item

    def __setitem__(self, key: bytes, item: Any) -> None:
        super().__setitem__(key, item)
        if self._store.memory is not None:
            self._store.memory.use(self, key)

    def get(self, key: bytes, default: Any = None) -> Any:
        """Return the item stored at `key` unless it has expired."""
        item = self._dict.get(key)
        if item is None or (item.expireat is not None and key not in self):
            return default
        if self._store.memory is not None:
            self._store.memory.use(self, key)
        return item

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

    def copy(self) -> dict[bytes, Any]:
        """Return every key with a copy of its item."""
        return copy.deepcopy(self._dict)

    def restore(self, items: dict[bytes, Any]) -> None:
        """Hold these items and nothing else; what they say of their end is still true."""
        for key in list(self._dict):
            del self[key]
        for key, item in items.items():
            self[key] = item

    def wipe(self) -> None:
        """Forget everything without telling anybody: the next schedule begins."""
        for container in (self._dict, self._watches, self._bars):
            container.clear()
