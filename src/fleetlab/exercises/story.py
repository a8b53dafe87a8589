"""Why a run failed, in one sentence: which step came between which two others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleetlab.sim import Event, Trace

_FAULTS = ("kill", "pause", "fault", "outage")


@dataclass(frozen=True, slots=True)
class Story:
    """A cause as one sentence, and the numbers of the events that tell it."""

    sentence: str
    marked: tuple[int, ...]


def story(trace: Trace) -> Story:
    """Return the cause of a failing run: a write between a read and its write, or the fault that struck."""
    events = trace.events
    between = _between(events)
    struck = [event for event in events if event.kind in _FAULTS]
    if struck and not (between and between.marked[0] > struck[-1].n):
        return _struck(struck[-1], events)
    return between or Story("", ())


def _between(events: Sequence[Event]) -> Story | None:
    """Find a write by one lane between another's read and write of the same key: a lost update."""
    for write in events:
        if _access(write) != "w":
            continue
        read = _last(events[: write.n], write.who, write.touches)
        if read is None:
            continue
        for other in events[read.n + 1 : write.n]:
            if other.who != write.who and _access(other) == "w" and _same(other, write) and other.to == write.to:
                return _lost(read, other, write, events)
    return None


def _lost(read: Event, other: Event, write: Event, events: Sequence[Event]) -> Story:
    thing = write.touches[1] if write.touches else write.what
    theirs = _last(events[: other.n], other.who, other.touches)
    if theirs is not None and read.n < theirs.n:
        sentence = f"{other.who} read {thing} between {read.who}'s read and {read.who}'s write."
        return Story(sentence, (read.n, theirs.n, other.n, write.n))
    return Story(
        f"{other.who} wrote {thing} between {read.who}'s read and {read.who}'s write.", (read.n, other.n, write.n)
    )


def _access(event: Event) -> str:
    return event.touches[2] if event.kind == "call" and event.touches else ""


def _same(a: Event, b: Event) -> bool:
    return bool(a.touches and b.touches) and (a.touches[1] == b.touches[1] or "*" in (a.touches[1], b.touches[1]))


def _last(events: Sequence[Event], who: str, touches: Sequence[str]) -> Event | None:
    for event in reversed(events):
        if event.who == who and _access(event) == "r" and event.touches[:2] == tuple(touches[:2]):
            return event
    return None


def _struck(fault: Event, events: Sequence[Event]) -> Story:
    before = [event for event in events[: fault.n] if event.who == fault.who and event.kind == "call"]
    after = f" after {before[-1].what}" if before else ""
    marked = (before[-1].n, fault.n) if before else (fault.n,)
    if fault.kind == "kill":
        return Story(f"{fault.who} was killed{after}.", marked)
    if fault.kind == "pause":
        seconds = (fault.until or fault.time) - fault.time
        return Story(f"{fault.who} stood still for {seconds:.0f} s{after}.", marked)
    if fault.kind == "outage":
        return Story(f"{fault.who} could not be reached for {(fault.until or fault.time) - fault.time:.0f} s.", marked)
    return Story(f"{fault.what}: {fault.who}{after}.", marked)
