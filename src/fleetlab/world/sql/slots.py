"""Connection slots: how many clients the server takes, counted as PostgreSQL counts them."""

from __future__ import annotations

from psycopg import OperationalError

from .errors import connecting

MAX_CONNECTIONS, SUPERUSER_RESERVED = 100, 3
"""PostgreSQL's own defaults."""


class Slots:
    """`max_connections`, of which the last `superuser_reserved_connections` are kept for superusers.

    Nobody in this world is one, so an application gets the difference. `attempts` counts everybody who tried to
    connect, `refused` those for whom no slot was left, `peak` the most connections that were open at once.
    """

    def __init__(self, max_connections: int, superuser_reserved_connections: int) -> None:
        self._limits = max_connections, superuser_reserved_connections
        self.renew()

    def renew(self) -> None:
        """Make limits and counts what they were at the beginning: for a new world."""
        self.max_connections, self.superuser_reserved_connections = self._limits
        self.attempts = self.refused = self.peak = 0

    @property
    def free_for_all(self) -> int:
        """How many connections there are for those who are no superusers."""
        return max(0, self.max_connections - self.superuser_reserved_connections)

    def take(self, taken: int, host: str) -> None:
        """Count one connection more than `taken`, or raise what PostgreSQL says where no slot is left."""
        if taken >= self.free_for_all:
            self.refused += 1
            raise self._full(host)
        self.peak = max(self.peak, taken + 1)

    def _full(self, host: str) -> OperationalError:
        if self.superuser_reserved_connections:
            return connecting(
                host, "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute"
            )
        return connecting(host, "FATAL:  sorry, too many clients already")

    def show(self, name: str) -> str:
        """Return a limit as SHOW does, or nothing where it is none of these."""
        return str(getattr(self, name)) if name in ("max_connections", "superuser_reserved_connections") else ""
