"""The fleet of `cache_down`, its customers, and what a run of it has shown."""

from __future__ import annotations

from typing import Any, NamedTuple

from fleetlab.world.world import World

from ..asking import attempt
from ..owner import sql
from .reads import Read, Reads

PRICES = {"tea": 4, "coffee": 7, "milk": 1, "sugar": 2}
PATIENCE = 8.0
"""How long a person waits for a page, in virtual seconds."""
BACK = 15.0
"""After how many virtual seconds Redis must be in use again."""


class Outage(NamedTuple):
    """What a run showed: reads of the database, calls of Redis once it was back, and when it was away."""

    reads: list[Read]
    calls_after: int
    began: float
    ended: float


class Shop:
    """A fleet with four items, and its customers."""

    def __init__(self, world: World, app: Any, instances: int) -> None:
        self.world = world
        self._fill()
        self.fleet = world.deploy(app, instances=instances, name="shop")
        self.reads = Reads(world, self.fleet)
        self.customers = [world.client(f"customer-{n}", timeout=PATIENCE) for n in range(1, 9)]

    def _fill(self) -> None:
        sql(self.world, "CREATE TABLE prices (item TEXT PRIMARY KEY, price INTEGER NOT NULL)")
        for item, price in PRICES.items():
            sql(self.world, "INSERT INTO prices VALUES (:item, :price)", item=item, price=price)

    def look(self, item: str = "tea", times: int = 1) -> None:
        """Ask for an item, one after the other: every instance in turn."""
        for _ in range(times):
            attempt(lambda: self.customers[0].get(f"/price/{item}"))

    def crowd(self) -> None:
        """Ask for tea and coffee, eight people at once."""
        paths = [f"/price/{'coffee' if n % 3 == 2 else 'tea'}" for n in range(len(self.customers))]
        pairs = zip(self.customers, paths, strict=True)
        self.world.together(*[lambda client=client, path=path: client.get(path) for client, path in pairs])

    def change(self, price: int) -> None:
        """Change the price of tea."""
        attempt(lambda: self.customers[1].put("/price/tea", json={"price": price}))

    def until(self, time: float) -> None:
        """Let time pass until a virtual second."""
        self.world.run(max(0.0, time - self.world.now))

    def seen_again(self, began: float, ended: float) -> Outage:
        """Let 15 s pass after an outage, and see whether Redis is asked for items that no instance has kept."""
        self.until(ended + BACK)
        before = self.world.redis.attempts
        for item in ("milk", "sugar"):
            self.look(item, times=2)
        return Outage(self.reads.all, self.world.redis.attempts - before, began, ended)


__all__ = ["PATIENCE", "PRICES", "Outage", "Shop"]
