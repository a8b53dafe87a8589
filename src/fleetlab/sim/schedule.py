"""Who runs next: a schedule draws ties and latencies, or makes every choice itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .trace import Touches

if TYPE_CHECKING:
    from .kernel import Simulation, Task

Latency = tuple[float, float]


class Step(NamedTuple):
    """What a task is about to do: `touches` is `(resource, key, "r" or "w")`, or empty if it meets nobody."""

    kind: str
    what: str
    to: str
    touches: Touches


class Strike(Protocol):
    """One way in which a fault can happen at one step."""

    def __call__(self, sim: Simulation, task: Task, step: Step) -> str:
        """Let it happen; return what the store must know: "", "lost reply", "late effect" …"""


class Fault(Protocol):
    """Something that goes wrong at a step: a kill, a pause, a lost reply."""

    @property
    def name(self) -> str:
        """What this kind of fault is called: "kill", "pause" …"""

    def strikes(self, task: Task, step: Step) -> Sequence[Strike]:
        """Return the ways in which this fault can happen when `task` takes `step`, in a fixed order."""


class Stop:
    """What an exploring schedule answers when the rest of a run is known already."""


STOP = Stop()


class Schedule(Protocol):
    """What the kernel asks of a schedule.

    With `explores` false the kernel orders events by time, then by `tie()`, and a step takes `latency()` virtual
    seconds. With `explores` true steps take no time, and `choose` and `at_step` decide every turn.
    """

    calm: bool
    """While true every turn takes its default, and nothing is explored."""

    @property
    def explores(self) -> bool:
        """Whether the schedule makes every choice itself."""

    @property
    def tie(self) -> Callable[[], float]:
        """A function that draws the order of what is ready at one moment: a number from 0 up to 1."""

    def latency(self, bounds: Latency) -> float:
        """Return how many virtual seconds one step takes, within `bounds`."""

    def choose(self, options: Sequence[Task]) -> Task | Stop:
        """Return which of the tasks that can run now goes on, when the last one cannot."""

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Strike | Stop | None:
        """Return None to let `task` take this step, one of `others` to run first, or the fault that strikes here."""


class Seeded:
    """A schedule drawn from one seed: the same seed gives the same order of events, another seed another."""

    explores = False
    calm = False

    def __init__(self, seed: int | str = 0) -> None:
        # Two streams, so that one more task does not change how long everything takes.
        self.tie = Random(f"tie {seed}").random
        self._draw = Random(f"schedule {seed}").random

    def latency(self, bounds: Latency) -> float:
        """Draw the virtual seconds of one step, uniformly from `bounds`."""
        low, high = bounds
        return low + (high - low) * self._draw()

    def choose(self, options: Sequence[Task]) -> Task | Stop:
        """Return one of the tasks that are ready at the same moment, drawn."""
        return options[int(self.tie() * len(options))]

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Strike | Stop | None:
        """Return None: in a seeded schedule time alone decides."""
        return None
