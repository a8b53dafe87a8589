"""The situations of single_flight: who comes when, which instance is lost, what is purged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import attempt
from ..exercise import Exercise
from .reports import SECONDS, Reports

FRESH, GRACE, TAKEOVER, WAIT = 60.0, 60.0, 10.0, 5.0
"""A list is fresh for a minute and may be shown for another; a lost loader is replaced, a reader waits: seconds."""
SLACK = 5.0
"""An age may be counted from when a list arrives, too: so much later, in virtual seconds, at the most."""
STANDSTILL = 45.0
"""How long an instance stands still, in virtual seconds: longer than any lease that keeps to the contract."""
TEA = "de/tea"
LISTS = (TEA, "de-at/tea", "de/at-tea", "de/tea-pots")

single_flight = Exercise(
    "11_4.single_flight",
    "One instance loads, the others show what there is",
    hints=[
        "Two ends of a list's life are to be told apart: from when on somebody should load it anew, and from when on "
        "nobody may see it. Redis deletes at the second one. How does a reader know about the first?",
        "Who loads is decided by all instances in one step, `SET` with `nx`, and the decision ends by itself: later "
        "than a load takes, sooner than its loader must be replaced. With an old list at hand, whoever loses shows it; "
        "with none, looks again in a moment, and not for ever.",
        "Give the lease a value of your own. Let a purge delete the list and its lease. Then whoever comes back with a "
        "list stores it only if the lease is still its own, in one step (a Lua script, or WATCH), with the moment at "
        "which it *asked*. Between the parts of a key stands a sign that no part can hold.",
    ],
)


@dataclass(frozen=True, slots=True)
class Run:
    """What the invariants need: the reports, and the virtual second from which a scenario is in earnest."""

    reports: Reports
    since: float
    purged: float = 0.0


def _start(world: World, app: Any, instances: int = 2) -> Reports:
    world.deploy(app, instances=instances, name="shop")
    return Reports(world)


def _readers(world: World, *names: str) -> list[Client]:
    """Return clients of the shop; each asks the instances in turn, and each next one begins with the next instance."""
    return [world.client(name, base_url="http://shop", timeout=10.0) for name in names]


def _read(client: Client, name: str = TEA) -> httpx.Response:
    return attempt(lambda: client.get(f"/top/{name}"))


def _purge(client: Client, name: str = TEA) -> None:
    client.post(f"/purge/{name}")


def _at(world: World, second: float) -> None:
    """Let time pass until a virtual second."""
    world.run(max(0.0, second - world.now))


def _warm(world: World, client: Client) -> float:
    """Load the list once, and return when it is a minute old, however one counts."""
    with world.calm():
        _read(client)
        _at(world, FRESH + SECONDS + 1)
    return world.now


# -- scenarios


@single_flight.scenario(preemptions=1)
def a_minute_later(world: World, app: Any) -> Any:
    """The list is a minute old; two ask for it at once, two more while it is being loaded, and one afterwards."""
    reports = _start(world, app)
    ada, bob, *others = _readers(world, "ada", "bob", "cem", "dot")
    since = _warm(world, ada)
    for client in (ada, bob):
        world.spawn(_read, client)
    world.run(SECONDS * 0.75)
    with world.calm():
        for client in others:
            world.spawn(_read, client)
        world.run(SECONDS)
        _read(others[0])
    return Run(reports, since)


@single_flight.scenario(preemptions=0)
def ten_minutes(world: World, app: Any) -> Any:
    """Readers come and go, one after another; then one of four lists is purged, and again while it is being made."""
    reports = _start(world, app)
    ada, bob, owner = _readers(world, "ada", "bob", "owner")
    with world.calm():
        for second in (0, 20, 40, FRESH + 3, FRESH + 10, 2 * FRESH + GRACE + 30):
            _at(world, second)
            _read(ada)
            _read(bob)
        for client in (ada, bob):
            for name in LISTS:
                _read(client, name)
        world.run(1)
        since = world.now
        _purge(owner)
        world.together(lambda: _read(ada), lambda: _read(bob))
        for name in LISTS[1:]:
            _read(ada, name)
        world.run(TAKEOVER + 1)
        _purge(owner)
        world.spawn(_read, ada)
        world.run(SECONDS / 2)
        _purge(owner)
        purged = world.now
        world.run(2 * SECONDS)
        _read(ada)
        _read(bob)
    return Run(reports, since, purged)


@single_flight.scenario(preemptions=0)
def purged_and_asked(world: World, app: Any) -> Any:
    """A list is purged while an instance loads it, and asked for again there at once; a third reader comes later."""
    reports = _start(world, app, instances=1)
    ada, bob, cem, owner = _readers(world, "ada", "bob", "cem", "owner")
    with world.calm():
        world.spawn(_read, ada)
        world.run(SECONDS / 2)
        _purge(owner)
        purged = world.now
        world.spawn(_read, bob)
        world.run(SECONDS * 0.75)
        _read(cem)
    return Run(reports, purged, purged)


@single_flight.scenario(preemptions=1)
def purged_at_the_end(world: World, app: Any) -> Any:
    """A list is purged at the moment at which it has been made; Bob asks for it afterwards."""
    reports = _start(world, app)
    ada, owner, bob = _readers(world, "ada", "owner", "bob")

    def purge_in_time() -> None:
        world.run(SECONDS)
        _purge(owner)

    world.together(lambda: _read(ada), purge_in_time)
    with world.calm():
        world.run(0.1)
        purged = world.now
        _read(bob)
    return Run(reports, purged, purged)


@single_flight.scenario(preemptions=0, kills=1, pauses=1, deviations=1, pause_seconds=STANDSTILL)
def the_loader_is_lost(world: World, app: Any) -> Any:
    """The list is a minute old, and whoever loads it may die or stand still; others ask 11 s later, and much later."""
    reports = _start(world, app)
    ada, *others = _readers(world, "ada", "bob", "cem")
    since = _warm(world, ada)
    _read(ada)
    with world.calm():
        for later in (TAKEOVER + 1, TAKEOVER + 11, FRESH + GRACE + 2 * SLACK + 5):
            _at(world, since + later)
            world.together(*[lambda client=client: _read(client) for client in others])
    return Run(reports, since)


@single_flight.scenario(preemptions=0, kills=1, pauses=1, deviations=1, pause_seconds=STANDSTILL)
def the_first_is_lost(world: World, app: Any) -> Any:
    """There is no list yet, and whoever loads the first one may die or stand still; others ask a moment later."""
    reports = _start(world, app)
    ada, *others = _readers(world, "ada", "bob", "cem")
    world.spawn(_read, ada)
    world.run(0.5)
    with world.calm():
        for later in (0.5, TAKEOVER + 1, TAKEOVER + 11):
            _at(world, later)
            world.together(*[lambda client=client: _read(client) for client in others])
    return Run(reports, 0.0)


@single_flight.scenario(preemptions=1)
def nothing_to_show(world: World, app: Any) -> Any:
    """Nobody has asked before; two ask for one list at once, and then each for another one."""
    reports = _start(world, app)
    ada, bob = _readers(world, "ada", "bob")
    world.together(lambda: _read(ada), lambda: _read(bob))
    with world.calm():
        world.together(lambda: _read(ada, LISTS[1]), lambda: _read(bob, LISTS[2]))
    return Run(reports, 0.0)


__all__ = [
    "FRESH",
    "GRACE",
    "LISTS",
    "SLACK",
    "TAKEOVER",
    "TEA",
    "WAIT",
    "a_minute_later",
    "nothing_to_show",
    "purged_and_asked",
    "purged_at_the_end",
    "single_flight",
    "ten_minutes",
    "the_first_is_lost",
    "the_loader_is_lost",
]
