"""The life of one instance: SIGKILL, SIGTERM, a pause."""

from __future__ import annotations

import atexit
import contextvars
import os
import signal
import sys
import threading
import time

import httpx
import pytest
from flask import Flask
from shops import by, events, shop

from fleetlab import World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def noting(*, on_stop=(), handler=None):
    """Return a factory of a shop that notes in Redis which parts of its end run."""

    def shop(env):
        app = Flask("shop")
        note = lambda what: env.redis.rpush("notes", what)  # noqa: E731
        atexit.register(note, "atexit")
        for what in on_stop:
            env.on_stop(lambda what=what: note(what))
        if handler == "ignore":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif handler is not None:
            signal.signal(signal.SIGTERM, lambda number, frame: (note("SIGTERM"), handler and sys.exit(handler)))

        @app.get("/slow/<float:seconds>")
        def slow(seconds):
            try:
                time.sleep(seconds)
                note("finished")
                return {"by": env.name}
            finally:
                note("finally")

        return app

    return shop


def notes(world):
    """Return what the shop noted."""
    return world.redis.client().lrange("notes", 0, -1)


# -- SIGKILL


def test_a_killed_instance_changes_nothing_any_more(world):
    """No `finally`, no `with` and no `atexit` of it reaches Redis, objects or mail."""

    def careful(env):
        app = Flask("shop")
        atexit.register(lambda: env.mail.send("ada", "atexit"))

        @app.get("/")
        def index():
            with env.objects.open("orders/1", "w") as order, env.redis.lock("lock"):
                order.write("tea")
                try:
                    time.sleep(60)
                finally:
                    env.mail.send("ada", "finally")
                    env.redis.set("cleaned", "yes")

        return app

    world.deploy(careful, instances=1, name="shop")
    task = world.spawn(world.client().get, "/")
    world.run(1)
    world["shop-1"].kill()
    world.run(1)
    assert task.value().status_code == 502
    assert world.redis.client().keys() == ["lock"]
    assert (world.objects.find(""), world.mail.sent) == ([], [])


def test_a_kill_is_one_event_and_a_second_does_nothing(world):
    """Its lane shows one SIGKILL, whatever was going on."""
    world.deploy(shop, instances=1)
    for _ in range(3):
        world.spawn(world.client().get, "/slow/60.0")
    world.run(1)
    world["shop-1"].kill()
    world["shop-1"].kill()
    world.run(1)
    assert events(world, "kill", "stop", "gone") == [("shop-1", "kill", "SIGKILL")]
    assert repr(world["shop-1"]) == "<shop-1 v1 dead>"


def test_jobs_and_threads_die_with_their_process(world):
    """Nothing of a killed instance ticks on."""

    def ticking(env):
        env.every(1)(lambda: env.redis.incr("job"))

        def tick():
            while True:
                time.sleep(1)
                env.redis.incr("thread")

        threading.Thread(target=tick).start()
        return Flask("shop")

    world.deploy(ticking, instances=1, name="shop")
    world.run(3.5)
    world["shop-1"].kill()
    world.run(60)
    assert world.redis.client().mget("job", "thread") == ["3", "3"]


