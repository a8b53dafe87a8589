"""Lesson 01, introduction: what changes when one program becomes several copies?"""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World

from .exercise import Exercise
from .history import History

counter = Exercise(
    "01.counter",
    "Every visit is counted, whichever copy is asked",
    hints=[
        "Where does the number live? Ask each copy for it, and compare.",
        "Reading a number, adding one and writing it back is three moments; another copy may come between them. A lock "
        "in Python keeps out only the threads of its own process.",
        "Redis can add one by itself, in a single command. So can a database, in a single UPDATE.",
    ],
)


@counter.scenario(preemptions=2)
def three_visitors(world: World, shop: Any) -> Any:
    """Three visitors at once, three copies; then every copy is asked for the number."""
    world.deploy(shop, instances=3, name="shop")
    visitors = [world.client(f"visitor-{n}") for n in (1, 2, 3)]
    world.together(*[lambda visitor=visitor: visitor.post("/visit") for visitor in visitors])
    owner = world.client("owner")
    return [owner.get("/visits") for _ in range(3)]


@three_visitors.must("LOST-VISIT", "every acknowledged visit is counted, by every copy")
def nothing_lost(history: History) -> str | None:
    promised = len(history.acknowledged)
    for response in history.result:
        counted = _count(response)
        if counted is not None and counted < promised:
            return f"{promised} visits were acknowledged, and {_who(history, response)} counts {counted}."
    return None


@three_visitors.must("PHANTOM-VISIT", "no visit is counted that nobody made")
def nothing_invented(history: History) -> str | None:
    for response in history.result:
        counted = _count(response)
        if counted is not None and counted > 3:
            return f"3 people came, and {_who(history, response)} counts {counted}."
    return None


@three_visitors.must("NOT-ANSWERED", "without a fault, everybody gets an answer with a number")
def everybody_answered(history: History) -> str | None:
    for request in history.sent:
        if not request.ok or not isinstance((request.json or {}).get("visits"), int):
            return f'{request.client} asked {request.method} {request.path} and got {request.outcome}, not {{"visits": n}}.'
    return None


@counter.scenario(preemptions=1, kills=1, deviations=1)
def a_copy_dies(world: World, shop: Any) -> Any:
    """Two visits one after the other and one beside; a copy may die at any step, and the count outlives it."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = world.client("ada"), world.client("bob")
    ada.post("/visit")
    world.together(lambda: ada.post("/visit"), lambda: bob.post("/visit"))
    world.run(60)
    for _ in range(4):
        response = bob.get("/visits")
        if response.status_code == 200:
            return _count(response)
    return None


@a_copy_dies.must("FORGOTTEN", "what was counted survives the loss of a copy")
def survives(history: History) -> str | None:
    promised = len(history.acknowledged)
    if history.result is None:
        return "A copy died, and the number of visits cannot be had from those that are left."
    if history.result < promised:
        return f"{promised} visits were acknowledged; after a copy died {history.result} are counted."
    return None


@a_copy_dies.must("BLOCKED", "nobody waits for a copy that is dead")
def nobody_waits(history: History) -> str | None:
    slow = [request for request in history.sent if request.seconds >= 2]
    return f"{slow[0].client} waited {slow[0].seconds:.0f} s for {slow[0].method} {slow[0].path}." if slow else None


def _count(response: Any) -> int | None:
    try:
        visits = response.json()["visits"]
    except (ValueError, KeyError, TypeError):
        return None
    return visits if isinstance(visits, int) else None


def _who(history: History, response: Any) -> str:
    asked = [request for request in history.sent if request.method == "GET"]
    place = next((n for n, request in enumerate(asked, 1) if request.response is response), 0)
    return ("the first copy asked", "the second copy asked", "the third copy asked")[min(place, 3) - 1]
