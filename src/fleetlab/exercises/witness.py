"""A schedule that is run again for a picture, and notes who took which step and where it was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetlab.sim.choices import PREEMPTION, Choices, Nondeterminism
from fleetlab.sim.schedule import Step, Stop, Strike

if TYPE_CHECKING:
    from fleetlab.sim import Simulation, Task


@dataclass(frozen=True, slots=True)
class Interruption:
    """A preemption or a fault: what kind, of which task on which lane, before which step, at which event number.

    `lane` is whom it concerns: for a kill before a client's request, that is the instance which dies.
    """

    kind: str
    at: int
    task: str
    lane: str
    step: Step


@dataclass(slots=True)
class Notes:
    """What a trace does not tell: the task behind each event, by its number, and every interruption in order."""

    owners: dict[int, str] = field(default_factory=dict)
    interruptions: list[Interruption] = field(default_factory=list)

    def owner(self, n: int, who: str) -> str:
        """Return what took event `n`: its task, or its lane where no task was noted."""
        return self.owners.get(n, who)


class Witness(Choices):
    """Choices that are repeated under observation; `notes` is complete once the run has ended."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(tuple(choices.forced.items()), choices.faults)
        self.notes = Notes()

    def check_fit(self) -> None:
        """Raise `Nondeterminism` if the choices did not fit the run, after it has ended."""
        if self.misfit is not None:
            raise self.misfit
        if self._position <= self.last:
            raise Nondeterminism(f"The run had {self._position} choices; this is for one with more than {self.last}.")

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Strike | Stop | None:
        """Decide as ever, and note the decision."""
        made, decision = len(self.made), super().at_step(task, others, step)
        kind = self.made[-1][1] if len(self.made) > made else ""
        if kind:
            where = len(task.sim.trace)
            self.notes.interruptions.append(Interruption(kind, where, _key(task), task.lane, step))
        if decision is None:
            self._own(task)
            return None
        if kind in ("", PREEMPTION) or isinstance(decision, Stop):
            return decision
        return self._observed(decision)

    def _observed(self, strike: Strike) -> Strike:
        def observed(sim: Simulation, task: Task, step: Step) -> str:
            fault = strike(sim, task, step)
            self._own(task)
            return fault

        return observed

    def _own(self, task: Task) -> None:
        """Note that the next event is the task's: it is recorded as soon as the schedule lets it."""
        self.notes.owners[len(task.sim.trace)] = _key(task)


def _key(task: Task) -> str:
    return str(task.locals["key"])
