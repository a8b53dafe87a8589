"""A replica of the database: it can only be read, and shows what was committed some time ago.

Replication is asynchronous, as PostgreSQL's streaming replication is by default: a commit does not wait for it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Any

from .database import Database

if TYPE_CHECKING:
    from fleetlab.sim import Simulation

    from .network import Network

LAG = 1.0
"""How long a commit takes to be seen on the replica, in virtual seconds."""


class Replica(Database):
    """A hot standby of `primary`: whole transactions arrive in order, each `lag` virtual seconds after its commit.

    Whoever writes to it gets psycopg's `ReadOnlySqlTransaction` (SQLSTATE 25006).
    """

    read_only = True

    def __init__(self, sim: Simulation, network: Network | None, primary: Database) -> None:
        super().__init__(sim, network, name="replica")
        self.primary = primary
        self._follow()

    def attach(self, sim: Simulation, network: Network | None = None) -> None:
        """Serve a new world, whose primary has been attached before."""
        super().attach(sim, network)
        self._follow()

    def _follow(self) -> None:
        self.lag = LAG
        self.troubled = True  # so that each statement asks `state`, and finds what has arrived by then
        self._arriving: deque[tuple[float, sqlite3.Connection]] = deque()
        self.file.restore(self.primary.file.copy())
        self.primary.followers.append(self)

    def ship(self) -> None:
        """Take what the primary has just committed; it will be seen after the lag."""
        self._arriving.append((self.sim.now, self.primary.file.copy()))

    def state(self, lane: str) -> str:
        """Return what keeps a lane from reaching the replica now, and let arrive what is due."""
        due = None
        while self._arriving and self._arriving[0][0] + self.lag <= self.sim.now:
            due = self._arriving.popleft()[1]
        if due is not None:
            self.file.restore(due)
        return super().state(lane)

    def behind(self) -> int:
        """Return how many commits of the primary are not seen here yet."""
        self.state("")
        return len(self._arriving)

    def snapshot(self) -> None:
        """Refuse: what a replica begins with is what its primary holds."""
        raise RuntimeError("A replica has no content of its own: take the snapshot of world.database.")

    def reset(self) -> None:
        """Do nothing: the primary is reset."""

    def fail(self, *arguments: Any, **more: Any) -> None:
        """Refuse: nothing commits on a replica."""
        raise RuntimeError("Nothing commits on a replica: let world.database fail.")
