"""What the scenarios of this lesson share: units, customers, the letters of a period, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence

from fleetlab.world.outside import Letter
from fleetlab.world.world import World

from ..asking import DAY, HOUR

NINE = 9 * HOUR
"""When a world begins, in seconds after midnight."""

CUSTOMERS = ("ada", "bob")
VARS = {"CUSTOMERS": " ".join(CUSTOMERS), "TZ": "Europe/Berlin"}


def letters(world: World, since: float, until: float) -> list[Letter]:
    """Return the letters that left from one virtual second up to another, in order."""
    return [letter for letter in world.mail.sent if since <= letter.time < until]


def twice(sent: Sequence[Letter]) -> list[Letter]:
    """Return all letters of the first customer who got more than one; none where nobody did."""
    for customer in CUSTOMERS:
        mine = [letter for letter in sent if letter.to == customer]
        if len(mine) > 1:
            return mine
    return []


def without(sent: Sequence[Letter]) -> list[str]:
    """Return the customers who got none of these letters."""
    return [customer for customer in CUSTOMERS if customer not in {letter.to for letter in sent}]


def names(customers: Sequence[str]) -> str:
    """Return customers as a sentence names them: Ada and Bob."""
    return " and ".join(customer.title() for customer in customers)


def told(sent: Sequence[Letter]) -> str:
    """Return who sent which letter when: shop-1 at 10:10:00, shop-2 at 10:10:05."""
    return ", ".join(f"{letter.sender} at {time_of_day(letter.time)}" for letter in sent)


def time_of_day(now: float) -> str:
    """Return a virtual second as a time of day, UTC: 10:10:05."""
    seconds = int(NINE + now) % int(DAY)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
