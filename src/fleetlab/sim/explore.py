"""Tries every schedule and every fault up to a bound, and returns the first failure, which is a shortest.

Iterative context bounding (Musuvathi & Qadeer, PLDI 2007): all runs with no deviation first, then all with one, two
and so on; a free choice of who goes on costs nothing, a preemption and a fault cost one each. Where that is more than
the budget, the rest is sampled with priorities (PCT: Burckhardt et al., ASPLOS 2010), and the result says so.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from .choices import FREE, PREEMPTION, Choices, Deviation, Known, Nondeterminism
from .kernel import Abandoned
from .schedule import Fault

if TYPE_CHECKING:
    from .kernel import Task

F = TypeVar("F")
Deviations = tuple[Deviation, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far to look: a cap for each kind of deviation, one for their sum, and a number of runs.

    Budgets count runs, never seconds, so that the counts are the same on every machine.
    """

    caps: Mapping[str, int] = field(default_factory=lambda: {PREEMPTION: 2})
    total: int | None = None
    budget: int = 4000
    samples: int = 200

    @property
    def most(self) -> int:
        """The largest sum of deviations."""
        return max(self.caps.values(), default=0) if self.total is None else self.total

    def admits(self, spent: Mapping[str, int]) -> bool:
        """Tell whether so much of each kind is within the bounds."""
        within = all(count <= self.caps.get(kind, 0) for kind, count in spent.items())
        return within and sum(spent.values()) <= self.most


@dataclass(frozen=True, slots=True)
class Failure(Generic[F]):
    """A run that failed: what was wrong, by which deviations, and what each of them is."""

    what: F
    deviations: Deviations
    spent: dict[str, int]
    steps: tuple[str, ...]
    after: int


@dataclass(frozen=True, slots=True)
class Exploration(Generic[F]):
    """What an exploration covered: runs, of which `same` were cut short as known; whether that was all."""

    bounds: Bounds
    runs: int
    same: int
    complete: bool
    left: int = 0
    sampled: int = 0
    failure: Failure[F] | None = None


Run = Callable[[Choices], F | None]


class Explorer(Generic[F]):
    """Explores one scenario: `run(schedule)` runs it in a fresh world and returns what failed, or None.

    `same(a, b)` tells whether two failures are of one kind, for minimising.
    """

    def __init__(
        self,
        run: Run[F],
        faults: Sequence[Fault] = (),
        bounds: Bounds | None = None,
        *,
        same: Callable[[F, F], bool] = lambda a, b: True,
        prune: bool = True,
        progress: Callable[[int], None] = lambda runs: None,
    ) -> None:
        self.run = run
        self.faults = tuple(faults)
        self.bounds = bounds or Bounds()
        self.same = same
        self.progress = progress
        self.runs = 0
        self.cut = 0
        self._known = Known() if prune else None

    def explore(self) -> Exploration[F]:
        """Run every schedule within the bounds, shortest first, up to the first failure or the end of the budget."""
        levels: list[deque[tuple[Deviations, dict[str, int]]]] = [deque() for _ in range(self.bounds.most + 1)]
        levels[0].append(((), {}))
        for level in levels:
            while level:
                if self.runs >= self.bounds.budget:
                    return self._sample(sum(len(rest) for rest in levels))
                deviations, spent = level.popleft()
                schedule, what = self.attempt(deviations, spent)
                if what is not None:
                    return self._result(failure=self._failure(what, deviations, spent))
                self._branch(schedule, deviations, spent, levels)
        return self._result()

    def attempt(
        self, deviations: Deviations, spent: Mapping[str, int] | None = None, *, fresh: bool = False
    ) -> tuple[Choices, F | None]:
        """Run one schedule; `fresh` runs it to its end even where its end is known."""
        schedule = Choices(deviations, self.faults, spent, None if fresh else self._known)
        return schedule, self._run(schedule)

    def _run(self, schedule: Choices) -> F | None:
        self.runs += 1
        self.progress(self.runs)
        try:
            what = self.run(schedule)
        except Abandoned:
            self.cut += 1
            return None
        if schedule.misfit is not None:
            raise schedule.misfit
        return what

    def _branch(
        self,
        schedule: Choices,
        deviations: Deviations,
        spent: dict[str, int],
        levels: list[deque[tuple[Deviations, dict[str, int]]]],
    ) -> None:
        for choice in schedule.open:
            for index, kind in list(enumerate(choice.kinds))[1:]:
                cost = spent if kind == FREE else {**spent, kind: spent.get(kind, 0) + 1}
                if self.bounds.admits(cost):
                    levels[sum(cost.values())].append(((*deviations, (choice.position, index)), cost))

    def _result(self, *, left: int = 0, sampled: int = 0, failure: Failure[F] | None = None) -> Exploration[F]:
        complete = not left and failure is None
        return Exploration(self.bounds, self.runs, self.cut, complete, left, sampled, failure)

    # -- beyond the budget

    def _sample(self, left: int) -> Exploration[F]:
        for seed in range(1, self.bounds.samples + 1):
            schedule = Sampled(seed, self.faults, self.bounds)
            what = self._run(schedule)
            if what is not None:
                failure = self._failure(what, schedule.deviations, schedule.spent)
                return self._result(left=left, sampled=seed, failure=failure)
        return self._result(left=left, sampled=self.bounds.samples)

    # -- a failure

    def _failure(self, what: F, deviations: Deviations, spent: dict[str, int]) -> Failure[F]:
        after = self.runs
        shortest, what = self._minimise(what, deviations)
        steps = self._twice(shortest, what)
        made = self.attempt(shortest, fresh=True)[0].made
        kinds: dict[str, int] = {}
        for _, kind in made:
            if kind != FREE:
                kinds[kind] = kinds.get(kind, 0) + 1
        self.runs = after
        return Failure(what, shortest, kinds, steps, after)

    def _minimise(self, what: F, deviations: Deviations) -> tuple[Deviations, F]:
        """Drop every deviation without which the run still fails in the same way."""
        shortest = deviations
        for one in reversed(deviations):
            fewer = tuple(other for other in shortest if other != one)
            try:
                found = self.attempt(fewer, fresh=True)[1]
            except Nondeterminism:
                continue
            if found is not None and self.same(found, what):
                shortest, what = fewer, found
        return shortest, what

    def _twice(self, deviations: Deviations, what: F) -> tuple[str, ...]:
        """Run a failure twice more; raise `Nondeterminism` where the runs differ."""
        first, second = self.attempt(deviations, fresh=True), self.attempt(deviations, fresh=True)
        for number, (a, b) in enumerate(zip(first[0].steps, second[0].steps, strict=False), 1):
            if a != b:
                raise Nondeterminism(f"Step {number} was «{a}» in one run and «{b}» in its repetition.")
        if len(first[0].steps) != len(second[0].steps) or (first[1] is None) != (second[1] is None):
            raise Nondeterminism("One run went on where its repetition ended.")
        if first[1] is None or not self.same(first[1], what):
            raise Nondeterminism("The failure did not come back when the same schedule was run again.")
        return tuple(first[0].steps)


