"""Why a run failed, in one or two sentences: which step came between which two others, and what a fault cut short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fleetlab.sim import Event, Trace
from fleetlab.sim.choices import PREEMPTION
from fleetlab.sim.schedule import Step

from . import mishap
from .crossing import Line, crossing
from .witness import Interruption, Notes

_FAULTS = ("kill", "pause", "fault", "outage")


@dataclass(frozen=True, slots=True)
class Story:
    """A cause as text, and the numbers of the events that tell it; both are empty where no cause is sure."""

    sentence: str
    marked: tuple[int, ...]


def story(trace: Trace, notes: Notes | None = None) -> Story:
    """Return the cause of a failing run.

    With the notes of a `Witness`, only what the schedule did is told; without them, tasks are taken for their lanes.
    """
    events, known = trace.events, notes or Notes()
    line = Line(events, known)
    found = [_told(interruption, line) for interruption in known.interruptions]
    found = [one for one in found if one.sentence]
    if not found and not any(i.kind != PREEMPTION for i in known.interruptions):
        found = list(_unasked(line, notes is None))[:1]
    return _joined(found)


def _told(interruption: Interruption, line: Line) -> Story:
    if interruption.kind == PREEMPTION:
        return Story(*crossing(line, interruption.task, interruption.at))
    return Story(*mishap.told(interruption, line))


def _unasked(line: Line, bare: bool) -> Iterator[Story]:
    """Yield what happened by itself: somebody waited and others went on, or the scenario broke something."""
    crossed = [Story(*crossing(line, task, at, sure=True)) for task, at in line.gaps()]
    struck = [_scripted(event, line, bare) for event in line.events if event.kind in _FAULTS]
    if bare and struck and not any(one.sentence and one.marked[0] > struck[-1].marked[0] for one in crossed):
        yield struck[-1]
    yield from (one for one in crossed if one.sentence)
    yield from reversed(struck)


def _scripted(event: Event, line: Line, bare: bool) -> Story:
    """Return a fault of the scenario's own; what it cut short is known only from a trace without notes."""
    kind = event.what.split(":")[0] if event.kind == "fault" else event.kind
    what = event.what.removeprefix(f"{kind}: ")
    step = Step("call" if bare else "", what if event.kind == "fault" else "", event.to, ())
    return Story(*mishap.told(Interruption(kind, event.n, event.who, event.who, step), line))


def _joined(found: Sequence[Story]) -> Story:
    sentences = list(dict.fromkeys(one.sentence for one in found))
    return Story(" ".join(sentences), tuple(sorted(_all(one.marked for one in found))))


def _all(groups: Iterable[Iterable[int]]) -> set[int]:
    return {n for group in groups for n in group}
