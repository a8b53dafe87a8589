"""Figures of the judge: one schedule against the same calls bare, and against frontrun."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetlab.exercises import Exercise
from fleetlab.exercises.stage import Stage
from fleetlab.sim.choices import Choices
from measure import BEST, RAM_ENGINE, bare, best

Case = Callable[[], tuple[float, str]]

counter = Exercise("00.counter", "three workers and one counter", hints=["none"])


@counter.scenario(preemptions=2)
def three_workers(world: Any, worker: Any) -> None:
    """Read and write one key, three times at once."""
    r = world.redis.client()
    world.together(*[lambda: worker(r)] * 3)


def redis_worker(r: Any) -> None:
    """Lose an update."""
    n = int(r.get("n") or 0)
    r.set("n", n + 1)


REDIS_SIX = (
    BEST
    + """
import fakeredis
r = fakeredis.FakeRedis(decode_responses=True)
def run():
    for _ in range(300):
        for _ in range(3):
            n = int(r.get("n") or 0); r.set("n", n + 1)
run(); print(best(run) / 300)
"""
)


def schedules(exercise: Exercise, answer: Any, number: int = 0, runs: int = 300) -> float:
    """Return the processor seconds of one default schedule of a scenario."""
    scenario = exercise.scenarios[number]
    stage = Stage(scenario, answer)

    def run() -> None:
        for _ in range(runs):
            stage.play(Choices((), scenario.faults))

    run()
    return best(run) / runs


def redis_schedule() -> tuple[float, str]:
    """A three-worker lost update in Redis."""
    return schedules(counter, redis_worker) / bare(REDIS_SIX), "x its six commands"


table = Exercise("00.table", "two workers and one row", hints=["none"])


@table.scenario(preemptions=2)
def two_workers(world: Any, worker: Any) -> None:
    """Read and update one row, twice at once."""
    import sqlalchemy as sa

    engine = world.database.engine()
    with engine.begin() as c:
        c.execute(sa.text("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER)"))
        c.execute(sa.text("INSERT INTO t VALUES (1, 0)"))
    world.together(*[lambda: worker(engine)] * 2)


def sql_worker(engine: Any) -> None:
    """Lose an update."""
    import sqlalchemy as sa

    with engine.begin() as c:
        n = c.execute(sa.text("SELECT n FROM t WHERE id = 1")).scalar()
        c.execute(sa.text("UPDATE t SET n = :n WHERE id = 1"), {"n": n + 1})


SQL_TWO = (
    BEST
    + RAM_ENGINE
    + """
def work():
    with engine.begin() as c:
        n = c.execute(sa.text("SELECT n FROM t WHERE id = 1")).scalar()
        c.execute(sa.text("UPDATE t SET n = :n WHERE id = 1"), {"n": n + 1})
def run():
    for _ in range(200):
        with engine.begin() as c:
            c.execute(sa.text("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER)"))
            c.execute(sa.text("INSERT OR REPLACE INTO t VALUES (1, 0)"))
        work(); work()
run(); print(best(run) / 200)
"""
)


def sql_schedule() -> tuple[float, str]:
    """A two-worker lost update in SQL."""
    return schedules(table, sql_worker, runs=200) / bare(SQL_TWO), "x its statements and commits"


CART = (
    BEST
    + """
import fakeredis
from flask import Flask, request
from werkzeug.test import EnvironBuilder
r = fakeredis.FakeRedis(decode_responses=True)
def shop():
    app = Flask("shop")
    @app.post("/cart/<item>")
    def add(item):
        with r.pipeline(transaction=True) as p:
            p.rpush("cart", item); p.expire("cart", 1800); p.lrange("cart", 0, -1)
            return {"cart": p.execute()[-1]}
    @app.get("/cart")
    def show():
        with r.pipeline(transaction=True) as p:
            p.expire("cart", 1800); p.lrange("cart", 0, -1)
            return {"cart": p.execute()[-1]}
    return app
def call(app, method, path):
    return b"".join(app(EnvironBuilder(path, method=method, headers={"Cookie": "user=ada"}).get_environ(), lambda *a: None))
def run():
    for _ in range(50):
        a, b = shop(), shop()
        call(a, "POST", "/cart/tea"); call(b, "POST", "/cart/milk"); call(a, "GET", "/cart")
run(); print(best(run) / 50)
"""
)


def cart_schedule() -> tuple[float, str]:
    """One schedule of shared_cart."""
    from flask import Flask, request

    from fleetlab.exercises import sessions

    def shop(env: Any) -> Flask:
        app = Flask("shop")
        r = env.redis

        @app.post("/cart/<item>")
        def add(item: str) -> dict[str, Any]:
            key = "cart:" + request.cookies["user"]
            with r.pipeline(transaction=True) as p:
                p.rpush(key, item)
                p.expire(key, 1800)
                p.lrange(key, 0, -1)
                return {"cart": p.execute()[-1]}

        @app.get("/cart")
        def show() -> dict[str, Any]:
            key = "cart:" + request.cookies["user"]
            with r.pipeline(transaction=True) as p:
                p.expire(key, 1800)
                p.lrange(key, 0, -1)
                return {"cart": p.execute()[-1]}

        return app

    return schedules(sessions.shared_cart, shop, runs=50) / bare(CART), "x its apps and calls"


FRONTRUN = """
import time
from frontrun import explore
import fakeredis
class State:
    def __init__(self):
        self.r = fakeredis.FakeRedis(decode_responses=True); self.r.set("n", 0)
def work(state):
    n = int(state.r.get("n")); state.r.set("n", n + 1)
began = time.perf_counter()
result = explore(setup=State, workers=work, count=3, invariant=lambda s: True, max_executions=40, stop_on_first=False)
print(result.num_explored / (time.perf_counter() - began))
"""


def against_frontrun() -> tuple[float, str]:
    """Schedules a second, ours against frontrun's, on the same race."""
    scenario = counter.scenarios[0]
    stage = Stage(scenario, redis_worker)
    began, runs = time.perf_counter(), 300
    for _ in range(runs):
        stage.play(Choices((), scenario.faults))
    ours = runs / (time.perf_counter() - began)
    command = [Path(sys.executable).with_name("frontrun"), sys.executable, "-c", FRONTRUN]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode:
        return 0.0, f"(frontrun does not run it: {result.stderr.strip().splitlines()[-1][:60]})"
    return ours / float(result.stdout.split()[-1]), "x frontrun"


CASES: list[tuple[str, str, Case]] = [
    ("a schedule of a Redis lost update", "<=2.5", redis_schedule),
    ("a schedule of an SQL lost update", "<=2.5", sql_schedule),
    ("a schedule of shared_cart", "<=2.0", cart_schedule),
    ("schedules/s against frontrun", ">=5", against_frontrun),
]
