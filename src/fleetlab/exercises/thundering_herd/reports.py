"""The slow service behind the cache: it makes a list of bestsellers in two seconds, and notes each that it made."""

from __future__ import annotations

from dataclasses import dataclass

from fleetlab.sim.clocks import sleep
from fleetlab.world.partners import Answer, Partner
from fleetlab.world.world import World

SECONDS = 2.0
"""How long it takes to make a list, in virtual seconds."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One list that was made: its number among all, which list it is, as of which virtual second."""

    number: int
    name: str
    time: float


class Reports(Partner):
    """`GET http://reports/top/MARKET/CATEGORY` answers after two seconds with a list, as of when it was asked for."""

    def __init__(self, world: World) -> None:
        self.made: list[Edition] = []
        self._world = world
        super().__init__(world, "reports")

    def answer(self, method: str, path: str, key: str, body: dict[str, object]) -> Answer:
        """Make a new edition of a list; anything else is 404."""
        _, _, name = path.partition("/top/")
        if method != "GET" or name.count("/") != 1:
            return 404, {"error": f"there is no {method} {path}"}
        edition = Edition(len(self.made) + 1, name, self._world.now)
        self.made.append(edition)
        sleep(SECONDS)
        return 200, {"list": name, "edition": edition.number}

    def of(self, name: str, since: float = 0.0) -> list[Edition]:
        """Return the editions of one list that were asked for from a virtual second on."""
        return [edition for edition in self.made if edition.name == name and edition.time >= since]


__all__ = ["SECONDS", "Edition", "Reports"]
