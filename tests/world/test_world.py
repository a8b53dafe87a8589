"""A whole world: calls, users at once, time, and its trace."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from flask import Flask
from scenario import play
from shops import by, shop

from fleetlab import DeployError, World
from fleetlab.sim import current_task


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


# -- calls


def test_call_runs_a_cells_function_in_virtual_time(world):
    """Clocks, sleep and arguments are as in an instance; the result comes back."""

    def nap(seconds, factor=1):
        before = time.time()
        time.sleep(seconds * factor)
        return before, time.time()

    assert world.call(nap, 10, factor=6) == (1767603600.0, 1767603660.0)


def test_call_raises_what_the_function_raises(world):
    """And inside a task it simply calls."""
    with pytest.raises(ZeroDivisionError):
        world.call(lambda: 1 / 0)
    assert world.call(lambda: world.call(current_task)) is not None


def test_together_returns_results_and_http_errors_in_order(world):
    """An answer that did not come is a result like any other."""
    world.deploy(shop)
    ada, bob = world.client(), world.client()
    first, second, third = world.together(lambda: ada.get("/"), lambda: bob.get("/slow/60.0"), lambda: "done")
    assert (first.status_code, type(second), third) == (200, httpx.ReadTimeout, "done")


def test_together_raises_other_errors_once_all_have_ended(world):
    """Nothing is left running, and no second error comes later."""
    ended = []

    def late():
        time.sleep(5)
        ended.append("late")
        raise KeyError("second")

    with pytest.raises(ValueError, match="first"):
        world.together(lambda: int("first"), late)
    assert ended == ["late"]
    world.run(10)


def test_spawned_users_go_on_beside_others(world):
    """They run as time passes; an error of one is raised by run."""
    seen = []
    task = world.spawn(lambda: seen.append(time.sleep(3) or world.now))
    world.run(2)
    assert (seen, task.finished) == ([], False)
    world.run(2)
    assert seen == [3]
    world.spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        world.run(1)


def test_run_lets_exactly_so_much_time_pass(world):
    """From a cell or within a task."""
    world.run(60)
    world.call(world.run, 1.5)
    assert world.now == 61.5


@pytest.mark.parametrize("wrong", [-1, "60", None, float("inf"), True])
def test_run_wants_seconds(world, wrong):
    """Anything else is refused in a sentence."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        world.run(wrong)
    assert str(caught.value) == f"run(seconds) is a number of seconds, 0 or more, not {wrong!r}."


def test_a_name_that_nobody_has(world):
    """A typo is answered with the names there are, without quotes around the sentence."""
    with pytest.raises(KeyError) as caught:
        world["nobody"]
    assert str(caught.value) == "There is no instance 'nobody' in this world; there are: none yet."
    world.deploy(shop, instances=2)
    with pytest.raises(KeyError) as caught:
        world["shop-11"].kill()
    assert str(caught.value) == "There is no instance 'shop-11' in this world; there are: shop-1, shop-2."


def test_a_client_before_any_deployment(world):
    """There is nobody to talk to, unless an address is named."""
    with pytest.raises(DeployError) as caught:
        world.client("ada")
    assert str(caught.value) == (
        "client() has nobody to talk to: deploy() first, or say client(base_url='http://shop')."
    )
    ada = world.client("ada", base_url="http://shop")
    world.deploy(shop)
    assert by(ada.get("/")) == "shop-1"


def test_clients_are_named(world):
    """By their name, their user, or their number."""
    world.deploy(shop)
    for client in (world.client("ada"), world.client(cookies={"user": "bob"}), world.client()):
        client.get("/")
    assert [sent.client for sent in world.sent] == ["ada", "bob", "client-3"]


# -- faults


def test_a_partition_between_an_instance_and_a_store(world):
    """It cuts one instance off until it heals."""
    world.deploy(shop, instances=2)
    ada = world.client(timeout=None)
    world.partition("shop-1", "redis")
    assert [ada.post("/count/a").status_code for _ in range(2)] == [500, 200]
    world.heal("shop-1")
    assert [ada.post("/count/a").json() for _ in range(2)] == [{"count": 2}, {"count": 3}]


def test_a_place_that_is_none(world):
    """A typo in a partition is not silently nothing."""
    world.deploy(shop, instances=1)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        world.partition("shop-9", "redis")
    assert str(caught.value) == (
        "There is no place 'shop-9' in this world; there are: shop, shop-1, redis, database, replica, objects, mail, "
        "and each client's name."
    )


# -- the end


def test_close_leaves_nothing_running(world):
    """Clients, jobs and threads end where they stand; a second close does nothing."""
    seen = []

    def ticking(env):
        env.every(1)(lambda: env.redis.incr("ticks"))
        threading.Thread(target=time.sleep, args=(1e6,)).start()
        return Flask("shop")

    world.deploy(ticking, name="shop")
    world.spawn(lambda: (time.sleep(100), seen.append("late")))
    world.run(3)
    world.close()
    world.close()
    assert (list(world.sim.tasks), seen) == ([], [])
    assert {instance.state for instance in world.instances} == {"gone"}


def test_a_world_closes_itself_after_a_with():
    """Also where the body raised."""
    with contextlib.suppress(ZeroDivisionError), World() as world:
        world.deploy(shop)
        1 / 0  # noqa: B018
    assert not any(instance.process.alive for instance in world.instances)


def test_two_worlds_do_not_disturb_each_other(world):
    """Each has its own time, stores, instances and order."""
    with World(seed=1) as other:
        for each in (world, other):
            each.deploy(shop, instances=2)
        clients = world.client(), other.client()
        world.run(100)
        assert [client.post("/count/a").json()["count"] for client in (*clients, clients[0])] == [1, 1, 2]
        assert (round(world.now), round(other.now)) == (100, 0)
        world["shop-1"].kill()
        assert other["shop-1"].state == "ready"
    assert clients[0].get("/").status_code == 200


# -- the trace


def test_the_trace_of_a_small_scenario():
    """Who did what, when, to whom, and what came back: as a table."""
    with World(seed=7) as world:
        world.deploy(shop, instances=1)
        ada = world.client("ada")
        ada.post("/count/visits")
        world["shop-1"].kill()
        ada.get("/")
        steps = [line.split("   [")[0] for line in str(world.trace).splitlines()]
    assert steps == TRACE.strip("\n").splitlines()


TRACE = """
  time | who    | step
-------|--------|------------------------------
0.0 ms | shop-1 | start: v1
0.0 ms | shop-1 | ready: accepts requests
1.1 ms | ada    | POST /count/visits -> shop-1
2.0 ms | shop-1 | INCRBY visits 1 -> redis = 1
3.7 ms | shop-1 | 200 {"count":1} -> ada
3.7 ms | shop-1 | kill: SIGKILL
5.2 ms | ada    | GET / -> shop = 503
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_a_scenario_is_a_function_of_its_seed(hash_seed):
    """In other processes, under other hash seeds, run twice: the same text; under another seed another."""
    file = Path(__file__).with_name("scenario.py")
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(file), "3"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
    assert text.rstrip("\n") == play(3) == play(3) != play(4)
