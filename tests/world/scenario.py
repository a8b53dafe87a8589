"""A small scenario with a bit of everything; run as a program it prints its trace."""

from __future__ import annotations

import sys
import uuid

from flask import Flask, request

from fleetlab import World


def shop(env):
    """Return a shop that keeps carts in Redis, and greets once a minute."""
    app = Flask("shop")

    @env.every(60)
    def greet():
        env.mail.send("ada", f"Hello {uuid.uuid4().hex[:4]}", message_id="hello")

    @app.post("/cart/<item>")
    def add(item):
        key = f"cart:{request.cookies['user']}"
        cart = env.redis.lrange(key, 0, -1)
        env.redis.rpush(key, item)
        return {"cart": [*cart, item], "served_by": env.name}

    return app


def play(seed):
    """Play the scenario and return the trace as text."""
    with World(seed) as world:
        fleet = world.deploy(shop, instances=2)
        ada, bob = (world.client(cookies={"user": user}) for user in ("ada", "bob"))
        world.together(lambda: ada.post("/cart/tea"), lambda: ada.post("/cart/milk"), lambda: bob.post("/cart/honey"))
        world["shop-1"].pause(2)
        world.together(lambda: ada.post("/cart/rice"), lambda: bob.post("/cart/salt"))
        world["shop-2"].kill()
        ada.post("/cart/bread")
        world.redis.outage(10)
        bob.post("/cart/oil")
        fleet.scale(2)
        world.run(61)
        fleet.rollout(shop)
        return str(world.trace)


if __name__ == "__main__":
    print(play(int(sys.argv[1])))
