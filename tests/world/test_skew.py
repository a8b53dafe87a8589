"""Clocks that differ: each instance may have the wrong time, the stores never do."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from fleetlab import World


def clocks(env):
    """Return an app that tells what its own clocks and those of the stores say."""
    app = Flask("clocks")

    @app.get("/")
    def tell():
        with env.database.connect() as db:
            database = db.execute(text("SELECT extract(epoch FROM now())")).scalar_one()
        own = {"time": time.time(), "utc": datetime.now(UTC).isoformat(), "monotonic": time.monotonic()}
        return {**own, "redis": env.redis.time()[0], "database": float(database)}

    return app


@pytest.mark.parametrize(("seconds", "said"), [(90, "09:01:40"), (-90, "08:58:40"), (0, "09:00:10")])
def test_a_skewed_clock_moves_wall_time_alone(seconds, said):
    """Wall clocks of that instance move; durations and the stores' clocks do not."""
    with World(seed=1) as world:
        world.deploy(clocks, instances=1, name="shop")
        world["shop-1"].skew(seconds)
        world.run(10)
        told = world.client().get("/").json()
        right = world.sim.epoch + 10
        assert abs(told["time"] - right - seconds) < 1
        assert told["utc"][11:19] == said
        assert abs(told["monotonic"] - 10) < 1
        assert abs(told["redis"] - right) < 1
        assert abs(told["database"] - right) < 1


def test_a_skewed_clock_is_marked_on_its_lane():
    """Whoever reads the trace sees whose clock is wrong, and by how much."""
    with World(seed=1) as world:
        world.deploy(clocks, instances=2, name="shop")
        world["shop-2"].skew(-90)
        assert [(e.who, e.what) for e in world.trace if "clock" in e.what] == [("shop-2", "clock 90 s slow")]


def test_a_skew_that_is_no_number_is_refused():
    """The message names what was asked for."""
    with World(seed=1) as world:
        world.deploy(clocks, instances=1, name="shop")
        with pytest.raises(ValueError, match="skew"):
            world["shop-1"].skew(float("nan"))
