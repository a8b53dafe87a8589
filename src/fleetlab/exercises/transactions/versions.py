"""optimistic: read, compute and write back, and notice that somebody else has written in between."""

from __future__ import annotations

from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, whole
from ..exercise import Exercise
from ..history import History
from .common import client

PATIENCE = 3.0
"""After how long one is said to wait for somebody dead, in virtual seconds."""
STANDSTILL = MINUTE
"""For how long an instance may stand still: longer than anybody's lease, in virtual seconds."""

optimistic = Exercise(
    "10.optimistic",
    "No change to a row is lost, whoever writes at the same time",
    hints=[
        "What was true when you read may not be true when you write. A transaction does not help: at the database's "
        "usual level two of them may read the same row, and both write.",
        "Let the UPDATE itself say under which condition it may happen: nobody has changed the row since you read it. "
        "How many rows has it changed if somebody has?",
        "A column `version`, compared in the WHERE and counted up in the SET. Zero rows mean: end the transaction, "
        "read again, check again whether there is enough, and try again, as often as it takes.",
    ],
)


def _take(buyer: Client, n: int) -> httpx.Response:
    return buyer.post(f"/take/{n}")


def _left(buyer: Client) -> Any:
    return field(attempt(lambda: buyer.get("/left")), "left")


def _start(world: World, shop: Any, stock: int, instances: int = 2) -> None:
    world.deploy(shop, instances=instances, name="shop", env={"STOCK": stock})