@pytest.mark.parametrize("way", ["os._exit(3)", "os.abort()", "os.kill(os.getpid(), 9)", "signal.raise_signal(9)"])
def test_a_process_that_ends_itself_ends_its_instance_alone(world, way):
    """Neither the notebook nor another instance notices, and nothing after it runs."""

    def suicidal(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            try:
                eval(way, {"os": os, "signal": signal})
            finally:
                env.redis.set("after", "yes")

        @app.get("/fine")
        def fine():
            return {"by": env.name}

        return app

    world.deploy(suicidal, instances=2, name="shop")
    ada = world.client()
    assert [ada.get("/").status_code, by(ada.get("/fine"))] == [502, "shop-2"]
    assert events(world, "kill") == [("shop-1", "kill", "SIGKILL")]
    assert world.redis.client().keys() == []


# -- SIGTERM


def test_a_stop_finishes_what_was_begun(world):
    """Handler, `on_stop` in order, requests, `atexit`; then it is gone."""
    world.deploy(noting(on_stop=["first", "second"], handler=0), instances=1)
    task = world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    world["shop-1"].stop()
    assert task.value().status_code == 200
    assert notes(world) == ["SIGTERM", "first", "second", "finished", "finally", "atexit"]
    assert events(world, "stop", "gone", "kill") == [("shop-1", "stop", "SIGTERM"), ("shop-1", "gone", "exit 0")]
    assert 3 < world.now < 3.1


def test_a_stopping_instance_refuses_new_requests(world):
    """They go to another, or nobody."""
    world.deploy(noting(), instances=1)
    world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    stop = world.spawn(world["shop-1"].stop)
    world.run(0.5)
    assert world["shop-1"].state == "stopping"
    assert world.client().get("/slow/0.0").status_code == 503
    world.call(stop.wait)
    assert world["shop-1"].state == "gone"


def test_after_the_grace_period_it_is_killed(world):
    """A request that takes longer is cut off, and no exit callback runs."""
    world.deploy(noting(), instances=1)
    task = world.spawn(world.client(timeout=None).get, "/slow/100.0")
    world.run(1)
    world["shop-1"].stop(grace=30)
    assert world.now == 31
    world.run(1)
    assert (task.value().status_code, notes(world)) == (502, [])
    assert events(world, "stop", "gone", "kill") == [("shop-1", "stop", "SIGTERM"), ("shop-1", "kill", "SIGKILL")]


def test_a_handler_that_exits_drops_its_requests(world):
    """`sys.exit` in a SIGTERM handler ends the process at once, after its exit callbacks."""
    world.deploy(noting(on_stop=["never"], handler=4), instances=1)
    task = world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    world["shop-1"].stop()
    world.run(1)
    assert (task.value().status_code, notes(world)) == (502, ["SIGTERM", "atexit"])
    assert events(world, "gone") == [("shop-1", "gone", "exit 4")]


def test_an_ignored_sigterm_changes_nothing_until_the_grace_is_over(world):
    """The instance serves on, and is killed."""
    world.deploy(noting(handler="ignore"), instances=1)
    stop = world.spawn(world["shop-1"].stop, 10)
    world.run(5)
    assert world.client().get("/slow/0.0").status_code == 200
    world.call(stop.wait)
    assert (world["shop-1"].state, world.now) == ("dead", 10)


def test_an_error_in_a_stop_function_does_not_keep_the_others_from_running(world):
    """It is noted, as everything that goes wrong."""

    def failing(env):
        env.on_stop(lambda: 1 / 0)
        env.on_stop(lambda: env.redis.set("second", "ran"))
        return Flask("shop")

    world.deploy(failing, instances=1, name="shop")
    world["shop-1"].stop()
    assert world.redis.client().get("second") == "ran"
    assert [str(error) for _, error in world["shop-1"].errors] == ["division by zero"]
    assert events(world, "gone") == [("shop-1", "gone", "exit 0")]


def test_stopping_a_dead_or_a_stopping_instance_changes_nothing(world):
    """A second SIGTERM is not heard, a dead process hears none."""
    world.deploy(noting(on_stop=["stopped"]), instances=1)
    world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    world.together(world["shop-1"].stop, world["shop-1"].stop)
    world["shop-1"].stop()
    world["shop-1"].kill()
    world["shop-1"].pause(10)
    assert events(world, "stop", "gone", "kill", "pause") == [
        ("shop-1", "stop", "SIGTERM"),
        ("shop-1", "gone", "exit 0"),
    ]
    assert notes(world).count("stopped") == 1


def test_a_kill_while_it_stops(world):
    """It is dead, and nothing says that it ended by itself."""
    world.deploy(noting(), instances=1)
    world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    stop = world.spawn(world["shop-1"].stop)
    world.run(1)
    world["shop-1"].kill()
    world.run(60)
    assert stop.finished
    assert events(world, "gone", "kill") == [("shop-1", "kill", "SIGKILL")]


def test_an_instance_that_asks_itself_to_stop(world):
    """SIGTERM to the own process, as many a watchdog thread does, lets the request end first."""

    def leaving(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
            return {"by": env.name}

        return app

    world.deploy(leaving, instances=1, name="shop")
    assert by(world.client().get("/")) == "shop-1"
    world.run(1)
    assert events(world, "stop", "gone") == [("shop-1", "stop", "SIGTERM"), ("shop-1", "gone", "exit 0")]


def test_a_signal_to_somebody_else_finds_nobody(world):
    """An instance sees no process but its own, least of all one of this machine."""

    def nosy(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            os.kill(4711, signal.SIGKILL)

        return app

    world.deploy(nosy, instances=1, name="shop")
    world.client().get("/")
    assert repr(world["shop-1"].errors[0][1]) == "ProcessLookupError(3, 'No such process')"


def test_a_stop_from_inside_a_task_takes_its_time(world):
    """Another task's stop returns once the instance is gone."""
    world.deploy(shop, instances=1)

    def stop():
        world["shop-1"].stop()
        return world["shop-1"].state

    assert world.call(stop) == "gone"


def test_a_stop_while_it_starts(world):
    """Nobody has installed a handler yet: the process ends as one that SIGTERM kills."""

    def late(env):
        time.sleep(20)
        return Flask("shop")

    start = world.spawn(lambda: world.deploy(late, instances=1, name="shop"))
    world.run(10)
    world["shop-1"].stop()
    world.call(start.wait)
    assert events(world, "gone", "ready") == [("shop-1", "gone", "exit 143")]


# -- what it shares with nobody


def test_a_process_inherits_no_context(world):
    """What a cell, a client or a calling service has in its context variables stays with them."""
    tenant = contextvars.ContextVar("tenant", default="nobody")

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            before, token = tenant.get(), tenant.set(env.name)
            own = tenant.get()
            tenant.reset(token)  # what a request leaves behind is there for the worker's next one
            return [before, own]

        @app.get("/relay")
        def relay():
            tenant.set("relay")
            return env.http.get("http://shop/").json()

        return app

    tenant.set("notebook")
    world.deploy(shop, instances=2)
    ada = world.client()
    assert ada.get("/").json() == ["nobody", "shop-1"]
    assert ada.get("/relay").json() == ["nobody", "shop-1"]
    assert tenant.get() == "notebook"


# -- a pause


def test_a_paused_instance_does_nothing(world):
    """Requests wait, and its jobs are late: those missed are not made up for."""

    def ticking(env):
        env.every(1)(lambda: env.redis.rpush("ticks", round(time.time() % 3600)))
        return shop(env)

    world.deploy(ticking, instances=1, name="shop")
    world.run(2.5)
    world["shop-1"].pause(3)
    ada = world.client()
    assert by(ada.get("/")) == "shop-1"
    assert 3 <= world.sent[0].seconds < 3.01
    world.run(2)
    assert world.redis.client().lrange("ticks", 0, -1) == ["1", "2", "6", "6", "7"]
    assert [(e.what, e.until) for e in world.trace if e.kind == "pause"] == [("paused", 5.5)]


def test_a_client_gives_a_paused_instance_up(world):
    """A pause longer than the timeout looks like a dead one, and is none."""
    world.deploy(shop, instances=1)
    world["shop-1"].pause(60)
    ada = world.client()
    with pytest.raises(httpx.ReadTimeout):
        ada.get("/")
    world.run(60)
    assert by(ada.get("/")) == "shop-1"


def test_seconds_are_never_negative(world):
    """Time does not go back."""
    world.deploy(shop, instances=1)
    for wrong, what in ((lambda: world["shop-1"].pause(-1), "pause"), (lambda: world["shop-1"].stop(-1), "stop")):
        with pytest.raises(ValueError, match=rf"^{what}\(\w+\) is a number of seconds, 0 or more, not -1\.$"):
            wrong()
