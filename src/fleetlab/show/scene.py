"""What a trace is about, read once: its lanes and their kinds, its bars, and which calls did not get through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleetlab.sim.trace import Event, Trace

from .spans import Span, bars, served

_WORLD = "world"
_ARROWS = ("call", "request", "response", "fault")


@dataclass(frozen=True, slots=True)
class Scene:
    """A trace as the pictures need it; `muted` calls had their reply lost, `blocked` ones met a partition."""

    events: tuple[Event, ...]
    marked: frozenset[int]
    title: str
    subtitle: str
    kinds: Mapping[str, str]
    bars: Sequence[Span]
    busy: Sequence[Span]
    muted: frozenset[int]
    blocked: frozenset[int]

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes from left to right."""
        return tuple(self.kinds)

    @property
    def tail(self) -> float:
        """How much room, in pixels, the last lane needs at its right: more where something is named there."""
        last = self.lanes[-1:]
        named = any((event.who,) == last and event.kind not in _ARROWS for event in self.events)
        return 140.0 if named else 62.0


def scene(trace: Trace) -> Scene:
    """Read a trace."""
    events = trace.events
    marked = frozenset(trace.marked)
    spans, lost = (bars(events), served(events)), (_muted(events), _blocked(events))
    return Scene(events, marked, trace.title, trace.subtitle, _kinds(trace, events), *spans, *lost)


def _kinds(trace: Trace, events: Sequence[Event]) -> dict[str, str]:
    """Return the kind of each lane; names that nobody declared are callers or, where they are only called, stores."""
    kinds = {name: trace.lane_kind(name) for name in trace.lanes if trace.lane_kind(name) != _WORLD}
    known = {*kinds, _WORLD, ""}
    called = dict.fromkeys((e.to for e in events if e.kind == "call" and e.to not in known), "store")
    callers = dict.fromkeys((e.who for e in events if e.who not in known), "instance")
    return kinds | callers | {name: kind for name, kind in called.items() if name not in callers}


def _muted(events: Sequence[Event]) -> frozenset[int]:
    """Return the calls whose reply nobody saw: a fault right behind them says that it was lost."""
    return frozenset(
        call.n
        for call, after in pairwise(events)
        if after.kind == "fault" and (call.who, call.to) == (after.who, after.to)
    )


def _blocked(events: Sequence[Event]) -> frozenset[int]:
    """Return the calls and requests made across a partition."""
    cut: set[frozenset[str]] = set()
    blocked = set()
    for event in events:
        pair = frozenset((event.who, event.to))
        if event.kind == "partition":
            cut.add(pair)
        elif event.kind == "heal":
            cut.discard(pair)
        elif pair in cut and event.kind in _ARROWS[:3]:
            blocked.add(event.n)
    return frozenset(blocked)
