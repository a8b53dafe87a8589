"""A schedule made of choices: follows a list of deviations, and notes every other choice there was.

At a step the default is to go on; where a task blocks or ends, it is the task that has been ready longest. A
deviation is `(position of the choice, number of the alternative)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .causality import Causality
from .schedule import STOP, Fault, Latency, Step, Stop, Strike

if TYPE_CHECKING:
    from .kernel import Task

PREEMPTION = "preemption"
FREE = ""
Deviation = tuple[int, int]


class Nondeterminism(Exception):
    """A run did not repeat itself; the message names the first step that differs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a run: the kinds of its alternatives (the default first), and what is spent before it."""

    position: int
    kinds: tuple[str, ...]


class Choices:
    """The schedule of one explored run.

    `deviations` are followed, everything else is default; `spent` is what they cost, by kind. `known` remembers states
    across runs: a run that reaches one of them is given up. While `calm` is true nothing is a choice.
    """

    explores = True

    def __init__(
        self,
        deviations: Sequence[Deviation] = (),
        faults: Sequence[Fault] = (),
        spent: Mapping[str, int] | None = None,
        known: Known | None = None,
    ) -> None:
        self.forced = dict(deviations)
        self.last = max(self.forced, default=-1)
        self.faults = faults
        self.spent = dict(spent or {})
        self.known = known
        self.open: list[Choice] = []
        self.steps: list[str] = []
        self.made: list[tuple[int, str]] = []
        self.causality = Causality()
        self.calm = False
        self.misfit: Nondeterminism | None = None
        self._position = 0
        self._fresh: Task | None = None
        self._parked: set[Task] = set()
        self._interrupted: Task | None = None
        self._eager: Task | None = None

    def tie(self) -> float:
        """Return nothing to order by: tasks of one moment stay in the order in which they became ready."""
        return 0.0

    def latency(self, bounds: Latency) -> float:
        """Return 0: under exploration a step takes no time."""
        return 0.0

    def choose(self, options: Sequence[Task]) -> Task | Stop:
        """Return the task that goes on when the last one cannot: a choice that costs nothing."""
        if self._interrupted is not None and self._interrupted in options:
            return self._take_back()
        silent = self._silent(options)
        if silent is not None:
            self._eager = silent
            return silent
        chosen = options[0]
        if len(options) > 1 and not self.calm:
            if self._is_known(self.causality.waiting(options)):
                return STOP
            chosen = options[self._decide((FREE,) * len(options), "who goes on", options)]
        return self._let(chosen)

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Strike | Stop | None:
        """Return None to let `task` take its step, another task to preempt it, or the fault that strikes."""
        if self._interrupted is not None:
            self._parked.add(task)
            return self._take_back()
        silent = self._silent(others)
        if silent is not None:
            self._parked.add(task)
            self._interrupted = task if task is not self._eager else None
            self._eager = silent
            return silent
        return self._at_step(task, others, step)

    def _at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Strike | Stop | None:
        free, self._eager = task is self._eager, None
        rivals = list(others) if self._preemptible(task, others, step) else []
        faults = () if self.calm else self.faults
        strikes = [(fault.name, strike) for fault in faults for strike in fault.strikes(task, step)]
        index = 0
        if rivals or strikes:
            if self._is_known(self.causality.pending(task, step, bool(rivals), others)):
                return STOP
            kinds = (FREE, *[FREE if free else PREEMPTION] * len(rivals), *[name for name, _ in strikes])
            index = self._decide(kinds, step.what, (task, *rivals))
        if 0 < index <= len(rivals):
            self._parked.add(task)
            return self._let(rivals[index - 1])
        self._fresh = None
        self._parked.discard(task)
        self.steps.append(f"{task.lane}: {step.what}")
        self.causality.note(task, step)
        if index == 0:
            return None
        name, strike = strikes[index - 1 - len(rivals)]
        self.causality.upset(name, index)
        return strike

    def _preemptible(self, task: Task, others: Sequence[Task], step: Step) -> bool:
        """Tell whether somebody else may go first, and that is no choice already made.

        A task that has just been chosen was chosen before the others, which cost nothing; only what it did since in
        the memory of its own process can make a difference, to another task of that process.
        """
        if self.calm or step.kind in ("response", "ready"):
            return False
        if task is not self._fresh:
            return True
        kin = task.process is not None and any(other.process is task.process for other in others)
        return kin and task not in self._parked

    def _let(self, chosen: Task) -> Task:
        self._fresh = chosen
        self.causality.resume(chosen)
        return chosen

    def _silent(self, tasks: Sequence[Task]) -> Task | None:
        """Return a client that has yet to come to its next step: until then it meets nobody, so it goes first."""
        if self.calm:
            return None
        return next((task for task in tasks if task.process is None and task not in self._parked), None)

    def _take_back(self) -> Task:
        """Give the turn back to the task that a silent client interrupted: that was no preemption."""
        task, self._interrupted = self._interrupted, None
        assert task is not None
        self._parked.discard(task)
        return task

    def _decide(self, kinds: tuple[str, ...], what: str, tasks: Sequence[Task] = ()) -> int:
        position = self._position
        self._position += 1
        index = self.forced.get(position, 0)
        if index >= len(kinds):
            self.misfit = Nondeterminism(
                f"At {what}, choice {position} had no alternative {index} when it was repeated."
            )
            raise self.misfit  # in the middle of the answer's code, which may swallow it
        if position > self.last:
            self.open.append(Choice(position, kinds))
        elif index:
            self.made.append((len(self.steps), kinds[index]))
        return index

    def _is_known(self, here: int) -> bool:
        """Tell whether an earlier run came to this very state with no less left to spend."""
        if self.known is None or self._position <= self.last:
            return False
        return self.known.seen((self.causality.state, here), self.spent)


class Known:
    """The states that runs have come to, each with what had been spent by then."""

    def __init__(self) -> None:
        self._spent: dict[Any, list[dict[str, int]]] = {}

    def seen(self, state: Any, spent: dict[str, int]) -> bool:
        """Tell whether `state` was reached before at no greater cost of any kind; remember it if not."""
        before = self._spent.setdefault(state, [])
        if any(all(cost.get(kind, 0) <= spent.get(kind, 0) for kind in cost) for cost in before):
            return True
        before.append(spent)
        return False
