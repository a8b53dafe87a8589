"""What one run looked like from outside: every request, in order, and whatever the scenario returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetlab.sim import Trace
from fleetlab.world.http import Sent
from fleetlab.world.world import World


@dataclass(slots=True)
class History:
    """One finished run: `sent` are the clients' requests in the order of their beginning; `result` is the scenario's.

    `world` is as the run left it: its letters, its instances, its stores can still be asked.
    """

    world: World
    result: Any = None
    faults: dict[str, int] = field(default_factory=dict)
    deviated: bool = False

    @property
    def sent(self) -> list[Sent]:
        """Every request of every client, with its answer or its error."""
        return self.world.sent

    @property
    def acknowledged(self) -> list[Sent]:
        """The requests that change something and were answered with success: what was promised."""
        return [request for request in self.sent if request.ok and request.method != "GET"]

    @property
    def failed(self) -> list[Sent]:
        """The requests that were answered with an error, or not at all."""
        return [request for request in self.sent if not request.ok]

    @property
    def trace(self) -> Trace:
        """The events of this run, where it was traced."""
        return self.world.trace
