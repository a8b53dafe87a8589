"""Lesson 01, introduction: what changes when one program becomes several copies?"""

from __future__ import annotations

from typing import Any

import httpx

from fleetlab.world.http import Client
from fleetlab.world.world import World

from .asking import DAY, MINUTE, asked, attempt, field, patiently, whole
from .exercise import Exercise
from .history import History

TIMEOUT, PATIENCE = 3.0, 2.0
"""When a visitor gives up, and after how long one is said to wait for somebody dead, in virtual seconds."""

counter = Exercise(
    "01.counter",
    "Every visit is counted, whichever copy is asked",
    hints=[
        "Where does the number live? Ask each copy for it, and compare. What do all copies share?",
        "Reading a number, adding one and writing it back is three moments, and another copy may come between them. A "
        "lock in Python keeps out only the threads of its own process.",
        "Redis adds one in a single command, INCR. A database does it in a single UPDATE that computes the new number "
        "from the old one. A number that is not there yet reads as nothing: make that a zero.",
    ],
)


def _visit(client: Client) -> None:
    attempt(lambda: client.post("/visit"))


def _ask(client: Client) -> int | None:
    """Return the number of visits that a copy tells, or None where it tells none."""
    return _told(attempt(lambda: client.get("/visits")))


def _told(response: httpx.Response | None) -> int | None:
    visits = field(response, "visits")
    return visits if whole(visits) else None


def _ask_again(client: Client) -> int | None:
    """Return the number as a person finds it out who loads the page again where a copy does not answer."""
    return _told(patiently(lambda: client.get("/visits"), again=lambda answer: _told(answer) is None))


@counter.scenario(preemptions=0)
def one_after_the_other(world: World, shop: Any) -> Any:
    """Three visits, in turn, by three copies; then each of them is asked."""
    world.deploy(shop, instances=3, name="shop")
    ada = world.client("ada")
    with world.calm():
        for _ in range(3):
            _visit(ada)
        return [_ask(ada) for _ in range(3)]


@counter.scenario(preemptions=2)
def two_at_once(world: World, shop: Any) -> Any:
    """Ada and Bob visit at the same moment, each another copy; then each copy is asked."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = world.client("ada"), world.client("bob")
    world.together(lambda: ada.post("/visit"), lambda: bob.post("/visit"))
    return [_ask(ada), _ask(ada)]


@counter.scenario(preemptions=0, kills=1)
def a_copy_dies(world: World, shop: Any) -> Any:
    """Ada visits, and once more, each time another copy; one may die at any step; a minute later Bob asks."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = (world.client(name, timeout=TIMEOUT) for name in ("ada", "bob"))
    _visit(ada)
    _visit(ada)
    with world.calm():
        world.run(MINUTE)
    return _ask_again(bob)


@counter.scenario(preemptions=1)
def two_at_one_copy(world: World, shop: Any) -> Any:
    """Ada and Bob visit at the same moment, and there is one copy, which serves both; then it is asked."""
    world.deploy(shop, instances=1, name="shop")
    ada, bob = world.client("ada"), world.client("bob")
    world.together(lambda: ada.post("/visit"), lambda: bob.post("/visit"))
    return [_ask(ada)]


@counter.scenario(preemptions=0)
def copies_come_and_go(world: World, shop: Any) -> Any:
    """Two visits; a third copy starts, and each is asked; so are two new ones after a day on which there was none."""
    fleet = world.deploy(shop, instances=2, name="shop")
    ada = world.client("ada")
    with world.calm():
        for _ in range(2):
            _visit(ada)
        fleet.scale(3)
        three = [_ask(ada) for _ in range(3)]
        fleet.scale(0)
        world.run(DAY)
        fleet.scale(2)
        return three, [_ask(ada) for _ in range(2)]


# Invariants, the most telling first


@counter.must(
    "UNANSWERED",
    "without a fault everybody gets an answer, with a number who asks for it",
    one_after_the_other,
    two_at_once,
    two_at_one_copy,
    copies_come_and_go,
)
def everybody_answered(history: History) -> str | None:
    for request in history.sent:
        if not request.ok or (request.method == "GET" and _told(request.response) is None):
            wanted = 'with {"visits": n}' if request.method == "GET" else "after counting"
            return f"{asked(history, request)}; the shop has to answer 200 {wanted}."
    return None


@counter.must("LOST-VISIT", "every acknowledged visit is counted, by every copy", one_after_the_other, two_at_once)
@two_at_one_copy.must("LOST-VISIT", "every acknowledged visit is counted, also where one copy serves two at once")
def none_lost(history: History) -> str | None:
    promised, counts = len(history.acknowledged), history.result
    if any(count is not None and count < promised for count in counts):
        return f"{promised} visits were acknowledged, and {_copies(counts)}."
    return None


@counter.must(
    "PHANTOM-VISIT", "no visit is counted that nobody made", one_after_the_other, two_at_once, two_at_one_copy
)
def none_invented(history: History) -> str | None:
    made, counts = sum(request.method == "POST" for request in history.sent), history.result
    if any(count is not None and count > made for count in counts):
        return f"{made} visits were made, and {_copies(counts)}."
    return None


@copies_come_and_go.must("FORGOTTEN", "copies come and go, and the number stays")
def known_to_newcomers(history: History) -> str | None:
    promised, (three, new) = len(history.acknowledged), history.result
    if min(three) < promised:
        return f"{promised} visits were acknowledged; when a third copy has started, {_copies(three)}."
    if min(new) < promised:
        return f"{promised} visits were acknowledged; a day later, with two new copies, {_copies(new)}."
    return None


@a_copy_dies.must("BLOCKED", "nobody waits for a copy that is dead")
def nobody_waits(history: History) -> str | None:
    for request in history.sent:
        if request.seconds >= PATIENCE:
            name, end = request.client.title(), "" if request.ok else ", in vain"
            return f"{name} waited {request.seconds:.0f} s for {request.method} {request.path}{end}: a copy is dead."
    return None


@a_copy_dies.must("FORGOTTEN", "what was counted survives the loss of a copy")
def survives(history: History) -> str | None:
    promised = len(history.acknowledged)
    if history.result is None:
        return "A copy has died, and a minute later nobody can say how many visits there were: three tries, no number."
    if history.result < promised:
        return f"{promised} visits were acknowledged; a minute after a copy died {history.result} are counted."
    return None


def _copies(counts: list[int | None]) -> str:
    """Return what the copies say, as the end of a sentence: one number, or one each where they differ."""
    told = ["nothing" if count is None else str(count) for count in counts]
    if len(set(told)) == 1:
        return f"{told[0]} {'is' if told[0] == '1' else 'are'} counted"
    return f"the copies count {', '.join(told[:-1])} and {told[-1]}"


__all__ = ["counter"]
