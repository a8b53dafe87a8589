"""What a deployment's instances read from the database, and when."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from fleetlab.world.deployment import Deployment
from fleetlab.world.instance import Instance
from fleetlab.world.world import World


class Read(NamedTuple):
    """One SELECT: which instance asked for what, at which virtual second."""

    instance: str
    what: str
    time: float


class Reads:
    """Counts the SELECTs that the instances of a deployment send through `env.database`."""

    def __init__(self, world: World, fleet: Deployment) -> None:
        self.world = world
        self.all: list[Read] = []
        for instance in fleet:
            self._listen(instance)

    def _listen(self, instance: Instance) -> None:
        from sqlalchemy import event

        def note(connection: Any, cursor: Any, text: str, parameters: Any, *more: Any) -> None:
            if text.lstrip().upper().startswith("SELECT"):
                self.all.append(Read(instance.name, f"{text} {parameters}", self.world.now))

        event.listen(instance.env.database, "before_cursor_execute", note)

    def since(self, time: float) -> list[Read]:
        """Return those from a virtual second on."""
        return [read for read in self.all if read.time >= time]


def too_close(reads: list[Read], seconds: float) -> tuple[Read, Read] | None:
    """Return two reads of the same by one instance that lie less than `seconds` apart, or None."""
    ordered = sorted(reads, key=lambda read: (read.instance, read.what, read.time))
    for one, two in pairwise(ordered):
        if one[:2] == two[:2] and two.time - one.time < seconds:
            return one, two
    return None


__all__ = ["Read", "Reads", "too_close"]
