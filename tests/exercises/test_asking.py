"""How scenarios ask: they bear failures, ask again with patience, and tell what was answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from flask import Flask
from toys import nothing_lost, right, shop

from fleetlab.exercises import Exercise, History
from fleetlab.exercises.asking import ask_one, asked, attempt, content, field, patiently, whole
from fleetlab.exercises.owner import sql
from fleetlab.exercises.verdict import FAILED
from fleetlab.world.world import World


def fails() -> httpx.Response:
    """Be asked in vain."""
    raise httpx.ReadTimeout("too late")


def test_answer_that_never_comes_is_a_504() -> None:
    """Who asks goes on either way."""
    assert attempt(fails).status_code == 504
    assert attempt(lambda: httpx.Response(200)).status_code == 200


def test_patience_asks_again_where_nobody_was_and_no_more_often_than_it_may() -> None:
    """A 503 is asked again, a 500 and a 200 are answers; a pause lies between two tries."""
    answers, pauses = [503, 502, 500, 200], []
    got = patiently(lambda: httpx.Response(answers.pop(0)), tries=3, pause=lambda: pauses.append("pause"))
    assert (got.status_code, answers, pauses) == (500, [200], ["pause", "pause"])
    assert patiently(fails, tries=2).status_code == 504


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, json={"n": 1}), 1),
        (httpx.Response(200, json=[1]), None),
        (httpx.Response(200, text="n: 1"), None),
        (httpx.Response(409, json={"n": 1}), None),
        (None, None),
    ],
)
def test_field_is_read_from_successful_json_alone(answer: httpx.Response | None, said: Any) -> None:
    """No answer, no success, no JSON, no object: no field."""
    assert field(answer, "n") == said
    assert content(None) is None


def test_whole_numbers_are_no_truth_values() -> None:
    """True is an int in Python, and no number of visits."""
    assert [whole(value) for value in (3, True, "3", 3.0, None)] == [True, False, False, False, False]


def test_request_is_told_with_the_error_behind_a_500() -> None:
    """Who asked for what, what came of it, and why."""

    def broken(env: Any) -> None:
        raise KeyError("cart")

    world = World(seed=1)
    world.deploy(shop(broken), instances=1, name="shop")
    world.client("ada").post("/visit")
    assert asked(History(world), world.sent[0]) == "Ada asked POST /visit and got 500 (KeyError: 'cart')"


def test_one_instance_is_asked_past_the_balancer() -> None:
    """The second instance answers, though it is the first one's turn; a dead one answers nothing."""

    def named(env: Any) -> Flask:
        app = Flask("shop")
        app.get("/name", endpoint="name")(lambda: {"name": env.name})
        return app

    world = World(seed=1)
    world.deploy(named, instances=2, name="shop")
    request = httpx.Request("GET", "http://shop/name")
    assert world.call(lambda: ask_one(world, world["shop-2"], request)) == (200, {"name": "shop-2"})
    world["shop-2"].kill()
    assert world.call(lambda: ask_one(world, world["shop-2"], request)) == (0, None)


def test_owner_of_the_database_reads_and_writes_by_hand() -> None:
    """A statement with rows gives its first value, another one nothing."""
    world = World(seed=1)
    assert sql(world, "CREATE TABLE seats (n INTEGER)") is None
    assert sql(world, "INSERT INTO seats VALUES (:n)", n=7) is None
    assert sql(world, "SELECT n FROM seats") == 7


def test_invariant_of_an_exercise_holds_in_every_scenario_or_in_those_named() -> None:
    """`exercise.must` adds to all scenarios that there are, and to the named ones where some are named."""
    exercise = Exercise("01.toy", "Every visit is counted", hints=["a", "b"])

    def visit(world: World, app: Any) -> Any:
        world.deploy(app, instances=1, name="shop")
        world.client("ada").post("/visit")
        return 0

    first, second = (exercise.scenario(preemptions=0)(visit) for _ in range(2))
    exercise.must("LOST-VISIT", "every visit is counted")(nothing_lost)
    exercise.must("NEVER", "this never fails", second)(lambda history: None)
    assert [[one.id for one in scenario.invariants] for scenario in (first, second)] == [
        ["LOST-VISIT"],
        ["LOST-VISIT", "NEVER"],
    ]
    found = exercise.verdict(right)
    assert (found.outcome, found.id) == (FAILED, "S01-LOST-VISIT")
