"""An exercise: scenarios that an answer must survive, and what must hold in each of them.

An author writes a scenario and says what must hold; bounds, faults, minimising, pictures, tokens, counts and progress
are the machinery's:

    counter = Exercise("01.counter", "Every visit is counted", hints=["Where does the number live?"])

    @counter.scenario(preemptions=2, kills=1)
    def three_visits(world, shop):
        world.deploy(shop, instances=2)
        clients = [world.client(f"visitor-{n}") for n in (1, 2, 3)]
        world.together(*[lambda c=c: c.post("/visit") for c in clients])
        page = world.client("owner").get("/visits")
        return page.json()["visits"] if page.is_success else None  # whoever was asked has died

    @three_visits.must("LOST-VISIT", "every acknowledged visit is counted")
    def nothing_lost(history):
        promised = len(history.acknowledged)
        if history.result is not None and history.result < promised:
            return f"{promised} visits were acknowledged, and the counter says {history.result}."

An invariant returns nothing where it holds, and a sentence (or True, for its own sentence) where it does not. The
first invariant that fails names the harm: write them from the most telling to the most general.

Where load or chance is the matter, `@counter.seeded(seeds=20)` in place of `.scenario(...)` runs a scenario once for
each seed, with the latencies and orders that the seed draws. An answer that is no app has its own
`Exercise(..., complaint=...)`, which says why something handed over cannot be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fleetlab.sim import Trace, current_task
from fleetlab.sim.choices import PREEMPTION, Nondeterminism
from fleetlab.sim.explore import Bounds
from fleetlab.sim.faults import Kill, Late, Lost, Pause
from fleetlab.sim.schedule import Fault

from .answer import Complaint, app_factory, unwritten
from .history import History
from .judge import Judge
from .progress import Progress
from .search import Enumerated, Strategy, read_ticket
from .seeds import Seeded
from .shield import Shield
from .solution import find_solution
from .stage import EVENTS, HORIZON, Limits, Stage
from .verdict import PASSED, CheckFailed, CheckStopped, Verdict, plainly, publish
from .wording import sentences


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must hold in every run: an id, a sentence, and a function that returns what is wrong."""

    id: str
    sentence: str
    holds: Callable[[History], Any]


class Scenario:
    """One situation that an answer is put into, and the strategy by which it is searched for a failure."""

    def __init__(self, f: Callable[..., Any], strategy: Strategy, limits: Limits) -> None:
        self.f = f
        self.name = f.__name__.replace("_", " ")
        self.strategy = strategy
        self.limits = limits
        self.invariants: list[Invariant] = []

    @property
    def faults(self) -> Sequence[Fault]:
        """The faults that may happen; none for a scenario of seeds."""
        return getattr(self.strategy, "faults", ())

    @property
    def bounds(self) -> Bounds | None:
        """The bounds of an enumeration; None for a scenario of seeds."""
        return getattr(self.strategy, "bounds", None)

    def must(self, id: str, sentence: str) -> Callable[[Callable[[History], Any]], Callable[[History], Any]]:  # noqa: A002
        """Add an invariant: `id` names the harm if it does not hold, `sentence` says what must hold."""

        def add(holds: Callable[[History], Any]) -> Callable[[History], Any]:
            self.invariants.append(Invariant(id, sentence, holds))
            return holds

        return add


