"""A replica of the simulated Redis: it has what was written until some time ago, and may have to take over.

Replication is asynchronous, as Redis's is by default: a write is acknowledged before the replica has it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .redis_store import Store

LAG = 1.0
"""How many virtual seconds a write takes to arrive at a replica, unless `replicate` says otherwise."""

Keyspace = dict[int, dict[bytes, Any]]
"""The keys of each numbered database."""


class Replica:
    """What the replica of one store holds: writes arrive there in order, each `lag` virtual seconds later."""

    def __init__(self, store: Store, lag: float) -> None:
        self.store, self.lag = store, lag
        self._holds: Keyspace = store.copy()
        self._sent: deque[tuple[float, Keyspace]] = deque()

    def send(self) -> None:
        """Let what the store holds now arrive after the lag."""
        self._arrive()
        self._sent.append((self.store.sim.now, self.store.copy()))

    def arrives(self, written: float) -> float:
        """Return in how many seconds a write of that moment will have arrived; 0 or less if it has."""
        return round(written + self.lag - self.store.sim.now, 6)

    def promote(self) -> Keyspace:
        """Return what has arrived by now: what was still on its way is lost with the primary."""
        self._arrive()
        return self._holds

    def _arrive(self) -> None:
        while self._sent and self.arrives(self._sent[0][0]) <= 0:
            self._holds = self._sent.popleft()[1]
