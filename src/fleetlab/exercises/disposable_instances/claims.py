"""claim_once: the claim, the second of the two atoms: of all who want a piece of work, one gets it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, patiently
from ..exercise import Exercise
from ..history import History
from .common import CUT_OFF, TIMEOUT, blocked, listed, stalled

claim_once = Exercise(
    "02.claim_once",
    "Every order is shipped by one instance",
    hints=[
        "Two instances read the same list, and both begin at its top. What has to happen between reading an order and "
        "shipping it, so that the other instance leaves it alone?",
        "A claim is a conditional write: set the owner where there is none. Both try, and the store lets one of them "
        "win. How does each learn whether it was the one?",
        "`UPDATE … SET owner = :me WHERE id = :id AND owner IS NULL`, and `rowcount` is 1 for the winner. Claim one "
        "order, ship it, mark it, and only then claim the next: whoever dies takes along what it has claimed.",
    ],
)


def _orders(count: int, first: int = 1) -> list[str]:
    return [f"order-{number}" for number in range(first, first + count)]


def _accept(client: Client, orders: list[str]) -> None:
    for path in (f"/orders/{order}" for order in orders):
        attempt(partial(client.post, path))


def _poll(client: Client, times: int = 1) -> None:
    for _ in range(times):
        attempt(lambda: client.post("/ship"))


def _open(client: Client) -> Any:
    return field(patiently(lambda: client.get("/open")), "open")


@claim_once.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Two pollers take turns; then one of them dies, two more start, and all take turns again."""
    fleet = world.deploy(shop, instances=2, name="shop")
    ada, timer = world.client("ada"), world.client("timer")
    with world.calm():
        _accept(ada, _orders(4))
        before = _open(ada)
        _poll(timer, 2)
        world["shop-1"].kill()
        fleet.scale(3)
        _accept(ada, _orders(6, first=5))
        _poll(timer, 3)
        return before, _open(ada)


@claim_once.scenario(preemptions=1)
def at_once(world: World, shop: Any) -> Any:
    """One order, and two pollers that wake at the same moment."""
    world.deploy(shop, instances=2, name="shop")
    ada, one, two = (world.client(name) for name in ("ada", "timer-1", "timer-2"))
    with world.calm():
        _accept(ada, _orders(1))
        before = _open(ada)
    world.together(lambda: _poll(one), lambda: _poll(two))
    with world.calm():
        _poll(ada, 2)
        return before, _open(ada)


@claim_once.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, shop: Any) -> Any:
    """Two orders, two pollers in turn, one may die at any step; a minute later another starts, and all poll on."""
    fleet = world.deploy(shop, instances=2, name="shop")
    ada, one, two = (world.client(name, timeout=TIMEOUT) for name in ("ada", "timer-1", "timer-2"))
    with world.calm():
        _accept(ada, _orders(1))
    _accept(ada, _orders(1, first=2))
    _poll(one)
    _poll(two)
    began = len(world.sent)
    if stalled(world):
        return began, None
    with world.calm():
        world.run(MINUTE)
        fleet.scale(2)
        _poll(ada, 2)
        return began, _open(ada)


@claim_once.seeded(seeds=4)
def ten_orders(world: World, shop: Any) -> Any:
    """Ten orders, two instances, and four polls within a few milliseconds: each instance is polled again too early."""
    world.deploy(shop, instances=2, name="shop")
    ada, *timers = (world.client(name) for name in ("ada", "timer-1", "timer-2", "timer-3", "timer-4"))
    _accept(ada, _orders(10))
    before = _open(ada)
    world.together(*[lambda timer=timer: _poll(timer) for timer in timers])
    _poll(ada, 3)
    return before, _open(ada)


# Invariants, the most telling first


def _accepted(history: History) -> list[str]:
    """Return the orders that were acknowledged."""
    return [_order(request) for request in history.acknowledged if "/orders/" in request.path]


def _order(request: Sent) -> str:
    return request.path.rsplit("/", 1)[-1]


def _shipped(history: History) -> Counter[str]:
    return history.world.mail.count()


@claim_once.must(
    "UNANSWERED",
    "without a fault every request is answered with 200, /open with a list of orders",
    in_turn,
    at_once,
    ten_orders,
)
def all_answered(history: History) -> str | None:
    for request in history.sent:
        if not request.ok:
            return f"{asked(history, request)}; the shop has to answer 200."
        if request.path == "/open" and not isinstance(field(request.response, "open"), list):
            return f'{asked(history, request)}; the shop has to answer {{"open": [orders]}}.'
    return None


@claim_once.must(
    "VANISHED",
    "an accepted order is open, for whichever instance is asked, until it is shipped",
    in_turn,
    at_once,
    ten_orders,
)
def known_to_all(history: History) -> str | None:
    before, _ = history.result
    asked_at = next(request.began for request in history.sent if request.path == "/open")
    early = [request for request in history.acknowledged if request.ended < asked_at]
    missing = [order for order in map(_order, early) if order not in before]
    if missing:
        return f"{listed(missing)} {_has(missing)} been accepted, and the instance that is asked does not know."
    return None


def _has(orders: list[str]) -> str:
    return "has" if len(orders) == 1 else "have"


@an_instance_dies.must("BLOCKED", "nobody waits for an instance that is dead")
def nobody_waits(history: History) -> str | None:
    late = blocked(history)
    after = [request for request in history.sent[history.result[0] :] if request.status in CUT_OFF]
    return late or (f"{asked(history, after[0])}, a minute after an instance has died." if after else None)


@claim_once.must("SHIPPED-TWICE", "no order is shipped twice")
def none_twice(history: History) -> str | None:
    for order, count in sorted(_shipped(history).items()):
        if count > 1:
            by = listed(sorted({letter.sender for letter in history.world.mail.sent if letter.to == order}))
            return f"{order} was shipped {count} times, by {by}."
    return None


@claim_once.must("NOT-SHIPPED", "every order is shipped, however many pollers there are", in_turn, at_once, ten_orders)
def all_shipped(history: History) -> str | None:
    left = [order for order in _accepted(history) if order not in _shipped(history)]
    if left:
        return f"Every instance has polled, and {listed(left)} {_has(left)} not been shipped."
    return None


@an_instance_dies.must("VANISHED", "an accepted order is shipped, or open for somebody to look after")
def none_vanished(history: History) -> str | None:
    still_open = history.result[1]
    if not isinstance(still_open, list):
        return f"{asked(history, history.sent[-1])}, a minute after an instance has died."
    gone = [order for order in _accepted(history) if order not in _shipped(history) and order not in still_open]
    if gone:
        return f"{listed(gone)} {_has(gone)} been accepted, and {_has(gone)} neither been shipped nor stayed open."
    return None


@an_instance_dies.must("STRANDED", "whoever dies takes along no more than the one order that it has in hand")
def few_stranded(history: History) -> str | None:
    left = [order for order in _accepted(history) if order not in _shipped(history)]
    if len(left) > 1:
        return f"An instance has died, two others poll, and {listed(left)} {_has(left)} still not been shipped."
    return None


@claim_once.must("STILL-OPEN", "what is shipped is no longer open", in_turn, at_once, ten_orders)
def none_open(history: History) -> str | None:
    still_open = history.result[1]
    return f"All is shipped, and still open, it is said: {listed(still_open)}." if still_open else None


__all__ = ["claim_once"]
