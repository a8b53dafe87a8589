"""A small shop with a cart in Redis, and worlds that run it, for what widgets show of live worlds."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask

from fleetlab import Env, Trace, World
from fleetlab.show.recorder import recorded


def shop(env: Env) -> Any:
    """A cart that is read, changed and written back."""
    app = Flask("shop")

    @app.post("/cart/<item>")
    def add(item: str) -> Any:
        cart = json.loads(env.redis.get("cart:ada") or "[]")
        cart.append(item)
        env.redis.set("cart:ada", json.dumps(cart))
        return {"cart": cart}

    return app


def world(instances: int = 2) -> World:
    """Return a world in which the shop runs."""
    made = World(seed=2)
    made.redis  # noqa: B018 - makes it known
    made.deploy(shop, instances, name="shop")
    return made


def two_tabs(seed: int) -> tuple[Trace, int]:
    """Return a recorded run of two tabs, and how many items were kept."""
    made = World(seed)
    made.deploy(shop, 2, name="shop")
    ada, mark = made.client("ada"), len(made.trace)
    with recorded(made):
        made.together(lambda: ada.post("/cart/tea"), lambda: ada.post("/cart/milk"))
    return made.trace.since(mark), len(json.loads(str(made.redis.client().get("cart:ada"))))
