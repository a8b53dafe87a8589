"""One run of a scenario: a fresh world each time, and one answer to what was wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest
from toys import count, counter, racy, right, shop

from fleetlab.exercises import Exercise
from fleetlab.exercises.stage import Stage, Stuck
from fleetlab.exercises.verdict import NEVER_FINISHED, PASSED
from fleetlab.exercises.witness import Witness
from fleetlab.sim import watchdog
from fleetlab.sim.choices import Choices, Nondeterminism


def stage(answer: Any = right, exercise: Exercise | None = None) -> Stage:
    """Return a stage for the first scenario of an exercise."""
    return Stage((exercise or counter()).scenarios[0], answer)


def test_each_run_has_a_fresh_world() -> None:
    """What one run has stored, the next one does not find."""
    one = stage()
    histories = [one.play(Choices())[0] for _ in range(3)]
    assert [history.result for history in histories] == [2, 2, 2]
    assert len({id(history.world) for history in histories}) == 3


def test_default_schedule_of_a_racy_answer_passes() -> None:
    """Without a preemption nothing is lost: that is why one run proves nothing."""
    assert stage(racy).run(Choices()) is None


def test_history_tells_requests_errors_and_deviations() -> None:
    """A history knows what was sent and acknowledged, what the answer let out, and what the schedule did."""

    def visit(env: Any) -> None:
        raise KeyError(env.name)

    history, wrong = stage(shop(visit)).play(Choices())
    assert wrong is not None
    assert [(sent.client, sent.status) for sent in history.failed] == [("ada", 500), ("bob", 500)]
    assert [sent.path for sent in history.sent] == ["/visit", "/visit", "/visits"]
    assert history.acknowledged == []
    assert sorted(name for name, _, _ in history.errors) == ["shop-1", "shop-2"]
    assert (history.deviated, history.faults) == (False, {})


def test_history_counts_faults_by_kind() -> None:
    """A kill is a fault and a deviation; a free choice of who goes on is neither."""
    exercise = counter(preemptions=0, kills=1)
    one = stage(right, exercise)
    kinds = set()
    for position in range(12):
        schedule = Choices([(position, 1)], exercise.scenarios[0].faults)
        try:
            history, _ = one.play(schedule)
        except Nondeterminism:  # this choice has one alternative only
            continue
        kinds.add((history.deviated, tuple(history.faults.items())))
    assert kinds == {(False, ()), (True, (("kill", 1),))}


def test_code_that_takes_no_step_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What had to be interrupted is raised past the search, with the schedule that led to it."""
    monkeypatch.setattr(watchdog, "PATIENCE", 0.5)

    def visit(env: Any) -> None:
        while True:
            pass

    schedule = Choices()
    with pytest.raises(Stuck) as raised:
        stage(shop(visit)).run(schedule)
    assert raised.value.wrong.outcome == NEVER_FINISHED
    assert raised.value.schedule is schedule


def test_limits_are_the_scenarios() -> None:
    """A scenario says how many turns and how much virtual time a run may take."""
    exercise = Exercise("01.long", "It ends")

    @exercise.scenario(preemptions=0, horizon=3600)
    def an_hour(world: Any, app: Any) -> None:
        world.deploy(app, instances=1)
        time.sleep(7200)

    found = exercise.verdict(right)
    assert (found.outcome, found.id) == (NEVER_FINISHED, "S01-NEVER-FINISHED")
    assert found.sentence.startswith("Still not finished after 1:00:00 of virtual time")


def test_slow_request_is_not_an_endless_one() -> None:
    """A handler that outlasts its client's patience and then ends is left to the invariants."""
    exercise = Exercise("01.slow", "It is counted in the end")

    @exercise.scenario(preemptions=0)
    def impatient(world: Any, app: Any) -> Any:
        world.deploy(app, instances=1)
        ada = world.client("ada", timeout=1)
        world.together(lambda: ada.post("/visit"))
        return None

    def visit(env: Any) -> None:
        time.sleep(30)
        count(env)

    assert exercise.verdict(shop(visit)).outcome == PASSED


def test_witness_changes_nothing_and_knows_each_steps_task() -> None:
    """A run under observation is the same run, and every call to a store has its task."""
    plain, seen = Choices(), Witness(Choices())
    one = stage()
    one.play(plain)
    history, _ = one.play(seen, trace=True)
    seen.check_fit()
    assert seen.steps == plain.steps
    calls = [event.n for event in history.trace if event.kind == "call"]
    owners = [seen.notes.owners[n] for n in calls]
    assert len(set(owners)) == 3  # two visits and the owner's question
