"""A recorder beside a world: after each event, what every store holds and what every instance's code has in hand.

It reads and never takes part: no step, no time, no random number. What it saw hangs on the trace's own records, so
that every view of the trace has it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetlab.sim import current_task
from fleetlab.sim.trace import Nap, Record, Trace, learner_frame, source_line

from .contents import contents, shown

if TYPE_CHECKING:
    from fleetlab.sim import Task
    from fleetlab.world.world import World

_HIDDEN = ("_", "@")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment: `stores[store][key]` and `locals[instance][name]` as text; an instance's line stands under `line`.

    An instance that serves several requests at once appears once for each: `shop-1`, `shop-1 (2)`.
    """

    stores: Mapping[str, Mapping[str, str]]
    locals: Mapping[str, Mapping[str, str]]
    lines: Mapping[str, str]


@contextlib.contextmanager
def recorded(world: World) -> Iterator[None]:
    """Keep a snapshot of `world` after each event that its trace gets meanwhile."""
    trace, sim = world.trace, world.sim
    before = trace.records
    log = _Log(world, before)
    trace.records = log
    sim._log = log.append
    try:
        yield
    finally:
        log.close()
        trace.records = list(log)
        sim._log = trace.records.append


def snapshots(trace: Trace) -> list[Snapshot | None]:
    """Return the snapshot after each event of a trace; None before the first one that was taken."""
    found, latest = list[Snapshot | None](), None
    for record in trace.records:
        latest = getattr(record, "after", None) or latest
        found.append(latest)
    return found


class _Log(list[Record | Nap]):
    """The records of a trace; an event's effect is there when the next one begins, so that is when it is looked at."""

    def __init__(self, world: World, records: list[Record | Nap]) -> None:
        super().__init__(records)
        self.world = world
        self._fresh = False

    def append(self, record: Record | Nap) -> None:
        self.close()
        super().append(record)
        self._fresh = True

    def close(self) -> None:
        """Look at the world after the last event."""
        if self._fresh and isinstance(self[-1], Record):
            self[-1].after = look(self.world)  # type: ignore[attr-defined]
        self._fresh = False


def look(world: World) -> Snapshot:
    """Return a snapshot of a world as it is now."""
    held: dict[str, dict[str, str]] = {}
    lines: dict[str, str] = {}
    running = current_task()
    for task in world.sim.tasks:
        frame = learner_frame(sys._getframe() if task is running else task.gr_frame)
        if task.process is None or frame is None or not task.process.alive:
            continue
        name = _name(task, held)
        variables = sorted((name, shown(value)) for name, value in frame.f_locals.items() if name[0] not in _HIDDEN)
        held[name] = {name: text for name, text in variables if text}
        lines[name] = source_line(frame.f_code, frame.f_lineno)
    return Snapshot(contents(world), held, lines)


def _name(task: Task, taken: Mapping[str, Any]) -> str:
    """Return a task's lane, with a number where others of it are on the way."""
    count = sum(name == task.lane or name.startswith(f"{task.lane} (") for name in taken)
    return task.lane if not count else f"{task.lane} ({count + 1})"
