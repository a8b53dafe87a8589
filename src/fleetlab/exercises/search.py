"""How a scenario is searched for a failure: here, every schedule within bounds.

A strategy is the only thing that tells kinds of scenario apart; another kind (see `seeds`) is another strategy.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fleetlab.sim import Trace
from fleetlab.sim.choices import Choices, Deviation, Nondeterminism
from fleetlab.sim.explore import Bounds, Exploration, Explorer, Failure, parse, token
from fleetlab.sim.schedule import Fault

from .blame import Wrong
from .stage import Stage, Stuck
from .story import Story, story
from .verdict import FAILED
from .witness import Witness
from .wording import counted, plural

Tick = Callable[[int], None]
Deviations = tuple[Deviation, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a search came to: how many runs, what they covered, and the failure, if any.

    `how` tells after how many runs and by what it failed; `neighbour` is the closest run that passes, `less` its title.
    """

    runs: int
    covered: str
    wrong: Wrong | None = None
    how: str = ""
    deviations: Deviations = ()
    cause: str = ""
    trace: Trace | None = None
    neighbour: Trace | None = None
    less: str = ""


class Strategy(Protocol):
    """A way to search one scenario."""

    @property
    def bound(self) -> str:
        """How far it looks, in words."""

    def search(self, stage: Stage, tick: Tick) -> Finding:
        """Look for a failure; raises `Nondeterminism`. `tick` hears the number of each run."""

    def held(self, runs: int) -> str:
        """In what an invariant held, in words: "in all 674 schedules"."""

    def replay(self, stage: Stage, deviations: Deviations) -> tuple[Trace, Wrong | None, Story]:
        """Run again what a token stands for; raises `Nondeterminism` where that is not possible."""


class Enumerated:
    """Every schedule and every fault within bounds, shortest first."""

    def __init__(self, faults: Sequence[Fault], bounds: Bounds) -> None:
        self.faults = tuple(faults)
        self.bounds = bounds

    @property
    def bound(self) -> str:
        """The caps, and their sum where it is smaller."""
        caps = {kind: cap for kind, cap in self.bounds.caps.items() if cap}
        if not caps:
            return "without preemptions and faults"
        together = f", {self.bounds.most} together" if len(caps) > 1 and self.bounds.most < sum(caps.values()) else ""
        return f"at most {counted(caps)}{together}"

    def held(self, runs: int) -> str:
        """Return the number of schedules."""
        return f"held in all {plural(runs, 'schedule')}" if runs > 1 else "held in the only schedule"

    def search(self, stage: Stage, tick: Tick) -> Finding:
        """Explore up to the first failure, which is a shortest, or the end of the budget."""
        explorer = Explorer(_Repeating(stage, self.faults), self.faults, self.bounds, same=same, progress=tick)
        try:
            result = explorer.explore()
        except Stuck as stuck:
            return self._stuck(stuck, max(1, explorer.runs))
        if result.failure is None:
            return Finding(result.runs, self._covered(result))
        return self._failed(stage, result.failure)

    def _stuck(self, stuck: Stuck, runs: int) -> Finding:
        schedule = stuck.schedule
        deviations = tuple(schedule.forced.items()) if isinstance(schedule, Choices) else ()
        spent = schedule.spent if isinstance(schedule, Choices) else {}
        return Finding(runs, "", stuck.wrong, _how(runs, spent), deviations)

    def _failed(self, stage: Stage, failure: Failure[Wrong]) -> Finding:
        trace, _, told = self.replay(stage, failure.deviations)
        if failure.what.outcome != FAILED and not failure.deviations:
            told = Story("", ())
        neighbour, less = self._neighbour(stage, failure)
        return Finding(
            failure.after,
            "",
            failure.what,
            _how(failure.after, failure.spent),
            failure.deviations,
            told.sentence,
            trace.highlight(told.marked),
            neighbour,
            less,
        )

    def replay(self, stage: Stage, deviations: Deviations) -> tuple[Trace, Wrong | None, Story]:
        """Run one schedule again, with a trace and its story."""
        witness = Witness(Choices(deviations, self.faults))
        history, wrong = stage.play(witness, trace=True)
        witness.check_fit()
        return history.trace, wrong, story(history.trace, witness.notes)

    def _neighbour(self, stage: Stage, failure: Failure[Wrong]) -> tuple[Trace | None, str]:
        """Return the run that differs by the last deviation alone, if it passes, and what it lacks."""
        if failure.what.outcome != FAILED or not failure.deviations:
            return None, ""
        schedule = Choices(failure.deviations[:-1], self.faults)
        history, wrong = stage.play(schedule, trace=True)
        spent = [kind for _, kind in schedule.made if kind]
        lacking = [kind for kind in failure.spent if spent.count(kind) < failure.spent[kind]]
        return (history.trace, _less(lacking, failure.spent)) if wrong is None else (None, "")

    def _covered(self, result: Exploration[Wrong]) -> str:
        """Return how many schedules there were, within which bounds, and what was left out."""
        seen = f"{plural(result.runs - result.sampled, 'schedule')}, {self.bound}"
        if result.complete:
            return f"{seen}: that is all of them"
        rest = f"the budget of {self.bounds.budget:,} left out {result.left:,} more, and all that follow from them"
        return f"{seen}: {rest}; {result.sampled:,} of those were drawn at random and tried"