@optimistic.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Ten are there: Ada takes 3, wants 8, takes 7, one after the other; both instances say what is left."""
    _start(world, shop, 10)
    ada = client(world, "ada")
    with world.calm():
        for n in (3, 8, 7):
            attempt(lambda n=n: _take(ada, n))  # type: ignore[misc]
        return 10, [_left(ada) for _ in range(2)]


@optimistic.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, shop: Any) -> Any:
    """Ada takes 3 of ten, and an instance may die at any step; a minute later Cem takes 2."""
    _start(world, shop, 10)
    ada, cem = client(world, "ada"), client(world, "cem", timeout=30.0)
    attempt(lambda: _take(ada, 3))
    with world.calm():
        world.run(MINUTE)
        world.deployments["shop"].scale(2)
        attempt(lambda: _take(cem, 2))
        return 10, [_left(cem)]


@optimistic.scenario(preemptions=0, pauses=1, pause_seconds=STANDSTILL)
def one_stands_still(world: World, shop: Any) -> Any:
    """Ada takes 3 of ten, and her instance may stand still for a minute at any step; Bob takes 5 meanwhile."""
    _start(world, shop, 10)
    ada, bob = client(world, "ada", timeout=2 * STANDSTILL), client(world, "bob")
    first = world.spawn(lambda: attempt(lambda: _take(ada, 3)), name="ada")
    world.run(STANDSTILL / 4)
    with world.calm():
        attempt(lambda: _take(bob, 5))
        first.wait()
        return 10, [_left(bob)]


def _at_once(world: World, shop: Any, stock: int, n: int) -> Any:
    _start(world, shop, stock)
    ada, bob = client(world, "ada"), client(world, "bob")
    world.together(lambda: _take(ada, n), lambda: _take(bob, n))
    with world.calm():
        return stock, [_left(ada)]


@optimistic.scenario(preemptions=1)
def two_at_once(world: World, shop: Any) -> Any:
    """Ada and Bob take 3 of ten at the same moment, each at another instance."""
    return _at_once(world, shop, 10, 3)


@optimistic.scenario(preemptions=1)
def not_enough_for_both(world: World, shop: Any) -> Any:
    """Five are there, and Ada and Bob want 3 each at the same moment."""
    return _at_once(world, shop, 5, 3)


@optimistic.scenario(preemptions=1)
def one_wants_too_much(world: World, shop: Any) -> Any:
    """Five are there; Ada wants 8 at the same moment as Bob wants 3."""
    _start(world, shop, 5)
    ada, bob = client(world, "ada"), client(world, "bob")
    world.together(lambda: _take(ada, 8), lambda: _take(bob, 3))
    with world.calm():
        return 5, [_left(ada)]


@optimistic.seeded(seeds=5)
def six_at_once(world: World, shop: Any) -> Any:
    """Six buyers take one each at the same moment, at three instances."""
    _start(world, shop, 10, instances=3)
    buyers = [client(world, f"buyer-{number}") for number in range(1, 7)]
    world.together(*[lambda one=one: attempt(lambda: _take(one, 1)) for one in buyers])
    return 10, [_left(buyers[0])]


# Invariants, the most telling first


def _bought(history: History) -> list[Sent]:
    return [request for request in history.sent if request.method == "POST"]


def _n(request: Sent) -> int:
    return int(request.path.rsplit("/", 1)[-1])


def _taken(history: History) -> int:
    """Return how many were taken by those who were told so."""
    return sum(_n(request) for request in _bought(history) if request.ok)


@an_instance_dies.must("BLOCKED", "nobody waits for an instance that died a minute ago")
def nobody_waits(history: History) -> str | None:
    cem = next(request for request in _bought(history) if request.client == "cem")
    if not cem.ok or cem.seconds > PATIENCE:
        return f"A minute after an instance has died {asked(history, cem)} after {cem.seconds:.0f} s."
    return None


@optimistic.must("BELOW-ZERO", "no more is taken than there is", in_turn, two_at_once, not_enough_for_both)
def enough(history: History) -> str | None:
    stock, taken = history.result[0], _taken(history)
    if taken > stock:
        return f"{stock} were there and {taken} were taken; the shop says that {history.result[1][0]} are left."
    return None


@in_turn.must("LOST-CHANGE", "what was taken is gone, on every instance")
@an_instance_dies.must("LOST-CHANGE", "what was taken is gone")
@optimistic.must(
    "LOST-CHANGE",
    "every change that was acknowledged is there",
    two_at_once,
    not_enough_for_both,
    one_wants_too_much,
    six_at_once,
)
@one_stands_still.must("LOST-CHANGE", "every change that was acknowledged is there, whoever stands still")
def nothing_lost(history: History) -> str | None:
    stock, taken = history.result[0], _taken(history)
    for left in history.result[1]:
        if whole(left) and left > stock - taken:
            return f"{stock} were there and {taken} were taken, each acknowledged; the shop says that {left} are left."
    return None


@not_enough_for_both.must("TURNED-AWAY", "one of two gets the last ones")
@optimistic.must(
    "TURNED-AWAY",
    "who asks for no more than there is gets it",
    in_turn,
    two_at_once,
    one_wants_too_much,
    six_at_once,
)
def nobody_turned_away(history: History) -> str | None:
    stock = history.result[0]
    away = [request for request in _bought(history) if request.status == 409]
    for request in away:
        if _n(request) <= stock - _taken(history):
            return f"{asked(history, request)}, and {stock - _taken(history)} are left."
    return None


@optimistic.must(
    "UNANSWERED",
    "without a fault everybody is told: 200, or 409 where there is not enough",
    in_turn,
    two_at_once,
    not_enough_for_both,
    six_at_once,
)
def everybody_is_told(history: History) -> str | None:
    for request in history.sent:
        told = whole(field(request.response, "left"))
        if request.status not in (200, 409) or (request.ok and not told):
            return f'{asked(history, request)}; the shop has to answer 200 with {{"left": n}}, or 409.'
    return None


@optimistic.must("DONE-TWICE", "a change happens once", in_turn, two_at_once, not_enough_for_both, six_at_once)
def once(history: History) -> str | None:
    stock, taken = history.result[0], _taken(history)
    for left in history.result[1]:
        if left < stock - taken:
            return f"{stock} were there and {taken} were taken; the shop says that {left} are left."
    return None


__all__ = ["optimistic"]
