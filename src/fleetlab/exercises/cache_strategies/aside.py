"""cache_aside: a cache before the database, and no old answer once a change was acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import MINUTE, asked, field
from ..exercise import Exercise, Scenario
from ..history import History
from .common import PATIENCE
from .prices import ask, asked_twice, by_hand, change, customer, new_price, open_shop

LIFE = MINUTE
"""How long after it was read from the database a price may be shown, in virtual seconds."""
NEW, OTHER = 4, 5
"""What the shop is told to make the price of tea."""

cache_aside = Exercise(
    "11_2.cache_aside",
    "No old price once a change was acknowledged",
    hints=[
        "A reader asks the database, and stores the answer a little later. What may happen between the two, and who "
        "takes away what the reader then stores?",
        "The one who changes a price can leave a sign in Redis that every reader who began before will find: a number "
        "that counts up, or a token of the reader's own that is gone. Comparing the sign and storing the price must be "
        "one step: a Lua script.",
        "After a miss the reader puts a random token under `lease:tea`, with an end, and only then asks the database. "
        "A script stores the price if the token still stands there. The writer deletes price and token after its "
        "COMMIT. How long may token and price live, if the two together may last a minute?",
    ],
)


@cache_aside.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Ada asks, the owner changes the price, Ada asks again; later Bob asks while the database is away."""
    open_shop(world, shop)
    ada, bob, owner = (customer(world, name) for name in ("ada", "bob", "owner"))
    with world.calm():
        world.redis.client().set("cart:bob", "milk")
        world.run(1)
        ask(ada), ask(ada)
        change(owner, NEW)
        told = asked_twice(world, ada)
        world.run(LIFE + 1)
        ask(ada)
        world.database.outage(MINUTE)
        return told, [ask(bob) for _ in range(2)], world.redis.client().get("cart:bob")


@cache_aside.scenario(preemptions=0)
def changed_by_hand(world: World, shop: Any) -> Any:
    """Somebody changes the price with SQL, past the shop; Ada asks all the time, and once more a minute later."""
    open_shop(world, shop)
    ada = customer(world, "ada")
    with world.calm():
        ask(ada)
        by_hand(world)
        for _ in range(4):
            world.run(LIFE / 4)
            ask(ada)
        world.run(1)
        return asked_twice(world, ada)


@cache_aside.scenario(preemptions=0, pauses=1, pause_seconds=20.0)
def slow_reader(world: World, shop: Any) -> Any:
    """An instance stands still for 20 s while Ada asks it; meanwhile the owner changes the price at the other one."""
    open_shop(world, shop)
    ada, owner = customer(world, "ada"), customer(world, "owner")
    world.together(lambda: ask(ada), lambda: _a_second_later(world, lambda: change(owner, NEW)))
    world.run(1)
    return asked_twice(world, ada)


def _reader_late_by(seconds: float) -> Scenario:
    """Add a scenario: somebody changes the price with SQL while an instance that Ada asks stands still for so long."""

    def late(world: World, shop: Any) -> Any:
        return _read_and_change_by_hand(world, shop, until=LIFE + 1)

    late.__name__ = f"reader_{seconds:.0f}_s_late"
    return cache_aside.scenario(preemptions=0, pauses=1, pause_seconds=seconds)(late)


LATE_READERS = [_reader_late_by(seconds) for seconds in (4.0, 8.0, 14.0, 40.0)]
"""Whose lease has just not ended where it is too long, together with the life of what it lets in."""


@cache_aside.scenario(preemptions=0, pauses=1, pause_seconds=2 * LIFE)
def very_late_reader(world: World, shop: Any) -> Any:
    """An instance stands still for two minutes while Ada asks it; meanwhile somebody changes the price with SQL."""
    return _read_and_change_by_hand(world, shop, until=2 * LIFE + 1)


def _read_and_change_by_hand(world: World, shop: Any, until: float) -> Any:
    open_shop(world, shop)
    ada = customer(world, "ada")
    world.together(lambda: ask(ada), lambda: _a_second_later(world, lambda: by_hand(world)))
    world.run(until - world.now + 1)
    return asked_twice(world, ada)


def _a_second_later(world: World, act: Callable[[], None]) -> None:
    world.run(1)
    act()


@cache_aside.seeded(seeds=2)
def busy_day(world: World, shop: Any) -> Any:
    """Eight readers ask all the time; the owner raises the price and looks, again and again; each step takes time."""
    open_shop(world, shop)
    world.network.slow("redis", 0.001, 0.5)
    world.network.slow("database", 0.001, 0.01)
    readers, owner = [customer(world, f"reader-{n}") for n in range(1, 9)], customer(world, "owner")
    world.together(lambda: _raise(owner), *[lambda one=one: _ask_on(one) for one in readers])
    return asked_twice(world, owner)


def _raise(owner: Client) -> None:
    for price in range(NEW, NEW + 10):
        change(owner, price)
        ask(owner)


def _ask_on(reader: Client) -> None:
    for _ in range(7):
        ask(reader)


@cache_aside.scenario(preemptions=2)
def read_and_write(world: World, shop: Any) -> Any:
    """Ada asks for a price that is not in the cache while the owner changes it."""
    open_shop(world, shop)
    ada, owner = customer(world, "ada"), customer(world, "owner")
    world.together(lambda: ask(ada), lambda: change(owner, NEW))
    return asked_twice(world, ada)


