"""The network: who reaches whom, for how long not, and how long a call takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from fleetlab.sim import Simulation
from fleetlab.sim.kernel import STORE_LATENCY
from fleetlab.sim.schedule import Latency

from . import amounts

HOP_LATENCY: Latency = (0.001, 0.003)
"""How long one HTTP hop takes, in virtual seconds, unless `Network.slow` says otherwise."""


class Network:
    """Partitions between two lanes, outages of one, and latencies; every change is an event of the trace.

    A place is a lane's name (`"shop-1"`, `"redis"`) or an object with a `.name`. `latency[to]` holds the bounds, in
    virtual seconds, from which a seeded schedule draws what a call to `to` takes.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.latency: defaultdict[str, Latency] = defaultdict(lambda: HOP_LATENCY)
        self.latency.update(redis=STORE_LATENCY, database=STORE_LATENCY)
        self._cuts: dict[frozenset[str], tuple[str, str]] = {}
        self._down: dict[str, float] = {}
        self._listeners: list[Callable[[str], None]] = []

    def state(self, who: str, to: str) -> str:
        """Return what keeps `who` from reaching `to` now: `"outage"`, `"partition"` or nothing."""
        if self._down and self.sim.now < self._down.get(to, 0.0):
            return "outage"
        return "partition" if self._cuts and frozenset((who, to)) in self._cuts else ""

    @property
    def whole(self) -> bool:
        """Whether nobody is cut off from anybody by a partition."""
        return not self._cuts

    def partition(self, a: Any, b: Any) -> None:
        """Let no packet pass between `a` and `b`, either way, until `heal`."""
        a, b = _name(a), _name(b)
        self._cuts[frozenset((a, b))] = (a, b)
        self._changed(a, "partition", "cut off", to=b)

    def heal(self, a: Any = None, b: Any = None) -> None:
        """End the partition between `a` and `b`; with one of them, all of its partitions; with none, all."""
        named = {_name(place) for place in (a, b) if place is not None}
        for cut, (one, other) in list(self._cuts.items()):
            if named <= cut:
                del self._cuts[cut]
                self._changed(one, "heal", "connected", to=other)

    def outage(self, name: Any, seconds: float) -> None:
        """Let nobody reach `name` for `seconds` of virtual time; its open connections drop, it recovers by itself.

        Raises ValueError for what is no length.
        """
        name, seconds = _name(name), amounts.seconds(seconds, "outage(seconds)")
        until = self._down[name] = max(self._down.get(name, 0.0), self.sim.now + seconds)
        self._changed(name, "outage", "out of reach", until=until)

    def slow(self, to: Any, low: float, high: float) -> None:
        """Let calls to `to` take between `low` and `high` virtual seconds from now on.

        `to` is a store, a deployment (the way to it; the way back stays as it is), or "http" for every hop.
        """
        self.latency[_name(to)] = (low, high)

    def hop(self, service: str) -> Latency:
        """Return the bounds of one request to a deployment: its own where it has some, or those of every hop."""
        return self.latency[service if service in self.latency else "http"]

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with "partition", "heal" or "outage" at each change, in the order of registration."""
        self._listeners.append(listener)

    def _changed(self, who: str, kind: str, what: str, to: str = "", until: float | None = None) -> None:
        if self.sim.trace.enabled:
            self.sim.trace.add(self.sim.now, who, kind, what, to=to, until=until)
        for listener in self._listeners:
            listener(kind)


def _name(place: Any) -> str:
    return place if isinstance(place, str) else str(place.name)
