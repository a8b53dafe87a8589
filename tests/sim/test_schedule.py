"""A seeded schedule draws latencies and ties; another schedule object may take its place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fleetlab.sim import Seeded, Simulation, Task, step
from fleetlab.sim.kernel import Abandoned
from fleetlab.sim.schedule import STOP, Step, Stop


def test_a_seed_fixes_every_draw() -> None:
    """Two schedules of one seed draw the same, of another seed something else; names are seeds too."""

    def draws(seed: int | str) -> list[float]:
        schedule = Seeded(seed)
        return [schedule.latency((1.0, 2.0)), schedule.tie(), schedule.latency((1.0, 2.0))]

    assert draws(1) == draws(1) != draws(2)
    assert draws("demo") == draws("demo") != draws("other")


def test_latencies_stay_within_their_bounds() -> None:
    """A thousand draws lie between the two ends, spread over them."""
    schedule = Seeded(1)
    drawn = [schedule.latency((0.25, 0.75)) for _ in range(1000)]
    assert (0.25 <= min(drawn) < 0.26, 0.74 < max(drawn) <= 0.75, schedule.latency((0.5, 0.5))) == (True, True, 0.5)


class Last:
    """A schedule that lets whoever came last go first, and never preempts."""

    explores = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], str]] = []

    def tie(self) -> float:
        """Return nothing to order by."""
        return 0.0

    def latency(self, bounds: tuple[float, float]) -> float:
        """Return no time."""
        return 0.0

    def choose(self, options: Sequence[Task]) -> Task | Stop:
        """Return the last."""
        return options[-1]

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Stop | None:
        """Let the step be taken."""
        self.asked.append((task.name, [other.name for other in others], step.what))
        return None


class Polite(Last):
    """One that lets another go first at each first step."""

    def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Stop | None:
        """Let the first of the others run."""
        super().at_step(task, others, step)
        return others[0] if others and len(self.asked) < 3 else None


def traced(schedule: Last, names: str = "abc") -> list[str]:
    """Return the steps of three tasks under a schedule, in order."""
    sim = Simulation(schedule=schedule)
    for name in names:
        sim.spawn(lambda name=name: (step(f"{name}1"), step(f"{name}2")), name=name)
    sim.run()
    assert sim.now == 0.0
    return [event.what for event in sim.trace]


def test_a_schedule_chooses_who_goes_on() -> None:
    """Each choice is the schedule's, and between two choices nobody else runs."""
    assert traced(Last()) == ["c1", "c2", "b1", "b2", "a1", "a2"]


def test_a_schedule_sees_others_in_the_order_in_which_they_became_ready() -> None:
    """At a step it is told who takes it, who else could run, and what it is."""
    schedule = Polite()
    assert traced(schedule) == ["b1", "b2", "a1", "a2", "c1", "c2"]
    assert schedule.asked[:3] == [("c", ["a", "b"], "c1"), ("a", ["b", "c"], "a1"), ("b", ["c", "a"], "b1")]


def test_a_schedule_may_give_a_run_up() -> None:
    """STOP ends the run at once, and the simulation can be closed."""

    class Stopping(Last):
        def at_step(self, task: Task, others: Sequence[Task], step: Step) -> Task | Stop | None:
            return STOP

    sim = Simulation(schedule=Stopping())
    sim.spawn(lambda: step("GET a"))
    with pytest.raises(Abandoned):
        sim.run()
    sim.close()
    assert (len(sim.trace), sim.tasks) == (0, {})


def test_time_passes_under_exploration_only_by_sleeping() -> None:
    """Sleeps last as long as they say, and who sleeps longer comes later."""
    sim = Simulation(schedule=Last())
    for seconds in (3, 1, 2):
        sim.spawn(lambda seconds=seconds: (sim.sleep(seconds), step(f"{seconds} s")))
    sim.run()
    assert [(event.time, event.what) for event in sim.trace if event.kind == "call"] == [
        (1, "1 s"),
        (2, "2 s"),
        (3, "3 s"),
    ]