class _Repeating:
    """Runs schedules on a stage, the default one twice: raises `Nondeterminism` where its steps differ."""

    def __init__(self, stage: Stage, faults: Sequence[Fault]) -> None:
        self._stage = stage
        self._faults = faults
        self._first: Choices | None = None

    def __call__(self, schedule: Choices) -> Wrong | None:
        wrong = self._stage.run(schedule)
        if self._first is None and wrong is None:
            self._first = Choices((), self._faults)
            if self._stage.run(self._first) is None:
                differ((schedule.steps, self._first.steps))
        return wrong


def _less(lacking: Sequence[str], spent: dict[str, int]) -> str:
    if not lacking:
        return "Another order of events: it passes"
    kind = lacking[0]
    return f"The same {f'without the {kind}' if spent[kind] == 1 else f'with one {kind} less'}: it passes"


def differ(runs: tuple[Sequence[str], Sequence[str]]) -> None:
    """Raise `Nondeterminism` with the first step in which two runs of one schedule differ, if they do."""
    first, second = runs
    for number, (a, b) in enumerate(zip(first, second, strict=False), 1):
        if a != b:
            raise Nondeterminism(f"Step {number} was «{a}» in one run and «{b}» in its repetition.")
    if len(first) != len(second):
        more = max(first, second, key=len)[min(len(first), len(second))]
        raise Nondeterminism(f"One run ended where its repetition went on with «{more}».")


def _how(runs: int, spent: dict[str, int]) -> str:
    faults = counted({kind: count for kind, count in spent.items() if kind != "preemption"})
    preemptions = plural(spent.get("preemption", 0), "preemption").replace("0 preemptions", "no preemption")
    after = f"After {plural(runs, 'schedule')}" if runs > 1 else "In the first schedule"
    return f"{after}, with {preemptions} and {faults or 'no fault'}"


def same(a: Wrong, b: Wrong) -> bool:
    """Tell whether two failures are of one kind."""
    return (a.outcome, a.id) == (b.outcome, b.id)


# -- tokens that know their exercise

_SCENARIOS = 16


def ticket(key: str, number: int, deviations: Deviations) -> str:
    """Return the token of a run: a mark of the exercise and the number of its scenario, then its choices."""
    return token(_mark(key) * _SCENARIOS + number, deviations)


def read_ticket(key: str, text: str) -> tuple[int, Deviations]:
    """Return the scenario's number and the choices of a token; raises ValueError with a sentence for any other."""
    first, deviations = parse(str(text))
    mark, number = divmod(first, _SCENARIOS)
    if mark != _mark(key):
        raise ValueError(f"{text!r} is not a token of {key}: a token belongs to the exercise whose check gave it.")
    return number, deviations


def _mark(key: str) -> int:
    """Return a number that stands for an exercise: always of three digits with its scenario's, in base 32."""
    return 64 + zlib.crc32(key.encode()) % (2048 - 64)
