"""Probes: who does not live is started again, who is not ready gets no request."""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import Flask

from fleetlab import World
from fleetlab.world.probes import Probes, probe


def serve(env: Any) -> Flask:
    """Answer both probes, and say who answers."""
    app = Flask("shop")
    app.add_url_rule("/live", view_func=dict, endpoint="live")
    app.add_url_rule("/ready", view_func=dict, endpoint="ready")
    app.add_url_rule("/", view_func=lambda: {"name": env.name})
    return app


def slow(env: Any) -> Flask:
    """Take 45 s to start."""
    time.sleep(45)
    return serve(env)


def warming(env: Any) -> Flask:
    """Live at once; be ready after 45 s, shop-1 never."""
    app = serve(env)
    done = threading.Event()
    app.view_functions["ready"] = lambda: {} if done.is_set() else ({}, 503)
    if env.name != "shop-1":
        threading.Timer(45, done.set).start()
    return app


def start(app: Any, **options: Any) -> tuple[World, Probes]:
    """Start two instances under probes, and wait for none of them."""
    world = World(seed=1)
    fleet = world.deploy(app, instances=0, name="shop")
    probes = Probes(fleet, **options)
    fleet.scale(2, wait=False)
    return world, probes


def test_who_starts_too_slowly_is_started_again_for_ever() -> None:
    """A start of 45 s never ends under a probe that kills after 30 s."""
    world, probes = start(slow)
    world.run(300)
    assert probes.restarts == {"shop-1": 10, "shop-2": 10}
    assert not probes.ready
    assert [instance.state for instance in probes.deployment.live] == ["starting", "starting"]


def test_startup_failures_are_counted_apart() -> None:
    """With patience for the start alone everybody gets ready, and is killed later as quickly as before."""
    world, probes = start(slow, startup=30)
    world.run(60)
    assert not probes.restarts
    assert [instance.name for instance in probes.ready] == ["shop-1", "shop-2"]


def test_who_is_not_ready_gets_no_request() -> None:
    """The balancer sends everybody to the instance that is ready, and nobody before there is one."""
    world, _probes = start(warming)
    ada = world.client("ada")
    world.run(30)
    assert ada.get("/").status_code == 503
    world.run(30)
    assert {ada.get("/").json()["name"] for _ in range(4)} == {"shop-2"}


def test_dead_instance_is_not_ready() -> None:
    """An instance that is killed is out of the balancer at once, and probed no more."""
    world, probes = start(serve)
    world.run(15)
    world["shop-1"].kill()
    assert {world.client("ada").get("/").json()["name"] for _ in range(4)} == {"shop-2"}
    world.run(60)
    assert [instance.name for instance in probes.deployment.live] == ["shop-2"]


def test_probe_tells_refused_from_answered() -> None:
    """A probe returns a status, or 0 where nobody listens."""
    world, probes = start(slow)
    instance = probes.deployment.instances[0]
    assert world.call(probe, instance, "/live") == 0
    world = World(seed=1)
    (ready,) = world.deploy(serve, instances=1)
    assert [world.call(probe, ready, path) for path in ("/live", "/nowhere")] == [200, 404]
