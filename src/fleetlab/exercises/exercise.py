"""An exercise: scenarios that an answer must survive, and what must hold in each of them.

An author writes a scenario and says what must hold; bounds, faults, minimising, pictures, tokens, counts and progress
are the machinery's:

    counter = Exercise("01.counter", "Every visit is counted", hints=["Where does the number live?"])

    @counter.scenario(preemptions=2, kills=1)
    def three_visits(world, shop):
        world.deploy(shop, instances=2)
        clients = [world.client(f"visitor-{n}") for n in (1, 2, 3)]
        world.together(*[lambda c=c: c.post("/visit") for c in clients])
        return world.client("owner").get("/visits").json()["visits"]

    @three_visits.must("LOST-VISIT", "every acknowledged visit is counted")
    def nothing_lost(history):
        promised = len(history.acknowledged)
        if history.result < promised:
            return f"{promised} visits were acknowledged, {history.result} are counted."

An invariant returns nothing where it holds, and a sentence (or True, for its own sentence) where it does not. The
first invariant that fails names the harm: write them from the most telling to the most general.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fleetlab.sim.choices import PREEMPTION, Choices, Nondeterminism
from fleetlab.sim.explore import Bounds, Exploration, Explorer, Failure, parse, token
from fleetlab.sim.faults import Kill, Late, Lost, Pause
from fleetlab.sim.schedule import Fault

from .history import History
from .progress import Progress
from .solution import find_solution
from .stage import Stage, Wrong
from .story import story
from .verdict import FAILED, NOT_ATTEMPTED, PASSED, RAISED, CheckFailed, Verdict, publish


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must hold in every run: an id, a sentence, and a function that returns what is wrong."""

    id: str
    sentence: str
    holds: Callable[[History], Any]


class Scenario:
    """One situation that an answer is put into, under every schedule and fault within its bounds."""

    def __init__(self, f: Callable[..., Any], name: str, faults: Sequence[Fault], bounds: Bounds) -> None:
        self.f = f
        self.name = name
        self.faults = faults
        self.bounds = bounds
        self.invariants: list[Invariant] = []

    def must(self, id: str, sentence: str) -> Callable[[Callable[[History], Any]], Callable[[History], Any]]:  # noqa: A002
        """Add an invariant: `id` names the harm if it does not hold, `sentence` says what must hold."""

        def add(holds: Callable[[History], Any]) -> Callable[[History], Any]:
            self.invariants.append(Invariant(id, sentence, holds))
            return holds

        return add


