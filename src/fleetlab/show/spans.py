"""Stretches of time on a lane: pauses, outages, leases, TTLs, sleeps, waits, and requests being served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleetlab.sim.trace import Event

BARS = frozenset({"pause", "outage", "ttl", "lease", "sleep", "wait"})

# What a bar's end is called; these ends get a row of their own, since a story often turns on them.
ENDS = {"pause": "runs on", "outage": "back again", "lease": "lease {what} ends", "ttl": "{what} expires"}

# A new one of these replaces the one before on the same lane: a lease renewed, a TTL set again.
_REPLACED = frozenset({"pause", "outage", "ttl", "lease"})


@dataclass(slots=True)
class Span:
    """One bar: from event `first` on `lane` to event `last` (if an event ended it) or to `until` (virtual seconds)."""

    lane: str
    kind: str
    what: str
    first: int
    start: float
    until: float | None = None
    last: int | None = None

    @property
    def ends_itself(self) -> bool:
        """Tell whether time alone ends it, at `until`."""
        return self.last is None and self.until is not None and self.until > self.start


def bars(events: Iterable[Event]) -> list[Span]:
    """Return the bars of pauses, outages, leases, TTLs, sleeps and waits; a kill ends those of the dead."""
    spans: list[Span] = []
    open_: dict[tuple[str, str, str], Span] = {}
    for event in events:
        if event.kind in BARS:
            span = Span(event.who, event.kind, event.what, event.n, event.time, event.until)
            key = (event.who, event.kind, event.what if event.kind in ("ttl", "lease") else "")
            if event.kind in _REPLACED:
                _close(open_.get(key), event)
                open_[key] = span
            spans.append(span)
        elif event.kind == "kill":
            # Leases and TTLs live in a store: the dead do not give them back.
            for span in spans:
                if span.lane == event.who and span.kind in ("pause", "sleep", "wait"):
                    _close(span, event)
    return [span for span in spans if span.last != span.first]


def _close(span: Span | None, event: Event) -> None:
    if span and span.last is None and (span.until is None or span.until > event.time):
        span.last = event.n


def served(events: Iterable[Event]) -> list[Span]:
    """Return one span a request from its arrival to its response, or to the server's death."""
    spans: list[Span] = []
    waiting: dict[tuple[str, str], list[Span]] = {}
    for event in events:
        if event.kind == "request" and event.to:
            span = Span(event.to, "busy", event.what, event.n, event.time)
            waiting.setdefault((event.to, event.who), []).append(span)
            spans.append(span)
        elif event.kind in ("response", "fault") and (queue := waiting.get((event.who, event.to))):
            queue.pop(0).last = event.n
        elif event.kind in ("kill", "gone"):
            for (server, _), queue in waiting.items():
                if server == event.who:
                    for span in queue:
                        span.last = event.n
                    queue.clear()
    return spans


def slots(ranges: list[tuple[float, float]]) -> list[int]:
    """Return for each range the first column in which it overlaps none before it."""
    ends: list[float] = []
    columns = []
    for start, end in ranges:
        column = next((i for i, free in enumerate(ends) if free <= start), len(ends))
        ends[column : column + 1] = [end]
        columns.append(column)
    return columns
