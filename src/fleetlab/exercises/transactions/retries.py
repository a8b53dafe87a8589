"""retry_transient: which errors deserve another try, for how long, and what a duplicate means after a lost COMMIT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx
import sqlalchemy

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field
from ..exercise import Exercise
from ..history import History
from .common import client

PATIENCE, ATTEMPTS, GROWTH = 10.0, 12, 1.5
"""How long a request may take, in virtual seconds; how often it may try to connect in that time; and how much longer
its later pauses are than its earlier ones, the random part aside."""
BLIP = 3.0
"""How long a short outage lasts, in virtual seconds."""
LOOK = 0.01
"""How often attempts to connect are counted, in virtual seconds."""
IN_VAIN = 3
"""How many constraint violations one request that breaks a constraint may cost."""

retry_transient = Exercise(
    "10.retry_transient",
    "What may pass is tried again, what cannot pass is not",
    hints=[
        "Three kinds of failure: it will pass (the connection, a conflict with others), it will never pass (a "
        "constraint), and nobody knows what happened (the reply to COMMIT). What does each deserve?",
        "What may be repeated is the whole transaction, from its first statement, on a new connection if need be. Each "
        "pause is longer than the last, and all of them end well before the customer gives up: then say 503.",
        "`error.orig.sqlstate` tells 40001 and 40P01; `error.connection_invalidated`, and an OperationalError without "
        "a SQLSTATE, mean that the connection is gone. If your own id is a duplicate, look whose order stands there: "
        "the same item is success, another one is 409.",
    ],
)


def _prepare(world: World, shop: Any, instances: int = 2) -> Client:
    """Make the tables, deploy, and return a customer."""
    engine = world.database.engine()
    with world.calm(), engine.begin() as db:
        db.execute(sqlalchemy.text("CREATE TABLE items (name TEXT PRIMARY KEY)"))
        db.execute(sqlalchemy.text("INSERT INTO items VALUES ('tea'), ('pot')"))
        orders = "CREATE TABLE orders (id TEXT PRIMARY KEY, item TEXT NOT NULL REFERENCES items (name))"
        db.execute(sqlalchemy.text(orders))
    engine.dispose()
    world.deploy(shop, instances=instances, name="shop")
    return client(world, "ada", timeout=3 * PATIENCE)


def _order(ada: Client, number: str, item: str = "tea") -> httpx.Response | None:
    return attempt(lambda: ada.put(f"/orders/{number}", json={"item": item}))


def _stored(world: World) -> list[tuple[str, str]]:
    """Return id and item of every order in the database."""
    engine = world.database.engine()
    with engine.connect() as db:
        rows = db.execute(sqlalchemy.text("SELECT id, item FROM orders ORDER BY id")).all()
    engine.dispose()
    return [(str(row[0]), str(row[1])) for row in rows]


@retry_transient.scenario(preemptions=0)
def the_server_says_no(world: World, shop: Any) -> Any:
    """The database gives up a transaction, for its own reasons: twice at the COMMIT, and once at the INSERT."""
    ada = _prepare(world, shop)
    with world.calm():
        for number, state, times, at in _REASONS:
            world.database.fail(state, times, at)
            _order(ada, number)
        return _stored(world), 0, 0


_REASONS = [("o1", "40001", 2, "COMMIT"), ("o2", "40P01", 1, "INSERT"), ("o3", "57P01", 1, "INSERT")]


@retry_transient.scenario(preemptions=0)
def a_short_outage(world: World, shop: Any) -> Any:
    """The database is away for three seconds, and Ada orders in the first of them."""
    ada = _prepare(world, shop)
    with world.calm():
        _order(ada, "o1")
        world.database.outage(BLIP)
        _order(ada, "o2")
        world.run(max(0.0, BLIP + 1 - world.now))
        return _stored(world), 0, 0


@retry_transient.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Ada orders o1, sends it again, sends another item under its id, and orders what there is not."""
    ada = _prepare(world, shop)
    with world.calm():
        _order(ada, "o1")
        _order(ada, "o1")
        before = _violations(world)
        _order(ada, "o1", "pot")
        between = _violations(world)
        _order(ada, "o2", "sugar")
        return _stored(world), between - before, _violations(world) - between


def _violations(world: World) -> int:
    return sum(count for state, count in world.database.errors.items() if state.startswith("23"))


@retry_transient.scenario(preemptions=0)
def a_long_outage(world: World, shop: Any) -> Any:
    """The database is away for a minute, and Ada orders in the first second; afterwards she orders again."""
    ada = _prepare(world, shop)
    with world.calm():
        _order(ada, "o1")
        world.database.outage(MINUTE)
        with _knocks(world) as tried:
            _order(ada, "o2")
        world.run(max(0.0, MINUTE + 1 - world.now))
        _order(ada, "o3")
        return _stored(world), tried, 0


@contextmanager
def _knocks(world: World) -> Iterator[list[float]]:
    """Note when somebody tries to connect, to the hundredth of a second."""
    slots, times = world.database.slots, []

    def watch() -> None:
        seen = slots.attempts
        while True:
            world.run(LOOK)
            times.extend([world.now] * (slots.attempts - seen))
            seen = slots.attempts

    watcher = world.spawn(watch, name="watcher")
    yield times
    world.sim.kill(watcher)


