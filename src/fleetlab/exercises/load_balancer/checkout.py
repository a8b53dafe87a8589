"""Going through a checkout, page by page, as the scenarios of `wizard` do, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import browser, field, patiently

QUAY, HILL = "3 Quay", "9 Hill"
LAMP = {"item": "lamp", "price": 4990, "address": QUAY}
TEA = {"item": "tea", "price": 450, "address": HILL}
"""The orders that Ada and Bob mean to place; prices in cents."""
PATIENCE = 4.0
"""How long Ada waits for a page before she sends it again, in virtual seconds."""
SHARED = {"SECRET_KEY": "the-same-for-all-instances-of-the-shop"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of checkouts: the numbers that the last pages told, and the orders that the shop has at the end."""

    told: list[Any]
    orders: list[Any] | None
    refused: bool = False
    later: list[Any] | None = None


def deploy(world: World, shop: Any, balancer: str = "round robin", instances: int = 2) -> None:
    """Start the shop."""
    world.deploy(shop, instances=instances, name="shop", balancer=balancer, env=SHARED)


def begin(client: Client, item: str = "lamp", address: str = QUAY, tries: int = 1) -> bool:
    """Fill in the first two pages, and return whether both were accepted."""
    first = patiently(lambda: client.post("/checkout", json={"item": item}), tries)
    second = patiently(lambda: client.post("/checkout/address", json={"address": address}), tries)
    return first.is_success and second.is_success


def confirm(client: Client, tries: int = 1) -> Any:
    """Send the last page, and return the number of the order, or None."""
    return field(patiently(lambda: client.post("/checkout/confirm"), tries), "order")


def orders_of(world: World) -> list[Any] | None:
    """Return the shop's orders as its owner sees them, or None where they cannot be seen."""
    owner = browser(world, "owner")
    orders = field(patiently(lambda: owner.get("/orders")), "orders")
    return orders if isinstance(orders, list) and all(isinstance(order, dict) for order in orders) else None


def listed(orders: list[Any] | None, wanted: dict[str, Any]) -> int:
    """Return how often an order is there, whatever else it says."""
    return sum(wanted.items() <= order.items() for order in orders or ())
