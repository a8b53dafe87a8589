"""order_numbers: names that never meet, given by instances that know nothing of each other."""

from __future__ import annotations

from typing import Any

from fleetlab.world.deployment import Deployment
from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, whole
from ..exercise import Exercise
from ..history import History
from .common import TIMEOUT, blocked, stalled

ORDERS = 240

order_numbers = Exercise(
    "02.order_numbers",
    "No two orders have one number",
    hints=[
        "What is the number made of? Ask of each part: does another instance have the same, and does this one have it "
        "again after a restart?",
        "One store may hand out the numbers, if it counts and tells in a single command. Or each instance draws them "
        "from so many that no two ever meet.",
        "Redis: `INCR` returns the new number. A database: `GENERATED ALWAYS AS IDENTITY`, and `RETURNING` tells what "
        "it gave. Nothing at all shared: `uuid.uuid4()`. Each of them leaves gaps or has no order; both are allowed.",
    ],
)


def _order(client: Client) -> None:
    attempt(lambda: client.post("/orders"))


@order_numbers.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Orders half a second apart; then an instance is restarted in its place, and a third one starts."""
    fleet = world.deploy(shop, instances=2, name="shop")
    ada = world.client("ada")
    with world.calm():
        _orders(world, ada, 4)
        fleet.restart("shop-1")
        fleet.scale(3)
        _orders(world, ada, 6)
    return 4


def _orders(world: World, client: Client, count: int) -> None:
    for _ in range(count):
        _order(client)
        world.run(0.5)


@order_numbers.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, shop: Any) -> Any:
    """Ada orders, then Bob, an instance may die at any step; a minute later whoever died is restarted in its place."""
    fleet = world.deploy(shop, instances=2, name="shop")
    ada, bob = (world.client(name, timeout=TIMEOUT) for name in ("ada", "bob"))
    _orders(world, ada, 1)
    _orders(world, bob, 1)
    before = len(world.sent)
    if stalled(world):
        return before
    with world.calm():
        world.run(MINUTE)
        _restarted(fleet)
        _orders(world, ada, 2)
    return before


def _restarted(fleet: Deployment) -> None:
    for instance in [instance for instance in fleet if not instance.process.alive]:
        fleet.restart(instance)


@order_numbers.scenario(preemptions=2)
def at_once(world: World, shop: Any) -> Any:
    """Ada and Bob order at the same moment, each at another instance."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = world.client("ada"), world.client("bob")
    world.together(lambda: _order(ada), lambda: _order(bob))
    return 2


@order_numbers.seeded(seeds=2)
def a_busy_day(world: World, shop: Any) -> Any:
    """240 orders at three instances, six at a time."""
    world.deploy(shop, instances=3, name="shop")
    people = [world.client(f"client-{number}") for number in range(1, 7)]
    for _ in range(ORDERS // len(people)):
        world.together(*[lambda client=client: _order(client) for client in people])
    return ORDERS


# Invariants, the most telling first


@order_numbers.must(
    "UNANSWERED", "without a fault every order is answered with its number", in_turn, at_once, a_busy_day
)
def all_numbered(history: History) -> str | None:
    for request in history.sent:
        if _number(request) is None:
            return f'{asked(history, request)}; the shop has to answer 200 {{"number": …}}.'
    return None


@an_instance_dies.must("BLOCKED", "nobody waits for an instance that is dead")
def nobody_waits(history: History) -> str | None:
    late = blocked(history)
    after = [request for request in history.sent[history.result :] if _number(request) is None]
    return late or (f"{asked(history, after[0])}, a minute after an instance has died." if after else None)


@order_numbers.must("TWICE", "no two orders have one number")
def none_twice(history: History) -> str | None:
    first, second, number = _meeting(history, 0, history.result)
    if first is None or second is None:
        return None
    ordinal = f"order {history.sent.index(first) + 1} and order {history.sent.index(second) + 1}"
    return f"{ordinal.capitalize()} of {len(history.sent)} are both number {number}: one of them will be lost."


@order_numbers.must("REUSED", "a restart brings no number back", in_turn, an_instance_dies)
def none_again(history: History) -> str | None:
    first, second, number = _meeting(history, history.result, len(history.sent))
    if first is None or second is None:
        return None
    return f"Number {number}, which {first.client.title()}'s order has, is given to another one after a restart."


def _meeting(history: History, start: int, end: int) -> tuple[Sent | None, Sent | None, str]:
    """Return the first order from `start` on, and before `end`, whose number an earlier one has, and that one."""
    seen: dict[str, Sent] = {}
    for place, request in enumerate(history.sent[:end]):
        number = _number(request)
        if number is None:
            continue
        if number in seen and place >= start:
            return seen[number], request, number
        seen.setdefault(number, request)
    return None, None, ""


def _number(request: Sent) -> str | None:
    """Return an order's number as text, or None where there is none."""
    found = field(request.response, "number")
    return str(found) if whole(found) or (isinstance(found, str) and found) else None


__all__ = ["order_numbers"]
