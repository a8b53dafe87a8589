"""More, fewer and other instances."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from shops import by, events, shop

from fleetlab import DeployError, World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def labelled(label):
    """Return a factory of a version of the shop that answers with its label."""

    def shop(env):
        app = Flask("shop")

        @app.get("/")
        def index():
            time.sleep(0.05)
            return {"by": label}

        return app

    return shop


def broken(env):
    """Start nothing."""
    raise RuntimeError("no such table: carts")


def test_scaling_up_starts_new_instances(world):
    """They are ready when scale returns."""
    fleet = world.deploy(shop, instances=1)
    assert repr(fleet.scale(3)) == "<shop: shop-1 ready, shop-2 ready, shop-3 ready>"


def test_scaling_down_stops_the_youngest(world):
    """All at once, each after what it has begun."""
    fleet = world.deploy(shop)
    tasks = [world.spawn(world.client().get, "/slow/3.0") for _ in range(3)]
    world.run(1)
    fleet.scale(1)
    assert 3 < world.now < 3.1
    assert repr(fleet) == "<shop: shop-1 ready, shop-2 gone, shop-3 gone>"
    world.run(1)
    assert [task.value().status_code for task in tasks] == [200, 200, 200]


def test_scaling_replaces_the_dead(world):
    """Killed instances do not count, and their names are not used again."""
    fleet = world.deploy(shop)
    world["shop-2"].kill()
    assert repr(fleet.scale(3)) == "<shop: shop-1 ready, shop-2 dead, shop-3 ready, shop-4 ready>"
    assert [instance.name for instance in fleet.live] == ["shop-1", "shop-3", "shop-4"]


@pytest.mark.parametrize("count", [-1, 2.5, "3", None])
def test_scale_wants_a_whole_number(world, count):
    """Anything else changes nothing."""
    fleet = world.deploy(shop)
    with pytest.raises(ValueError, match=f"The number of instances is a whole number, 0 or more, not {count!r}"):
        fleet.scale(count)
    assert len(fleet.live) == 3


def test_the_balancer_and_sigterm_race(world):
    """SIGTERM comes at once, the balancer forgets up to a second later; requests meanwhile go to the next instance."""
    fleet = world.deploy(shop, instances=2)
    slow = world.spawn(world.client().get, "/slow/3.0")
    world.run(1)
    down = world.spawn(fleet.scale, 0)
    world.run(0.05)
    assert [i.name for i in fleet.routable()] == ["shop-1", "shop-2"]
    assert world.client().get("/").status_code == 503
    world.call(down.wait)
    assert slow.value().status_code == 200
    order = [(kind, what) for who, kind, what in events(world, "stop", "note", "gone") if who == "shop-1"]
    assert order == [("stop", "SIGTERM"), ("note", "out of the balancer"), ("gone", "exit 0")]


def test_a_rollout_replaces_one_at_a_time(world):
    """The new one is ready before the old one stops, and each carries its version."""
    fleet = world.deploy(labelled("old"), name="shop", instances=2)
    fleet.rollout(labelled("new"))
    assert [(who, kind, what) for who, kind, what in events(world, "start", "ready", "stop", "gone")][4:] == [
        ("shop-3", "start", "v2"),
        ("shop-3", "ready", "accepts requests"),
        ("shop-1", "stop", "SIGTERM"),
        ("shop-1", "gone", "exit 0"),
        ("shop-4", "start", "v2"),
        ("shop-4", "ready", "accepts requests"),
        ("shop-2", "stop", "SIGTERM"),
        ("shop-2", "gone", "exit 0"),
    ]
    assert (fleet.version, by(world.client().get("/"))) == ("v2", "new")


def test_no_request_fails_in_a_rollout(world):
    """Clients that go on sending are answered, first by the old version, in the end by the new one."""
    fleet = world.deploy(labelled("old"), name="shop")
    ada = world.client("ada")
    seen = []

    def click():
        for _ in range(40):
            seen.append(by(ada.get("/").raise_for_status()))

    clicking = world.spawn(click)
    world.run(0.3)
    fleet.rollout(labelled("new"), version="2026-01-05")
    world.call(clicking.wait)
    assert (seen[0], seen[-1], {sent.status for sent in world.sent}) == ("old", "new", {200})
    assert fleet.version == "2026-01-05"


def test_a_rollout_that_does_not_start_leaves_the_old_ones(world):
    """One sentence is raised, and the old version is what scale goes on to start."""
    fleet = world.deploy(labelled("old"), name="shop", instances=2)
    with pytest.raises(DeployError, match=r"^shop-3 did not start: its factory raised RuntimeError: no such table"):
        fleet.rollout(broken)
    assert repr(fleet) == "<shop: shop-1 ready, shop-2 ready, shop-3 gone>"
    fleet.scale(3)
    assert {by(world.client().get("/")) for _ in range(6)} == {"old"}
    assert fleet.version == "v1"


def test_a_rollout_of_no_factory_changes_nothing(world):
    """The sentence is that of deploy."""
    fleet = world.deploy(shop)
    with pytest.raises(DeployError, match="got None"):
        fleet.rollout(None)
    assert [instance.state for instance in fleet] == ["ready"] * 3


def test_scale_and_rollout_work_inside_a_task(world):
    """An operator's script may run beside the clients."""
    fleet = world.deploy(shop)

    def operate():
        fleet.scale(1)
        fleet.rollout(shop)
        return repr(fleet)

    assert world.call(operate).endswith("shop-4 ready>")


def test_instances_share_no_memory(world):
    """Each counts for itself, though the list stands in one cell."""
    carts = []

    def shop(env):
        app = Flask("shop")

        @app.post("/<item>")
        def add(item):
            carts.append(item)
            return carts

        return app

    world.deploy(shop, instances=2)
    ada = world.client()
    assert [ada.post(f"/{item}").json() for item in ("tea", "milk", "honey")] == [["tea"], ["milk"], ["tea", "honey"]]
    assert carts == []


def test_an_instance_killed_while_it_starts_is_missing(world):
    """That is nobody's mistake: the others are deployed."""

    def late(env):
        time.sleep(10)
        return shop(env)

    start = world.spawn(lambda: world.deploy(late, instances=2, name="shop"))
    world.run(5)
    world["shop-1"].kill()
    world.call(start.wait)
    assert repr(start.value()) == "<shop: shop-1 dead, shop-2 ready>"
