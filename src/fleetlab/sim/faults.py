"""Faults as choices of a schedule: each can happen at any step that it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .schedule import Step, Strike

if TYPE_CHECKING:
    from .kernel import Simulation, Task
    from .process import Process


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL: the process dies before this step; before a client's request, any one process dies."""

    name: str = "kill"

    def strikes(self, task: Task, step: Step) -> Sequence[Strike]:
        """Return one way a victim: the process that takes the step, or each that waits for requests."""
        if task.process is not None:
            return [_killing(task.process)] if task.process.mortal else []
        if step.kind == "request":
            return [_killing(process) for process in task.sim.processes if process.alive and process.mortal]
        return []


def _killing(process: Process) -> Strike:
    def strike(sim: Simulation, task: Task, step: Step) -> str:
        process.kill()
        return ""

    return strike


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop of the whole process before this step, for `seconds` of virtual time: longer than any lease."""

    seconds: float = 120.0
    name: str = "pause"

    def strikes(self, task: Task, step: Step) -> Sequence[Strike]:
        """Return one way, for steps of instances."""
        return [self._strike] if task.process is not None and step.kind == "call" else []

    def _strike(self, sim: Simulation, task: Task, step: Step) -> str:
        sim.stand_still(task, self.seconds)
        return ""


@dataclass(frozen=True, slots=True)
class Lost:
    """A call takes effect, but its reply is lost: the caller sees a timeout.

    `at` limits it to calls to one lane; `words` is what the store is told.
    """

    at: str = ""
    name: str = "lost reply"

    def strikes(self, task: Task, step: Step) -> Sequence[Strike]:
        """Return one way, for calls and requests that have a reply."""
        concerned = step.kind in ("call", "request") and (not self.at or step.to == self.at)
        return [self._strike] if concerned else []

    def _strike(self, sim: Simulation, task: Task, step: Step) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Late:
    """A call takes effect only after the caller has seen a timeout and gone on."""

    at: str = ""
    name: str = "late effect"

    def strikes(self, task: Task, step: Step) -> Sequence[Strike]:
        """Return one way, for calls of instances to a store."""
        concerned = step.kind == "call" and task.process is not None and (not self.at or step.to == self.at)
        return [self._strike] if concerned else []

    def _strike(self, sim: Simulation, task: Task, step: Step) -> str:
        return self.name