class Sampled(Choices):
    """One run by random priorities: the highest goes on, and at a few random choices the one that runs falls back."""

    def __init__(self, seed: int, faults: Sequence[Fault], bounds: Bounds, length: int = 60) -> None:
        super().__init__((), faults)
        self._random = Random(f"sample {seed}")
        self._bounds = bounds
        self._changes = set(self._random.sample(range(length), min(length, bounds.most)))
        self._priority: dict[str, float] = {}
        self.deviations: Deviations = ()

    def _rank(self, task: Task) -> float:
        return self._priority.setdefault(task.locals["key"], self._random.random())

    def _decide(self, kinds: tuple[str, ...], what: str, tasks: Sequence[Task] = ()) -> int:
        index = self._pick(kinds, tasks)
        if index:
            self.deviations = (*self.deviations, (self._position, index))
            self.made.append((len(self.steps), kinds[index]))
            if kinds[index] != FREE:
                self.spent[kinds[index]] = self.spent.get(kinds[index], 0) + 1
        self._position += 1
        return index

    def _pick(self, kinds: tuple[str, ...], tasks: Sequence[Task]) -> int:
        if all(kind == FREE for kind in kinds):
            return max(range(len(tasks)), key=lambda i: self._rank(tasks[i]))
        if self._position not in self._changes:
            return 0
        allowed = [
            i
            for i, kind in enumerate(kinds)
            if i and self._bounds.admits({**self.spent, kind: self.spent.get(kind, 0) + 1})
        ]
        return self._random.choice(allowed) if allowed else 0


# -- replay tokens

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TOKEN = re.compile(f"[{_DIGITS}]+([.][{_DIGITS}]+[{_DIGITS.upper()}])*")


def token(scenario: int, deviations: Deviations) -> str:
    """Return deviations as a short text: the scenario, then each choice's position and alternative."""
    parts = [f"{_number(position)}{_DIGITS[index].upper()}" for position, index in deviations]
    return ".".join([_number(scenario), *parts])


def parse(text: str) -> tuple[int, Deviations]:
    """Return the scenario and the deviations of a token; raises ValueError for anything else."""
    text = text.strip()
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is no replay token; one looks like 0.4B.1cC and stands under a failure.")
    first, *parts = text.split(".")
    return _value(first), tuple((_value(part[:-1]), _DIGITS.index(part[-1].lower())) for part in parts)


def _number(value: int) -> str:
    digits = ""
    while value or not digits:
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits


def _value(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 32 + _DIGITS.index(digit)
    return value
