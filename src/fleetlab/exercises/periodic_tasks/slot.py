"""once_per_period: three instances wake each hour, and the job of that hour is done once."""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World

from ..asking import DAY, HOUR, MINUTE
from ..exercise import Exercise
from ..history import History
from .common import CUSTOMERS, NINE, VARS, letters, names, time_of_day, told, twice, without

once_per_period = Exercise(
    "08.once_per_period",
    "Three instances wake, and each customer gets one digest an hour",
    hints=[
        "Every instance wakes, and none may count on another. Where could all of them see that this hour's digest has "
        "been taken on, and can two of them see «not yet» at the same moment?",
        "Looking and then writing are two steps. Redis has a form of `SET`, and a database has a kind of column, for "
        "which «nobody before me» and «now it is mine» are one. Then: what becomes of that mark when the job is over, "
        "and a sibling wakes five seconds later?",
        "Let the key name the hour, and leave it there: `SET` with `nx` and an expiry longer than an hour, or an "
        "`INSERT` under a primary key. The name must be of no other hour: not of tomorrow's, and not of the hour that "
        "local clocks show twice on one night in October.",
    ],
)

PAUSE = 12.0
"""How long an instance may stand still, in virtual seconds: as in a long collection."""

OCTOBER = 293 * DAY - NINE
"""The virtual second of midnight, UTC, before clocks in Europe go back: 2026-10-25 00:00, two o'clock in Berlin."""


def _three(world: World, app: Any) -> None:
    """Start two instances ten minutes past the hour and a third five seconds later, at a plain mail server."""
    world.mail.deduplicates = False
    world.run(10 * MINUTE)
    fleet = world.deploy(app, instances=2, name="shop", env=VARS)
    with world.calm():
        world.run(5)
        fleet.scale(3)
        world.run(HOUR - 6)


@once_per_period.scenario(preemptions=2)
def three_wake_up(world: World, app: Any) -> Any:
    """Two instances wake at the same moment, and a third five seconds later."""
    _three(world, app)
    world.run(MINUTE)
    return [letters(world, HOUR, 2 * HOUR)]


@once_per_period.scenario(preemptions=0, pauses=1, pause_seconds=PAUSE)
def one_stands_still(world: World, app: Any) -> Any:
    """The same, and one of them stands still for 12 seconds, before any of its steps."""
    _three(world, app)
    world.run(MINUTE)
    return [letters(world, HOUR, 2 * HOUR)]


@once_per_period.scenario(preemptions=0)
def some_go(world: World, app: Any) -> Any:
    """A release replaces all instances; in the next hour one of the new ones dies."""
    _three(world, app)
    with world.calm():
        world.run(10 * MINUTE + 1)
        world.deployments["shop"].rollout(app)
        world.run(HOUR + MINUTE)
        world.deployments["shop"].live[0].kill()
        world.run(HOUR)
    return [letters(world, n * HOUR, (n + 1) * HOUR) for n in (1, 2, 3)]


@once_per_period.scenario(preemptions=0, horizon=300 * DAY, events=500_000)
def the_long_night(world: World, app: Any) -> Any:
    """26 hours from two in the afternoon on; at three in the morning the clocks of Berlin go back to two."""
    world.run(OCTOBER - 10 * HOUR)
    _three(world, app)
    with world.calm():
        world.run(26 * HOUR)
    return [letters(world, OCTOBER + n * HOUR, OCTOBER + (n + 1) * HOUR) for n in range(-9, 17)]


# Invariants, the most telling first


@three_wake_up.must("OTHER-TIMER", "the timer is left as it is: the instances wake at ten past")
def same_timer(history: History) -> str | None:
    early = letters(history.world, 0, HOUR + 10 * MINUTE)
    if early:
        return f"A digest left before the timer's first hour was over ({told(early[:1])}): leave the timer as it is."
    return None


@once_per_period.must("SENT-TWICE", "no customer gets two digests in one hour")
def nobody_twice(history: History) -> str | None:
    for sent in history.result:
        again = twice(sent)
        if again:
            return f"{again[0].to.title()} got {len(again)} digests in one hour: {told(again)}."
    return None


@once_per_period.must(
    "LEFT-OUT", "where some get the digest of an hour, all customers do", three_wake_up, one_stands_still, some_go
)
def nobody_left_out(history: History) -> str | None:
    for sent in history.result:
        missing = without(sent)
        if missing and sent:
            others = f"{names([c for c in CUSTOMERS if c not in missing])} did"
            return f"{names(missing)} got no digest in the hour in which {others}, from {told(sent[:1])}."
    return None


@once_per_period.must("NOBODY", "each hour somebody sends the digest", three_wake_up, one_stands_still)
def somebody(history: History) -> str | None:
    return None if history.result[0] else "Three instances woke between 10:10 and 10:11, and nobody sent the digest."


@some_go.must("NOBODY", "each hour somebody sends the digest, whoever has gone or just come")
def somebody_else(history: History) -> str | None:
    for sent, what in zip(history.result, _GONE, strict=True):
        if not sent:
            return f"{what}, and nobody sent the digest of the next hour."
    return None


_GONE = (
    "Three instances woke between 10:10 and 10:11",
    "A release replaced all instances at 10:20",
    "One of three instances died at 11:21",
)


@the_long_night.must("SKIPPED-HOUR", "no hour is taken for another one")
def every_hour(history: History) -> str | None:
    for n, sent in enumerate(history.result, -9):
        if not sent:
            moment = OCTOBER + n * HOUR + 10 * MINUTE
            night = " That is the second two o'clock of that night in Berlin." if n == 1 else ""
            return f"Nobody sent the digest that was due at {time_of_day(moment)} UTC.{night}"
    return None


__all__ = ["once_per_period"]
