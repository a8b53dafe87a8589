"""How much the simulated Redis may hold, and what it does with what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .redis_keys import Keys
    from .redis_store import Store

POLICIES = ("noeviction", "allkeys-lru")
"""The values of `maxmemory-policy` that are simulated: refuse what may grow, or evict the key unused for longest."""

OOM = "OOM command not allowed when used memory > 'maxmemory'."
"""What a command that may need memory is told when there is none; redis-py raises `OutOfMemoryError`."""

_UNNOTICED = frozenset("ttl pttl expiretime pexpiretime exists type object scan keys randomkey watch".split())
"""Commands that look at a key without using it, as in Redis."""


class Memory:
    """`maxmemory` of one store, counted in keys, and its policy.

    As in Redis, room is made before a command runs: a write may go over the limit, and the next command of anybody
    pays. Two things are simpler. Redis counts bytes, its own overhead among them; here a key is a key, however large.
    And the key to go is here the one that was used longest ago, while Redis looks at five keys by chance
    (`maxmemory-samples`), whose last use it knows to the second, and takes about the oldest.
    """

    def __init__(self, store: Store, keys: int, policy: str) -> None:
        self.store, self.keys, self.policy = store, keys, policy
        self.noticed = self.full = False
        self._uses: dict[tuple[Keys, bytes], None] = {(db, key): None for db in store.dbs.values() for key in db}

    def before(self, command: str) -> None:
        """Make room if need be, and remember for `command` whether there is none."""
        over = self._held() - self.keys
        if over > 0 and self.policy == "allkeys-lru":
            self._evict(over)
        self.full = self._held() > self.keys
        self.noticed = command not in _UNNOTICED

    def use(self, db: Keys, key: bytes) -> None:
        """Note that `key` is used now."""
        if self.noticed:
            self._uses.pop((db, key), None)
            self._uses[db, key] = None

    def _held(self) -> int:
        for db in self.store.dbs.values():
            db.time = self.store.unix_time()  # what has expired by now goes when a database is counted
        return sum(map(len, self.store.dbs.values()))

    def _evict(self, over: int) -> None:
        self._uses = {use: None for use in self._uses if use[1] in use[0]._dict}
        for db, key in list(self._uses)[:over]:
            db.lose(key)
            if self.store.sim.trace.enabled:
                text = f"evicts {key.decode('utf-8', 'replace')}"
                self.store.sim.trace.add(self.store.sim.now, self.store.name, "note", text)
