"""Instances that start by themselves, one day or another, and again."""

from __future__ import annotations

import builtins
import getpass
import io
import logging
import sys
import time

import pytest
from flask import Flask
from shops import by, events, shop
from sqlalchemy import text

from fleetlab import World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def counting(env):
    """Count in memory, under the instance's name."""
    app, numbers = Flask("shop"), [0]

    @app.post("/")
    def count():
        numbers[0] += 1
        return {"by": env.name, "n": numbers[0]}

    return app


def patient(env):
    """Start once the database can be asked."""
    while True:
        try:
            with env.database.connect() as db:
                db.execute(text("SELECT 1"))
            return shop(env)
        except Exception as error:
            Flask("shop").logger.warning("waiting: %s", type(error).__name__)
            time.sleep(1)


def test_a_restarted_instance_keeps_its_name_and_nothing_else(world):
    """Its memory is new, and requests reach it again."""
    fleet = world.deploy(counting, instances=1, name="shop")
    ada = world.client("ada")
    assert [ada.post("/").json()["n"] for _ in range(2)] == [1, 2]
    fresh = fleet.restart("shop-1")
    assert repr(fleet) == "<shop: shop-1 dead, shop-1 ready>"
    assert (world["shop-1"], fleet.live) == (fresh, [fresh])
    assert [ada.post("/").json() for _ in range(2)] == [{"by": "shop-1", "n": 1}, {"by": "shop-1", "n": 2}]


def test_a_restart_is_a_death_and_a_birth(world):
    """Both stand in the trace, on one lane."""
    fleet = world.deploy(shop, instances=2)
    fleet.restart(world["shop-2"])
    told = [(kind, what) for who, kind, what in events(world, "start", "ready", "kill") if who == "shop-2"]
    assert told == [
        ("start", "v1"),
        ("ready", "accepts requests"),
        ("kill", "SIGKILL"),
        ("start", "v1"),
        ("ready", "accepts requests"),
    ]


def test_the_dead_may_be_restarted_after_the_balancer_forgot_them(world):
    """The name that the balancer has taken out belongs to the old process alone."""
    fleet = world.deploy(shop, instances=2)
    world["shop-1"].kill()
    ada = world.client("ada")
    assert [by(ada.get("/")) for _ in range(2)] == ["shop-2", "shop-2"]
    fleet.restart("shop-1")
    assert {by(ada.get("/")) for _ in range(4)} == {"shop-1", "shop-2"}


def test_only_its_own_deployment_restarts_an_instance(world):
    """Anything else is refused in a sentence."""
    world.deploy(shop, name="shop", instances=1)
    other = world.deploy(shop, name="bank", instances=1)
    with pytest.raises(ValueError, match="shop-1 is no instance of bank"):
        other.restart("shop-1")


def test_scale_without_waiting_lets_time_pass_by_the_start(world):
    """Who starts before the database becomes ready when it is there, and says what it waits for."""
    world.database.outage(30)
    fleet = world.deploy(patient, instances=0, name="shop").scale(2, wait=False)
    assert (world.now, [instance.state for instance in fleet]) == (0, ["starting"] * 2)
    world.run(20)
    assert [instance.state for instance in fleet] == ["starting"] * 2
    assert fleet.instances[0].log[0][1:] == ("WARNING", "waiting: OperationalError")
    assert world.client().get("/").status_code == 503
    world.run(11)
    assert [instance.state for instance in fleet] == ["ready"] * 2


def test_scale_without_waiting_raises_nothing(world):
    """What does not start says so itself."""

    def broken(env):
        raise RuntimeError("no such table: carts")

    fleet = world.deploy(broken, instances=0, name="shop").scale(1, wait=False)
    world.run(1)
    assert (fleet.instances[0].state, str(fleet.instances[0].failure)) == ("gone", "no such table: carts")


@pytest.mark.parametrize("asks", [lambda: input("Password: "), lambda: getpass.getpass("Password: ")])
def test_nobody_sits_at_the_terminal(world, asks, monkeypatch):
    """An instance that asks meets the end of its input, also where a notebook's kernel answers its own cells."""
    monkeypatch.setattr(builtins, "input", lambda prompt="": "from the kernel")
    monkeypatch.setattr(getpass, "getpass", lambda prompt="", stream=None: "from the kernel")

    def asking(env):
        asks()
        return shop(env)

    fleet = world.deploy(asking, instances=0, name="shop").scale(1, wait=False)
    world.run(1)
    assert isinstance(fleet.instances[0].failure, EOFError)
    assert "shop-1 asked a question at its terminal (Password: )" in str(fleet.instances[0].failure)
    assert asks() == "from the kernel"


class Screen(io.StringIO):
    """A notebook's screen: a flush waits for a thread, for ten seconds at most."""

    flush_timeout = 10
    flushed = 0

    def flush(self):
        """Wait, as ipykernel does where the thread does not answer."""
        Screen.flushed += 1
        time.sleep(self.flush_timeout)


def test_what_an_instance_prints_takes_it_no_time(world, monkeypatch):
    """The notebook's own flush is real, an instance's costs no virtual second; the words arrive all the same."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)

    def talking(env):
        logging.warning("up")
        return shop(env)

    world.deploy(talking, instances=1, name="shop")
    assert (world.now, screen.getvalue(), Screen.flushed) == (0, "WARNING:root:up\n", 0)
