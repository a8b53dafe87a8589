"""pool_size: as many connections as the database has for this instance, through the rollout, and not one more."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import sqlalchemy
from sqlalchemy import exc

from fleetlab.sim.clocks import sleep
from fleetlab.world.deployment import Deployment
from fleetlab.world.http import Client, Sent
from fleetlab.world.partners import Answer, Partner
from fleetlab.world.world import World

from ..asking import asked, attempt, field
from ..exercise import Exercise
from ..history import History
from .common import client

QUERY, CALL = 0.1, 0.4
"""How long a query takes, and how long the warehouse, in virtual seconds."""
PATIENCE = 1.3
"""How long a page may take, in virtual seconds."""
SHOPPERS, WORKERS = 30, 16
SURGE, DRAINING, OPERATORS = 1, 1, 2
DRAIN, SETTLE, PACE, REST = 4.0, 1.0, 3.0, 2.5
"""How long an instance that stops keeps its connections; how long a new one is watched before an old one is stopped,
and how often that happens; and how long shoppers rest between two pages; in virtual seconds."""
FLEETS = {1: (3, 28), 2: (8, 28)}
"""By seed: how many instances the deployment has, and the database's max_connections."""

pool_size = Exercise(
    "10.pool_size",
    "The pool fits the database, also in the middle of a rollout",
    hints=[
        "Count processes, not instances of the deployment: how many hold connections in the middle of a rollout? "
        "Then count what the database has for you: not all of `max_connections`.",
        "A pool may open `pool_size + max_overflow` connections, 15 with the library's defaults. Divide what there is "
        "by the most processes at once, and round down. The variables tell both, and differ from fleet to fleet.",
        "How long does one request keep a connection? Give it back before you call the warehouse, and never take a "
        "second one while you hold the first. `sqlalchemy.create_engine(env.database.url, …)` makes a pool of your "
        "own size.",
    ],
)


class Warehouse(Partner):
    """`GET http://warehouse/<item>` says how many are there, and takes its time."""

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> Answer:
        """Return a number for every item."""
        return 200, {"item": path.strip("/"), "there": 7}


def _start(world: World, shop: Any) -> Deployment:
    instances, most = FLEETS.get(int(world.seed), FLEETS[1])
    _prepare(world, most)
    numbers = {"INSTANCES": instances, "SURGE": SURGE, "DRAINING": DRAINING}
    limits = {"DB_MAX_CONNECTIONS": most, "DB_SUPERUSER_RESERVED": 3, "DB_OPERATORS": OPERATORS}
    fleet = world.deploy(
        shop, instances=instances, name="shop", workers=WORKERS, balancer="least busy", env={**numbers, **limits}
    )
    Warehouse(world, "warehouse").delays.extend([CALL] * 9999)
    world.network.slow("database", QUERY, QUERY)
    return fleet


def _prepare(world: World, most: int) -> None:
    world.database.slots.max_connections = most
    engine = world.database.engine()
    with engine.begin() as db:
        db.execute(sqlalchemy.text("CREATE TABLE items (name TEXT PRIMARY KEY, cents INTEGER, discount INTEGER)"))
        db.execute(sqlalchemy.text("INSERT INTO items VALUES ('tea', 500, 50)"))
    engine.dispose()


@pool_size.seeded(seeds=2)
def a_rollout(world: World, shop: Any) -> Any:
    """A rollout of three instances (seed 1) or eight (seed 2), with 30 shoppers; the operators connect meanwhile."""
    fleet = _start(world, shop)
    shoppers = [client(world, f"shopper-{number}") for number in range(1, SHOPPERS + 1)]
    rounds = [_round(world, shoppers)]
    rolling = world.spawn(_roll, world, fleet, name="rollout")
    while not rolling.finished:
        rounds.append(_round(world, shoppers) + _operators(world))
        world.run(REST)
    return sum(rounds), world.database.slots.peak


def _round(world: World, shoppers: list[Client]) -> int:
    """Let each shopper load a page, and the operators connect meanwhile; return how many of these were refused."""
    pages = [lambda one=one: attempt(lambda: one.get("/offers/tea")) for one in shoppers]
    return int(world.together(*pages, lambda: _operators(world, after=QUERY / 2))[-1])


def _roll(world: World, fleet: Deployment) -> None:
    """Replace two instances as Kubernetes does: it does not wait for those that are about to stop."""
    for old in fleet.live[:2]:
        fleet.scale(len(fleet.live) + SURGE)
        world.run(SETTLE)
        old.stoppers.append(lambda: sleep(DRAIN))  # it has requests in hand, say, and so keeps its connections
        old.terminate(grace=2 * DRAIN)
        world.run(PACE - SETTLE)


def _operators(world: World, after: float = 0.0) -> int:
    """Open the connections of a migration and of whoever looks on; return how many were refused."""
    world.run(after)
    engine, kept = world.database.engine(pool_size=OPERATORS), []
    for _ in range(OPERATORS):
        with suppress(exc.OperationalError):
            kept.append(engine.connect())
    for one in kept:
        one.close()
    engine.dispose()
    return OPERATORS - len(kept)


# Invariants, the most telling first


@a_rollout.must("TOO-MANY", "the database refuses no instance")
def none_refused(history: History) -> str | None:
    found = [(name, error) for name, _, error in history.errors if "connection slots" in str(error)]
    if found:
        slots = history.world.database.slots
        who = f"{found[0][0]} was refused by the database"
        return f"{who}: it has {slots.free_for_all} connections for all of you, and all are taken."
    return None


@a_rollout.must("NO-RESERVE", "a migration and an operator can connect at any moment")
def reserve(history: History) -> str | None:
    refused, peak = history.result
    if refused:
        free = history.world.database.slots.free_for_all
        return f"In the rollout a migration was refused {refused} times: {peak} of {free} connections were taken."
    return None


@a_rollout.must("CONTRACT", "a page is answered with 200 and its price")
def as_agreed(history: History) -> str | None:
    for request in history.sent:
        answered = request.response is not None and request.status not in (500, 502, 503)
        if answered and field(request.response, "cents") != 450:
            return f'{asked(history, request)}; the contract says {{"cents": 450, "there": 7}}.'
    return None


@a_rollout.must("WAITED", "nobody waits longer for a page than 1.3 s")
def in_time(history: History) -> str | None:
    late = [request for request in history.sent if not request.ok or request.seconds > PATIENCE]
    if late:
        worst = max(late, key=lambda request: request.seconds)
        return f"{len(late)} of {len(history.sent)} pages took too long or failed: {_worst(history, worst)}."
    return None


def _worst(history: History, request: Sent) -> str:
    if request.ok:
        return f"{request.client} waited {request.seconds:.1f} s for hers"
    return f"{asked(history, request)} after {request.seconds:.1f} s"


__all__ = ["pool_size"]