class Exercise:
    """A task for a learner, with `check`, `hint`, `solution` and `replay`.

    `key` is lesson and name, as in `09.shared_cart`; `hints` go from a nudge to nearly the answer; `complaint` says
    why an answer of another kind cannot be judged.
    """

    observers: ClassVar[list[Callable[[Verdict], None]]] = []
    """Who hears of every check's verdict, before it is shown."""

    hint_observers: ClassVar[list[Callable[[str, int], None]]] = []
    """Who hears of every hint: the exercise's key, and how many have been shown."""

    def __init__(self, key: str, title: str, hints: Sequence[str] = (), *, complaint: Complaint = app_factory) -> None:
        self.key = key
        self.title = title
        self.hints = tuple(hints)
        self.complaint = complaint
        self.scenarios: list[Scenario] = []
        self._hinted = 0

    def __repr__(self) -> str:
        return f"<{self.key}: {self.title}>"

    @property
    def prefix(self) -> str:
        """What the ids of this lesson begin with, such as S09."""
        return f"S{self.key.split('.')[0]}"

    # -- what an author calls

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
        events: int = EVENTS // 2,
        horizon: float = HORIZON,
    ) -> Callable[[Callable[..., Any]], Scenario]:
        """Add a scenario: a function of a world and the answer, run under every schedule within these bounds.

        `deviations` bounds the sum of preemptions and faults, by default the largest of them; `budget` counts runs;
        `at` limits lost replies and late effects to calls to one store. A run that takes more than `events` turns, or
        more than `horizon` virtual seconds, never finishes.
        """
        possible: list[tuple[Fault, int]] = [
            (Kill(), kills),
            (Pause(pause_seconds), pauses),
            (Lost(at), lost_replies),
            (Late(at), late_effects),
        ]
        faults = [fault for fault, cap in possible if cap]
        caps = {PREEMPTION: preemptions} | {fault.name: cap for fault, cap in possible if cap}
        return self._adder(Enumerated(faults, Bounds(caps, deviations, budget)), Limits(events, horizon))

    def seeded(
        self, *, seeds: int = 20, events: int = EVENTS, horizon: float = HORIZON
    ) -> Callable[[Callable[..., Any]], Scenario]:
        """Add a scenario that is run once for each seed, with latencies; what must hold must hold for all of them."""
        return self._adder(Seeded(seeds), Limits(events, horizon))

    def _adder(self, strategy: Strategy, limits: Limits) -> Callable[[Callable[..., Any]], Scenario]:
        def add(f: Callable[..., Any]) -> Scenario:
            self.scenarios.append(Scenario(f, strategy, limits))
            return self.scenarios[-1]

        return add

    def must(
        self,
        id: str,  # noqa: A002 - the name that a scenario's own has
        sentence: str,
        *scenarios: Scenario,
    ) -> Callable[[Callable[[History], Any]], Callable[[History], Any]]:
        """Add an invariant to several scenarios, by default to all that there are."""
        chosen = scenarios or tuple(self.scenarios)

        def add(holds: Callable[[History], Any]) -> Callable[[History], Any]:
            for scenario in chosen:
                scenario.must(id, sentence)(holds)
            return holds

        return add

    # -- what a learner calls

    def check(self, answer: Any) -> None:
        """Judge an answer; raises `CheckFailed` on everything but a pass, and shows what happened either way."""
        task = current_task()
        if task is not None:
            raise RuntimeError(f"{task.lane} called check() inside a simulation: check an answer from outside.")
        with Progress(self.title) as progress:
            try:
                verdict = Judge(self, answer, progress).verdict()
            except KeyboardInterrupt:
                raise progress.stopped(CheckStopped) from None
        for observer in self.observers:
            observer(verdict)
        publish(verdict, progress.handle)
        if verdict.outcome != PASSED:
            raise CheckFailed(verdict) from verdict.error

    def verdict(self, answer: Any) -> Verdict:
        """Return the verdict on an answer without raising or showing it."""
        return Judge(self, answer).verdict()

    def hint(self) -> None:
        """Show the next hint; after the last one, the last one again."""
        if not self.hints:
            print(f"{self.key} has no hints.")
            return
        number = min(self._hinted, len(self.hints) - 1)
        self._hinted = number + 1
        for observer in self.hint_observers:
            observer(self.key, self._hinted)
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self) -> None:
        """Show the course's own answer and why it is right; yours may differ and be as right."""
        print(find_solution(self.key))

    def replay(self, replay_token: str, answer: Any) -> Trace:
        """Run the one schedule that a token stands for and return its trace, which draws itself.

        Raises ValueError, in a sentence, for a token of another exercise or of another answer, and for no answer.
        """
        number, deviations = self._read(replay_token)
        complaint = "There is no answer yet that could be run." if unwritten(answer) else self.complaint(answer)
        if complaint:
            raise plainly(ValueError(complaint))
        scenario = self.scenarios[number]
        try:
            with Shield() as shield:
                trace, wrong, told = scenario.strategy.replay(Stage(scenario, answer, shield), deviations)
        except Nondeterminism as error:
            raise plainly(
                ValueError(f"{replay_token!r} does not fit this answer; it belongs to another version of it. {error}")
            ) from None
        title = wrong.sentence if wrong else "This run passes."
        subtitle = sentences([told.sentence, f"{self.key} \u00b7 {replay_token}"])
        return trace.highlight(told.marked if wrong else (), title, subtitle)

    def _read(self, replay_token: str) -> tuple[int, Any]:
        try:
            number, deviations = read_ticket(self.key, replay_token)
            if number >= len(self.scenarios):
                raise ValueError(f"{replay_token!r} stands for a scenario that {self.key} does not have.")
        except ValueError as error:
            raise plainly(error) from None
        return number, deviations
