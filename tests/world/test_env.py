"""What an application is given."""

from __future__ import annotations

import os
import socket
import time

import pytest
from cells import notebook
from flask import Flask
from shops import events

from fleetlab import DeployError, Env, World
from fleetlab.world.real import RealEnv


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def deployed(world, source, **options):
    """Deploy the `shop` that a cell defines."""
    return world.deploy(notebook(source)["shop"], **options)


def answering(f):
    """Return a factory of a shop that answers with `f(env)`."""

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            return f(env)

        return app

    return shop


def test_variables_are_the_instances_own(world):
    """`env.vars`, `os.environ` and `os.getenv` are one thing, of one instance."""

    def f(env):
        before = [env.vars["MODE"], os.environ["MODE"], os.getenv("MODE"), os.getenv("HOME")]
        os.environ["MODE"] = env.name
        return [*before, env.vars["MODE"]]

    world.deploy(answering(f), instances=2, name="shop", env={"MODE": "test", "PORT": 80})
    ada = world.client()
    assert ada.get("/").json() == ["test", "test", "test", None, "shop-1"]
    assert ada.get("/").json() == ["test", "test", "test", None, "shop-2"]
    assert world["shop-1"].process.environ == {"MODE": "shop-1", "PORT": "80"}
    assert "MODE" not in os.environ


def test_an_instance_has_a_name_and_a_process_id(world):
    """The host is called as the instance is, and its process is the first, as in a container."""
    world.deploy(answering(lambda env: [env.name, socket.gethostname(), os.getpid()]), instances=1, name="shop")
    assert world.client().get("/").json() == ["shop-1", "shop-1", 1]


def test_work_takes_virtual_time(world):
    """Computing is time in which nothing else of the request happens."""

    def f(env):
        began = time.monotonic()
        env.work(2.5)
        return [time.monotonic() - began]

    world.deploy(answering(f), instances=1)
    assert world.client().get("/").json() == pytest.approx([2.5])


@pytest.mark.parametrize("wrong", ["env.work(-1)", "env.work('1')", "env.every(-1)", "env.every(60, first=-1)"])
def test_seconds_are_numbers_from_zero(world, wrong):
    """The sentence names the argument."""
    with pytest.raises(DeployError, match=r"is a number of seconds, 0 or more, not "):
        deployed(world, f"def shop(env): {wrong}")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("env.every(0)", r"env.every\(0\) would never let time pass"),
        ("env.every(lambda: None)", r"write @env.every\(60\) above the function"),
    ],
)
def test_every_wants_an_interval(world, wrong, sentence):
    """Without one, or with none to wait, it says what to write."""
    with pytest.raises(DeployError, match=sentence):
        deployed(world, f"def shop(env): {wrong}")


def test_jobs_do_not_drift(world):
    """However long a run takes, the next one begins on the grid."""

    def shop(env):
        @env.every(10)
        def job():
            env.redis.rpush("runs", time.time() - 1767603600)
            time.sleep(4)

        @env.every(10, first=1)
        def early():
            env.redis.rpush("early", time.time() - 1767603600)

        return Flask("shop")

    world.deploy(shop, instances=1)
    world.run(35)
    r = world.redis.client()
    assert [round(float(t)) for t in r.lrange("runs", 0, -1)] == [10, 20, 30]
    assert [round(float(t)) for t in r.lrange("early", 0, -1)] == [1, 11, 21, 31]


def test_a_job_that_takes_longer_than_its_interval_skips(world):
    """It never runs twice at once, and runs missed are not made up for."""

    def shop(env):
        @env.every(10)
        def job():
            env.redis.rpush("runs", time.time() - 1767603600)
            time.sleep(25)

        return Flask("shop")

    world.deploy(shop, instances=1)
    world.run(75)
    assert [round(float(t)) for t in world.redis.client().lrange("runs", 0, -1)] == [10, 40, 70]


@pytest.mark.parametrize("end", ["1 / 0", "sys.exit(1)"])
def test_an_error_does_not_end_a_job(world, end):
    """It is noted with its line, each time, and the series goes on."""
    deployed(
        world,
        f"""
        import sys
        def shop(env):
            @env.every(10)
            def job():
                {end}
            return lambda environ, start_response: []
        """,
        instances=1,
    )
    world.run(35)
    assert [round(when) for when, _ in world["shop-1"].errors] == [10, 20, 30]
    assert [event.line for event in world.trace if event.kind == "error"] == ["6", "6", "6"]


def test_on_stop_is_a_decorator(world):
    """What it decorates stays a function, and runs at SIGTERM."""

    def shop(env):
        @env.on_stop
        def bye():
            env.redis.incr("bye")

        bye()
        return Flask("shop")

    world.deploy(shop, instances=1)
    world["shop-1"].stop()
    assert world.redis.client().get("bye") == "2"
    assert events(world, "gone") == [("shop-1", "gone", "exit 0")]


def test_the_real_env_has_the_same_names():
    """The same application runs on both."""

    def public(cls):
        return sorted({name for name in vars(cls) if not name.startswith("_")} | {"name", "vars"})

    assert public(Env) == public(RealEnv)