@retry_transient.scenario(preemptions=0, lost_replies=1, at="database")
def no_reply(world: World, shop: Any) -> Any:
    """Ada orders once, and any one reply of the database is lost, that to the COMMIT too."""
    ada = _prepare(world, shop, instances=1)
    _order(ada, "o1")
    with world.calm():
        return _stored(world), 0, 0


# Invariants, the most telling first


def _orders(history: History) -> list[tuple[Sent, str, str]]:
    """Return each request with its order's id and item."""
    found = []
    for request in history.sent:
        item = request.request.read().decode().split('"item":')[1].strip(' "}')
        found.append((request, request.path.rsplit("/", 1)[-1], item))
    return found


@in_turn.must("TOLD-YES", "an id that stands for another order is answered with 409, and an unknown item with 422")
def no_false_yes(history: History) -> str | None:
    for request, number, item in _orders(history)[2:]:
        if request.ok:
            what = "stands for tea already" if number == "o1" else "asks for something that there is not"
            return f"Order {number} {what}; Ada sent {item} under it and was told {request.status}."
    return None


@in_turn.must("RETRIED-IN-VAIN", "what breaks a constraint breaks it again: it is not tried again")
def not_in_vain(history: History) -> str | None:
    for count, (request, _, _) in zip(history.result[1:], _orders(history)[2:], strict=True):
        if count > IN_VAIN or request.seconds > 1:
            return f"A constraint was broken {count} times within {request.seconds:.1f} s: {asked(history, request)}."
    return None


@in_turn.must("CONTRACT", "an order is answered with 200, an id in use with 409, an unknown item with 422")
def as_agreed(history: History) -> str | None:
    for (request, number, item), wanted in zip(_orders(history), (200, 200, 409, 422), strict=True):
        told = field(request.response, "order")
        if request.status != wanted or (wanted == 200 and told != number):
            return f"{asked(history, request)} for {item}; the contract says {wanted}."
    return None


@no_reply.must("ORDERED-TWICE", "an order whose reply was lost is one order")
@the_server_says_no.must("ORDERED-TWICE", "an order that was tried again is one order")
def one_order(history: History) -> str | None:
    stored, asked_for = history.result[0], {number for _, number, _ in _orders(history)}
    if len(stored) > len(asked_for):
        return f"Ada ordered {len(asked_for)} times, and the database holds {len(stored)} orders."
    return None


@no_reply.must("TOLD-NO", "who is told that the order failed has no order, though the reply to COMMIT was lost")
def no_false_no(history: History) -> str | None:
    request, number, _ = _orders(history)[0]
    if not request.ok and history.result[0]:
        return f"{asked(history, request)}, and order {number} is in the database."
    return None


@the_server_says_no.must("GAVE-UP", "a serialization failure, a deadlock and a terminated connection are tried again")
@a_short_outage.must("GAVE-UP", "an outage of three seconds passes unnoticed")
@no_reply.must("GAVE-UP", "a connection that breaks is no reason to give up")
def tried_again(history: History) -> str | None:
    for request, number, _ in _orders(history):
        if not request.ok:
            return f"{asked(history, request)}{_reason(history, number)}."
    return None


def _reason(history: History, number: str) -> str:
    """Return what the database had said, where it was told to say so."""
    states = {order: state for order, state, _, _ in _REASONS}
    if history.world.database.errors[states[number]]:
        return f"; the database had said {states[number]}, which passes"
    return ""


@a_long_outage.must("WAITED", "whoever asks during an outage is told so within 10 s")
def in_time(history: History) -> str | None:
    request = _orders(history)[1][0]
    if request.seconds > PATIENCE:
        return f"Ada waited {request.seconds:.0f} s for an answer while the database was away."
    return None


@a_long_outage.must("STORM", "a database that comes back is not met by a storm: each pause is longer than the last")
def no_storm(history: History) -> str | None:
    tried = history.result[1]
    if len(tried) > ATTEMPTS:
        return f"One request knocked {len(tried)} times at a database that was away, in {PATIENCE:.0f} s at the most."
    pauses = [after - before for before, after in pairwise(tried)]
    half = len(pauses) // 2
    if half and sum(pauses[-half:]) < GROWTH * sum(pauses[:half]):
        told = ", ".join(f"{pause:.1f}" for pause in pauses)
        return f"The database was away, and the pauses between tries did not grow: {told} s."
    return None


@retry_transient.must(
    "LOST-ORDER", "an order that was acknowledged is in the database", a_long_outage, no_reply, the_server_says_no
)
def none_lost(history: History) -> str | None:
    stored = dict(history.result[0])
    for request, number, item in _orders(history):
        if request.ok and not any(key.startswith(number) and stored[key] == item for key in stored):
            return f"Ada was told {request.status} for order {number}, and the database does not hold it."
    return None


@a_long_outage.must("NOT-503", "an outage is told as what it is: 503 and Retry-After")
def as_503(history: History) -> str | None:
    request, after = (_orders(history)[number][0] for number in (1, 2))
    if request.status != 503 or request.response is None or "retry-after" not in request.response.headers:
        return f"{asked(history, request)} in the outage; the contract says 503 and Retry-After."
    return None if after.ok else f"{asked(history, after)}, after the outage."


__all__ = ["retry_transient"]
