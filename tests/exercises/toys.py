"""A small exercise, and answers to it, that the tests of the judge share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from fleetlab.exercises import Exercise, History
from fleetlab.world.world import World

Answer = Callable[[Any], Any]
DIED = "whoever was asked has died"


def counter(key: str = "01.counter", **bounds: Any) -> Exercise:
    """Return an exercise of its own: Ada and Bob visit a shop at the same moment, and the owner asks for the number."""
    exercise = Exercise(key, "Every visit is counted", hints=["Whose memory is it?", "Redis can count."])

    @exercise.scenario(**({"preemptions": 1} | bounds))
    def two_visits(world: World, shop: Any) -> Any:
        world.deploy(shop, instances=2, name="shop")
        ada, bob = world.client("ada"), world.client("bob")
        world.together(lambda: ada.post("/visit"), lambda: bob.post("/visit"))
        page = world.client("owner").get("/visits")
        return DIED if page.status_code in (502, 503) else page.json()["visits"]

    two_visits.must("LOST-VISIT", "every acknowledged visit is counted")(nothing_lost)
    return exercise


def nothing_lost(history: History) -> str | None:
    """Say how many visits are missing."""
    promised, said = len(history.acknowledged), history.result
    if said != DIED and said < promised:
        return f"{promised} visits were acknowledged, and the counter says {said}."
    return None


def shop(visit: Callable[[Any], Any], begin: Callable[[Any], Any] = lambda env: None) -> Answer:
    """Return an app factory: `begin(env)` runs at the start, `visit(env)` at each visit."""

    def shop(env: Any) -> Flask:
        begin(env)
        app = Flask("shop")
        app.post("/visit", endpoint="visit")(lambda: visit(env) or {})

        @app.get("/visits")
        def visits() -> Any:
            return {"visits": int(env.redis.get("visits") or 0)}

        return app

    return shop


def count(env: Any) -> None:
    """Count one visit, as it should be."""
    env.redis.incr("visits")


def count_in_two_steps(env: Any) -> None:
    """Read, add, write."""
    number = int(env.redis.get("visits") or 0)
    env.redis.set("visits", number + 1)


right = shop(count)
racy = shop(count_in_two_steps)
