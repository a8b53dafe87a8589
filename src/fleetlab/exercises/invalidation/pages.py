"""The pages of users whose names look alike: how a scenario asks for them, changes and drops them."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import content, patiently
from ..owner import sql
from .common import client

PAGES = [
    ("ann", "cart"),
    ("ann", "orders"),
    ("ann", "a"),
    ("ann", "a:cart"),
    ("ann", "acart"),
    ("anna", "cart"),
    ("anna", "orders"),
    ("ann:a", "cart"),
    ("ann_a", "cart"),
    ("ann-a", "cart"),
    ("an*", "cart"),
]
"""Users and pages whose names put together in a hurry look alike; each page's first total is its number, from 1.

Their count is odd, so that each is asked for at another instance the next time."""
SESSION = "session:ann"
"""A key of somebody else in the same Redis."""


class Page(NamedTuple):
    """One page as somebody saw it: whose and which, the format, the total, and what the database has by now."""

    user: str
    page: str
    format: str
    total: Any
    right: int

    @property
    def name(self) -> str:
        """The page as a path."""
        return f"{self.user}/{self.page}"


def open_shop(world: World, shop: Any) -> Client:
    """Start two instances of the first release beside a session in Redis; return a client."""
    sql(world, "CREATE TABLE pages (user_name TEXT, page TEXT, total INTEGER, PRIMARY KEY (user_name, page))")
    for number, (user, page) in enumerate(PAGES, 1):
        sql(world, "INSERT INTO pages VALUES (:user, :page, :total)", user=user, page=page, total=number)
    world.redis.client().set(SESSION, "ann is logged in")
    world.deploy(shop, instances=2, name="shop", env={"FORMAT": "1"})
    return client(world, "reader")


def look(world: World, who: Client, user: str = "ann", page: str = "cart", tries: int = 3) -> Page:
    """Ask for a page, again where an instance has died."""
    said = content(patiently(lambda: who.get(f"/pages/{user}/{page}"), tries, again=_silent))
    query = "SELECT total FROM pages WHERE user_name = :user AND page = :page"
    right = sql(world, query, user=user, page=page)
    new = isinstance(said, dict) and isinstance(said.get("total"), dict)
    return Page(user, page, "2" if new else "1", total_of(said), right)


def total_of(said: Any) -> Any:
    """Return the total on a page in either format, or None."""
    total = said.get("total") if isinstance(said, dict) else None
    if isinstance(total, dict):
        return total.get("amount")
    words = total.split() if isinstance(total, str) else []
    return int(words[0]) if len(words) == 2 and words[0].isdecimal() and words[1] == "EUR" else None


def look_at_all(world: World, who: Client) -> list[Page]:
    """Ask for every page once."""
    return [look(world, who, user, page) for user, page in PAGES]


def change(world: World) -> None:
    """Change every total in the database, past the shop."""
    sql(world, "UPDATE pages SET total = total + 100")


def drop(who: Client, user: str = "ann", tries: int = 3) -> None:
    """Drop all pages of a user, again where an instance has died."""
    patiently(lambda: who.delete(f"/pages/{user}"), tries, again=_silent)


def _silent(answer: httpx.Response) -> bool:
    """Tell whether nothing was said, since an instance has died perhaps."""
    return content(answer) is None


def session_there(world: World) -> bool:
    """Tell whether somebody else's key is still in Redis."""
    return bool(world.redis.client().exists(SESSION))
