"""last_seat: an atomic conditional write, the first of the two atoms that everything else is made of."""

from __future__ import annotations

from typing import Any

import httpx

from fleetlab.world.deployment import Deployment
from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import DAY, MINUTE, asked, attempt, field, patiently, whole
from ..exercise import Exercise
from ..history import History
from .common import CUT_OFF, TIMEOUT, blocked, stalled

SEATS, BUYERS = 50, 120
SOLD_OUT = 409

last_seat = Exercise(
    "02.last_seat",
    "Fifty seats are fifty seats, however many instances sell them",
    hints=[
        "To look whether a seat is left and to take it are two moments here, and another instance may come between. "
        "Which store can do both in one?",
        "An UPDATE may carry the condition itself: `WHERE seats > 0`. How does one learn whether it changed a row?",
        "`rowcount` of the result is 1 for whoever got a seat, and 0 for whoever came too late and hears of it with a "
        "409. Leave the preparation as it is: a new instance runs it in the middle of the sale too.",
    ],
)


def _start(world: World, shop: Any, instances: int, seats: int) -> Deployment:
    return world.deploy(shop, instances=instances, name="shop", env={"SEATS": seats})


def _buy(client: Client) -> httpx.Response | None:
    return attempt(lambda: client.post("/buy"))


def _left(client: Client) -> Any:
    return field(patiently(lambda: client.get("/left")), "left")


@last_seat.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Three seats, one buyer after the other; a third instance starts in the middle of the sale. The day after, with
    other instances, somebody asks once more."""
    fleet = _start(world, shop, 2, seats=3)
    ada = world.client("ada")
    with world.calm():
        for _ in range(2):
            _buy(ada)
        fleet.scale(3)
        for _ in range(3):
            _buy(ada)
        said = [_left(ada) for _ in range(3)]
        fleet.scale(0)
        world.run(DAY)
        fleet.scale(2)
        _buy(ada)
        return 3, [*said, _left(ada)]


@last_seat.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, shop: Any) -> Any:
    """Ada and Bob want the last seat, an instance may die at any step; a minute later Cem asks for one."""
    fleet = _start(world, shop, 2, seats=1)
    ada, bob, cem = (world.client(name, timeout=TIMEOUT) for name in ("ada", "bob", "cem"))
    world.together(lambda: _buy(ada), lambda: _buy(bob))
    if stalled(world):
        return 1, [None]
    with world.calm():
        world.run(MINUTE)
        fleet.scale(2)
        _buy(cem)
        return 1, [_left(cem)]


def _at_once(world: World, shop: Any, seats: int) -> Any:
    _start(world, shop, 2, seats)
    ada, bob = world.client("ada"), world.client("bob")
    world.together(lambda: _buy(ada), lambda: _buy(bob))
    with world.calm():
        return seats, [_left(ada)]


@last_seat.scenario(preemptions=2)
def the_last_one(world: World, shop: Any) -> Any:
    """Ada and Bob want the last seat at the same moment, each at another instance."""
    return _at_once(world, shop, 1)


@last_seat.scenario(preemptions=1)
def one_for_each(world: World, shop: Any) -> Any:
    """Two seats, and Ada and Bob want one each at the same moment."""
    return _at_once(world, shop, 2)


@last_seat.seeded(seeds=3)
def a_crowd(world: World, shop: Any) -> Any:
    """120 buyers for 50 seats, 24 at a time: one instance with seed 1, three with seed 2, five with seed 3."""
    _start(world, shop, 2 * int(world.seed) - 1, SEATS)
    buyers = [world.client(f"buyer-{number}") for number in range(1, BUYERS + 1)]
    for crowd in zip(*[iter(buyers)] * 24, strict=True):
        world.together(*[lambda buyer=buyer: _buy(buyer) for buyer in crowd])
    return SEATS, [_left(buyers[0])]


# Invariants, the most telling first


def _bought(history: History) -> list[Sent]:
    return [request for request in history.sent if request.path == "/buy"]


@last_seat.must(
    "UNANSWERED",
    "without a fault every buyer is told: a seat, or sold out",
    in_turn,
    the_last_one,
    one_for_each,
    a_crowd,
)
def everybody_is_told(history: History) -> str | None:
    for request in _bought(history):
        if request.status not in (200, SOLD_OUT):
            return f"{asked(history, request)}; the shop has to answer 200 or 409."
    return _no_number(history)


def _no_number(history: History) -> str | None:
    if all(whole(left) for left in history.result[1]):
        return None
    return f'{asked(history, history.sent[-1])}; the shop has to answer {{"left": n}}.'


@an_instance_dies.must("BLOCKED", "nobody waits for an instance that is dead")
def nobody_waits(history: History) -> str | None:
    late = blocked(history)
    if late is None and any(request.status in CUT_OFF for request in _bought(history)[2:]):
        return f"{asked(history, _bought(history)[-1])}, a minute after an instance has died."
    return late


@last_seat.must("OVERSOLD", "no more seats are sold than there are")
def no_seat_twice(history: History) -> str | None:
    seats, sold = history.result[0], len(history.acknowledged)
    instances = len(history.world.instances)
    if sold > seats:
        there = "there is 1 seat" if seats == 1 else f"there are {seats} seats"
        fleet = f"{instances} instance{'s' if instances > 1 else ''}"
        return f"{there[0].upper()}{there[1:]}, and {sold} buyers have been told by {fleet} that one is theirs."
    return None


@last_seat.must("TURNED-AWAY", "nobody is told that all is sold while seats are left", in_turn, one_for_each, a_crowd)
@an_instance_dies.must("TURNED-AWAY", "a request that is cut off takes one seat along, and no more")
def no_seat_unsold(history: History) -> str | None:
    seats, sold = history.result[0], len(history.acknowledged)
    away = sum(request.status == SOLD_OUT for request in _bought(history))
    cut = len(_bought(history)) - sold - away
    if away and sold + cut < seats:
        also = f" (and {cut} cut off)" if cut else ""
        return f"{sold} of {seats} seats are sold, and {away} {_told(away)} told that there is none{also}."
    return None


@last_seat.must(
    "WRONG-LEFT",
    "every instance says how many seats are left, and that is never less than none",
    in_turn,
    the_last_one,
    one_for_each,
    a_crowd,
)
def true_number(history: History) -> str | None:
    seats, said = history.result
    left = seats - len(history.acknowledged)
    wrong = [number for number in said if number != left]
    return f"{left} of {seats} seats {_are(left)} left, and the shop says {wrong[0]}." if wrong else None


@an_instance_dies.must("WRONG-LEFT", "when all is sold, none is left, and not less than none")
def none_left(history: History) -> str | None:
    (said,) = history.result[1]
    if said != 0:
        return f"All is sold, and a minute after an instance has died the shop says that {said} of 1 are left."
    return None


def _told(count: int) -> str:
    return "buyer was" if count == 1 else "buyers were"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


__all__ = ["last_seat"]