class Exercise:
    """A task for a learner, with `check`, `hint`, `solution` and `replay`.

    `key` is lesson and name, as in `09.shared_cart`; `hints` go from a nudge to nearly the answer.
    """

    def __init__(self, key: str, title: str, hints: Sequence[str] = ()) -> None:
        self.key = key
        self.title = title
        self.hints = tuple(hints)
        self.scenarios: list[Scenario] = []
        self._hinted = 0

    @property
    def prefix(self) -> str:
        """What the ids of this lesson begin with, such as S09."""
        return f"S{self.key.split('.')[0]}"

    def scenario(
        self,
        *,
        preemptions: int = 2,
        kills: int = 0,
        pauses: int = 0,
        lost_replies: int = 0,
        late_effects: int = 0,
        deviations: int | None = None,
        budget: int = 4000,
        pause_seconds: float = 120.0,
        at: str = "",
    ) -> Callable[[Callable[..., Any]], Scenario]:
        """Add a scenario: a function of a world and the answer, run under every schedule within these bounds.

        `deviations` bounds the sum of preemptions and faults, by default the largest of them; `budget` counts runs;
        `at` limits lost replies and late effects to calls to one store.
        """
        possible: list[tuple[Fault, int]] = [
            (Kill(), kills),
            (Pause(pause_seconds), pauses),
            (Lost(at), lost_replies),
            (Late(at), late_effects),
        ]
        faults = [fault for fault, cap in possible if cap]
        caps = {PREEMPTION: preemptions} | {fault.name: cap for fault, cap in possible if cap}

        def add(f: Callable[..., Any]) -> Scenario:
            made = Scenario(f, f.__name__.replace("_", " "), faults, Bounds(caps, deviations, budget))
            self.scenarios.append(made)
            return made

        return add

    # -- what a learner calls

    def check(self, answer: Any) -> None:
        """Judge an answer; raises `CheckFailed` on everything but a pass, and shows what happened either way."""
        verdict = self.verdict(answer)
        publish(verdict)
        if verdict.outcome != PASSED:
            raise CheckFailed(verdict)

    def hint(self) -> None:
        """Show the next hint; after the last one, the last one again."""
        number = min(self._hinted, len(self.hints) - 1)
        self._hinted += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self) -> None:
        """Show the course's own answer and why it is right; yours may differ and be as right."""
        print(find_solution(self.key))

    def replay(self, replay_token: str, answer: Any) -> Any:
        """Run the one schedule that a token stands for and return its trace, which draws itself."""
        number, deviations = parse(replay_token)
        if number >= len(self.scenarios):
            raise ValueError(f"{replay_token!r} is a token of another exercise: {self.key} has {len(self.scenarios)} scenarios.")
        stage = Stage(self.scenarios[number], answer)
        history, wrong = stage.play(Choices(deviations, self.scenarios[number].faults), trace=True)
        told = story(history.trace)
        title = wrong.sentence if wrong else "This schedule passes"
        return history.trace.highlight(told.marked, title, f"{self.key} \u00b7 {replay_token}")

    # -- judging

    def verdict(self, answer: Any) -> Verdict:
        """Return the verdict on an answer without raising or showing it."""
        if answer is None or answer is ...:
            return Verdict(self.key, NOT_ATTEMPTED, "", "There is no answer yet: fill in the cell above.")
        results = []
        with Progress(self.title) as progress:
            for number, scenario in enumerate(self.scenarios):
                failed = self._explore(number, scenario, answer, progress, results)
                if failed is not None:
                    return failed
        lines = [_passed(scenario, result) for scenario, result in zip(self.scenarios, results, strict=True)]
        held = [
            f"{i.sentence}: held in {r.runs} schedules"
            for s, r in zip(self.scenarios, results, strict=True)
            for i in s.invariants
        ]
        runs = sum(result.runs for result in results)
        return Verdict(self.key, PASSED, lines=[*held, *lines], schedules=runs, bound=_bound(self.scenarios[0].bounds))

    def _explore(
        self, number: int, scenario: Scenario, answer: Any, progress: Progress, results: list[Exploration[Wrong]]
    ) -> Verdict | None:
        stage = Stage(scenario, answer)
        explorer = Explorer(stage.run, scenario.faults, scenario.bounds, same=_same, progress=progress.step)
        try:
            result = explorer.explore()
        except Nondeterminism as error:
            return Verdict(self.key, RAISED, f"{self.prefix}-NONDETERMINISM", f"{error} {_LIKELY}")
        results.append(result)
        if result.failure is None:
            return None
        return self._failed(number, scenario, stage, result.failure)

    def _failed(self, number: int, scenario: Scenario, stage: Stage, failure: Failure[Wrong]) -> Verdict:
        wrong = failure.what
        trace = stage.play(Choices(failure.deviations, scenario.faults), trace=True)[0].trace
        told = story(trace)
        name = token(number, failure.deviations)
        counted = _counted(failure)
        lines = [f"in \u00ab{scenario.name}\u00bb, {counted}", *([told.sentence] if told.sentence else [])]
        lines.append(f'replay("{name}", your answer) shows it again')
        verdict = Verdict(
            self.key, wrong.outcome, f"{self.prefix}-{wrong.id}", wrong.sentence, lines, name, failure.after
        )
        verdict.bound = _bound(scenario.bounds)
        verdict.trace = trace.highlight(told.marked, told.sentence or wrong.sentence, f"{counted} \u00b7 {name}")
        verdict.neighbour = _neighbour(scenario, stage, failure)
        return verdict


_LIKELY = (
    "The same schedule must give the same steps: look for id(), the order of a set, a cache that outlives one world, "
    "or something real (a file, a socket, a clock read outside)."
)


def _same(a: Wrong, b: Wrong) -> bool:
    return (a.outcome, a.id) == (b.outcome, b.id)


def _neighbour(scenario: Scenario, stage: Stage, failure: Failure[Wrong]) -> Any:
    """Return the run that differs by the last deviation alone, if it passes."""
    if failure.what.outcome != FAILED or not failure.deviations:
        return None
    history, wrong = stage.play(Choices(failure.deviations[:-1], scenario.faults), trace=True)
    return None if wrong else history.trace.highlight((), "The neighbour that passes", "one choice less")


def _counted(failure: Failure[Wrong]) -> str:
    kinds = [_plural(count, kind) for kind, count in failure.spent.items()] or ["no preemption and no fault"]
    return f"after {_plural(failure.after, 'schedule')}: {', '.join(kinds)}"


def _passed(scenario: Scenario, result: Exploration[Wrong]) -> str:
    extent = "all of them within the bound" if result.complete else f"the budget left out {result.left} and more"
    sampled = f", {result.sampled} sampled beyond it" if result.sampled else ""
    return (
        f"\u00ab{scenario.name}\u00bb: {_plural(result.runs, 'schedule')}, {_bound(scenario.bounds)}; {extent}{sampled}"
    )


def _bound(bounds: Bounds) -> str:
    caps = ", ".join(_plural(cap, kind) for kind, cap in bounds.caps.items() if cap)
    return f"at most {_plural(bounds.most, 'deviation')} ({caps})" if caps else "the order of events alone"


def _plural(count: int, noun: str) -> str:
    if noun.endswith("y") and count != 1:
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}{'' if count == 1 else 's'}"
