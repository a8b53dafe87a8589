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

    `faults` counts the faults of this run by kind ("kill", "lost reply" …), and `deviated` tells whether there was
    one of them or a preemption. `world` is as the run left it: its letters, its instances, its stores can be asked.
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
    def errors(self) -> list[tuple[str, float, BaseException]]:
        """The errors that the answer let out: which instance, at which virtual second, which error; in order."""
        found = [(i.name, time, error) for i in self.world.instances for time, error in i.errors]
        return sorted(found, key=lambda one: one[1])

    @property
    def trace(self) -> Trace:
        """The events of this run, where it was traced."""
        return self.world.trace
