"""A shop with one price: how it begins, who asks for the price, and who changes it."""

from __future__ import annotations

import json
from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import attempt, field
from ..owner import sql
from .common import TIMEOUT

TEA, BY_HAND = 3, 9
"""The price of tea at first, and as somebody sets it by hand."""


def open_shop(world: World, shop: Any) -> None:
    """Start two instances of the shop on a database that knows one price."""
    with world.calm():
        sql(world, "CREATE TABLE prices (item TEXT PRIMARY KEY, price INTEGER NOT NULL, version INTEGER NOT NULL)")
        sql(world, "INSERT INTO prices VALUES ('tea', :price, 1)", price=TEA)
        world.deploy(shop, instances=2, name="shop")


def customer(world: World, name: str) -> Client:
    """Return somebody who talks to the shop, and waits longer than any instance stands still."""
    return world.client(name, base_url="http://shop", timeout=TIMEOUT)


def change(owner: Client, price: int) -> None:
    """Tell the shop a new price of tea."""
    attempt(lambda: owner.put("/price/tea", json={"price": price}))


def ask(client: Client) -> Any:
    """Return the price of tea as the shop tells it, or None where it tells none."""
    return field(attempt(lambda: client.get("/price/tea")), "price")


def stored(world: World) -> Any:
    """Return the price of tea in the database."""
    return sql(world, "SELECT price FROM prices WHERE item = 'tea'")


def by_hand(world: World) -> None:
    """Change the price of tea with SQL, past the shop."""
    sql(world, "UPDATE prices SET price = :price WHERE item = 'tea'", price=BY_HAND)


def asked_twice(world: World, client: Client) -> tuple[list[Any], Any]:
    """Return the price that each instance tells, and the one in the database."""
    with world.calm():
        return [ask(client) for _ in range(2)], stored(world)


def new_price(request: Sent) -> Any:
    """Return the price that a request has told the shop."""
    return json.loads(request.request.content)["price"]