@cache_aside.scenario(preemptions=1)
def two_writers(world: World, shop: Any) -> Any:
    """Two owners change the price at the same moment, each at another instance."""
    open_shop(world, shop)
    owner, partner = customer(world, "owner"), customer(world, "partner")
    world.together(lambda: change(owner, NEW), lambda: change(partner, OTHER))
    return asked_twice(world, owner)


@cache_aside.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, shop: Any) -> Any:
    """An instance may die at any step of a read and of a change; a minute later Bob asks."""
    open_shop(world, shop)
    ada, owner = customer(world, "ada"), customer(world, "owner")
    ask(ada)
    change(owner, NEW)
    with world.calm():
        world.deployments["shop"].scale(2)
        world.run(LIFE + 1)
        return asked_twice(world, customer(world, "bob"))


# Invariants, the most telling first


@cache_aside.must(
    "UNANSWERED",
    "without a fault every request is answered with 200, a question with a price",
    in_turn,
    read_and_write,
    busy_day,
    two_writers,
)
def everybody_answered(history: History) -> str | None:
    for request in history.sent:
        told = isinstance(field(request.response, "price"), int)
        if request.client != "bob" and (not request.ok or (request.method == "GET" and not told)):
            wanted = ' and {"price": n}' if request.method == "GET" else ""
            return f"{asked(history, request)}; the contract says 200{wanted}."
    return None


@slow_reader.must("BLOCKED", "nobody waits for an instance that stands still")
@an_instance_dies.must("BLOCKED", "nobody waits for an instance that is dead")
def nobody_waits(history: History) -> str | None:
    dead = "kill" in history.faults
    for request in history.sent:
        waited = request.client == "bob" if dead else request.client == "owner" and _paused(history, "ada")
        if waited and (request.seconds > PATIENCE or not request.ok):
            what = "a minute after an instance has died" if dead else "while the instance that Ada asks stands still"
            return f"{asked(history, request)} after {request.seconds:.0f} s, {what}."
    return None


def _paused(history: History, client: str) -> bool:
    """Tell whether the instance that somebody asks has stood still."""
    return any(request.client == client and request.seconds >= 20 for request in history.sent)


@cache_aside.must("LOST-WRITE", "an acknowledged price is in the database", in_turn, two_writers)
@an_instance_dies.must("LOST-WRITE", "an acknowledged price is in the database, whoever dies")
def in_the_database(history: History) -> str | None:
    stored, prices = _result(history)[1], [new_price(request) for request in history.acknowledged]
    if prices and stored not in prices:
        return f"A price of {prices[-1]} was acknowledged, and the database says {stored}."
    return None


def _result(history: History) -> tuple[list[Any], Any]:
    """Return the price that each instance tells in the end, and the one in the database."""
    given = history.result
    told, stored = given[0] if isinstance(given[0], tuple) else given
    return told, stored


@cache_aside.must("STALE", "once a change is acknowledged, no older price is told", in_turn, read_and_write)
@two_writers.must("STALE", "once both changes are acknowledged, the price told is the one in the database")
@slow_reader.must("STALE", "once a change is acknowledged, no older price is told, however slow a reader is")
def no_old_price(history: History) -> str | None:
    told, stored = _result(history)
    old = [price for price in told if price != stored]
    if old and history.acknowledged:
        return f"The change to {stored} was acknowledged; whoever asks after that is told {old[0]}."
    return None


@busy_day.must("STALE", "once a change is acknowledged, no older price is told, whoever asks")
def never_back(history: History) -> str | None:
    for request in history.sent:
        known = [new_price(one) for one in history.acknowledged if one.ended <= request.began]
        told = field(request.response, "price")
        if request.method == "GET" and known and told < max(known):
            return f"The change to {max(known)} was acknowledged; {request.client} asks after that and is told {told}."
    return None


@cache_aside.must(
    "TOO-OLD", "a price is told for a minute at the most after it was read from the database", *LATE_READERS
)
@changed_by_hand.must("TOO-OLD", "a price is told for a minute at the most after it was read from the database")
@very_late_reader.must("TOO-OLD", "a price is told for a minute at the most after it was read from the database")
@an_instance_dies.must("TOO-OLD", "a price is told for a minute at the most after it was read from the database")
def no_price_older_than_its_life(history: History) -> str | None:
    told, stored = _result(history)
    old = [price for price in told if price != stored]
    if old:
        return f"The database has said {stored} for more than a minute, and whoever asks is told {old[0]}."
    return None


@in_turn.must("NOT-CACHED", "a price that any instance has read is told by all of them without the database")
def cached(history: History) -> str | None:
    told = history.result[1]
    if told != [NEW, NEW]:
        return f"A price of {NEW} has just been read; while the database is away Bob is told {_list(told)}."
    return None


def _list(told: list[Any]) -> str:
    return " and ".join("nothing" if price is None else str(price) for price in told)


@in_turn.must("OTHERS-LOST", "what others keep in Redis stays")
def nothing_else_deleted(history: History) -> str | None:
    if history.result[2] != "milk":
        return "Bob's cart stood in the same Redis; the change of a price has taken it away."
    return None


__all__ = ["cache_aside"]
