"""How scenarios are searched: enumerated within bounds, or seed after seed; and tokens that know their exercise."""

from __future__ import annotations

from typing import Any

import pytest
from toys import count, counter, racy, right, shop

from fleetlab.exercises import Exercise
from fleetlab.exercises.search import Enumerated, differ, read_ticket, ticket
from fleetlab.exercises.seeds import Seeded
from fleetlab.exercises.verdict import FAILED, NEVER_FINISHED, PASSED, RAISED
from fleetlab.sim.choices import PREEMPTION, Nondeterminism
from fleetlab.sim.explore import Bounds


def load(seeds: int = 20, **limits: Any) -> Exercise:
    """Return a seeded exercise: twenty visitors in one second, by all of whom the number is to be right."""
    exercise = Exercise("14.load", "Every visit is counted under load")

    @exercise.seeded(seeds=seeds, **limits)
    def a_busy_second(world: Any, app: Any) -> Any:
        world.deploy(app, instances=3, name="shop")
        clients = [world.client(f"visitor-{n}") for n in range(20)]
        world.together(*[lambda c=c: c.post("/visit") for c in clients])
        return world.client("owner").get("/visits").json()["visits"]

    @a_busy_second.must("LOST-VISIT", "every acknowledged visit is counted")
    def nothing_lost(history: Any) -> str | None:
        lost = len(history.acknowledged) - history.result
        return f"{lost} of {len(history.acknowledged)} visits are lost." if lost else None

    return exercise


def test_seeded_scenario_passes_in_so_many_seeds() -> None:
    """A pass counts seeds, in words of its own."""
    found = load(seeds=5).verdict(right)
    assert found.outcome == PASSED
    assert found.lines == [
        "«a busy second»: 5 seeds: latencies and orders drawn at random.",
        "every acknowledged visit is counted: held in 5 of 5 seeds.",
    ]
    assert (found.schedules, found.bound) == (5, "5 seeds")


def test_seeded_scenario_fails_with_a_seed_that_replays() -> None:
    """A failure says in how many seeds, and its token brings back the first of them."""
    exercise = load(seeds=5)
    found = exercise.verdict(racy)
    assert (found.outcome, found.id) == (FAILED, "S14-LOST-VISIT")
    assert found.lines[0] == "In 5 of 5 seeds, first with seed 1, in «a busy second»."
    again = exercise.replay(found.token, racy)
    assert again.title == found.sentence
    assert found.trace is not None
    assert [str(event) for event in again] == [str(event) for event in found.trace]


def test_seeded_scenario_has_an_event_budget() -> None:
    """A run that takes more turns than it may never finishes."""
    found = load(seeds=2, events=50).verdict(right)
    assert (found.outcome, found.id) == (NEVER_FINISHED, "S14-NEVER-FINISHED")
    assert found.sentence.startswith("Still not finished after 50 turns")
    assert found.lines[0] == "With seed 1, in «a busy second»."


def test_seeded_answer_that_does_not_repeat_itself_is_told_so() -> None:
    """A failure that differs when its seed is run again is nondeterminism, with the first differing step."""

    def visit(env: Any) -> None:
        env.redis.set(f"visitor {id(object())} {id(env)}", 1)

    found = load(seeds=2).verdict(shop(visit))
    assert (found.outcome, found.id) == (RAISED, "S14-NONDETERMINISM")
    assert "Step " in found.lines[0]


def test_seeded_error_ends_the_search() -> None:
    """An error of the answer is told at the first seed."""

    def visit(env: Any) -> None:
        raise KeyError("x")

    found = load().verdict(shop(visit))
    assert (found.outcome, found.lines[0]) == (RAISED, "In 1 of 20 seeds, first with seed 1, in «a busy second».")


def test_seeded_tokens_of_an_enumeration_do_not_fit() -> None:
    """A token with choices is none of a scenario of seeds."""
    exercise = load()
    with pytest.raises(ValueError, match="does not fit this answer"):
        exercise.replay(ticket(exercise.key, 0, ((1, 1), (2, 1))), right)


@pytest.mark.parametrize(
    ("caps", "total", "words"),
    [
        ({PREEMPTION: 2, "kill": 1}, None, "at most 2 preemptions and 1 kill, 2 together"),
        ({PREEMPTION: 2, "kill": 1}, 3, "at most 2 preemptions and 1 kill"),
        ({PREEMPTION: 1}, None, "at most 1 preemption"),
        ({PREEMPTION: 0, "lost reply": 2}, None, "at most 2 lost replies"),
        ({PREEMPTION: 0}, None, "without preemptions and faults"),
    ],
)
def test_bounds_in_words(caps: dict[str, int], total: int | None, words: str) -> None:
    """Bounds are said in plain words with right plurals."""
    assert Enumerated((), Bounds(caps, total)).bound == words


def test_strategies_say_in_what_something_held() -> None:
    """One schedule, many schedules, seeds."""
    assert Enumerated((), Bounds()).held(1) == "held in the only schedule"
    assert Enumerated((), Bounds()).held(1290) == "held in all 1,290 schedules"
    assert Seeded(20).held(20) == "held in 20 of 20 seeds"


def test_first_difference_of_two_runs_is_named() -> None:
    """The step's number and both steps, or where one run went on."""
    differ((["a", "b"], ["a", "b"]))
    with pytest.raises(Nondeterminism, match="Step 2 was «b» in one run and «c» in its repetition"):
        differ((["a", "b"], ["a", "c"]))
    with pytest.raises(Nondeterminism, match="One run ended where its repetition went on with «b»"):
        differ((["a"], ["a", "b"]))


def test_ticket_reads_back_and_is_short() -> None:
    """Exercise, scenario and choices in at most twenty characters."""
    text = ticket("09.shared_cart", 3, ((4, 1), (13, 2), (44, 12)))
    assert len(text) <= 20
    assert read_ticket("09.shared_cart", text) == (3, ((4, 1), (13, 2), (44, 12)))
    with pytest.raises(ValueError, match=r"is not a token of 09\.store_down"):
        read_ticket("09.store_down", text)


def test_answer_that_counts_in_another_way_passes_too() -> None:
    """The same right thing by another command."""

    def visit(env: Any) -> None:
        with env.redis.pipeline(transaction=True) as batch:
            batch.incr("visits")
            batch.expire("visits", 60)
            batch.execute()

    assert counter(preemptions=0).verdict(shop(visit)).outcome == PASSED
    assert counter(preemptions=0).verdict(shop(count)).outcome == PASSED
