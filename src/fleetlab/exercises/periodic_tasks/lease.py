"""outlive_the_lease: a holder that stands still for longer than its lease comes back, and does no harm."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import text

from fleetlab.world.env import Env
from fleetlab.world.world import World

from ..asking import MINUTE
from ..exercise import Exercise
from ..history import History
from .common import time_of_day

outlive_the_lease = Exercise(
    "08.outlive_the_lease",
    "Whoever outlives its lease overwrites nothing newer",
    hints=[
        "Let an instance fall asleep after each of your lines, for half an hour. It does not notice. What does it do "
        "when it wakes, and who else has begun and finished meanwhile? No look at the lock helps: it may fall asleep "
        "after the look.",
        "Three repairs. The lease ends later than the job and before the next round. Whoever gives it back must know "
        "that it is still its own, in the same command. And the row itself must refuse what is older than what it has.",
        "A fencing token is a number that grows with each holder, from a counter in Redis that never starts over. Draw "
        "it before the list is fetched, and write with `UPDATE ... WHERE token < :mine`. redis-py's `Lock` compares "
        "its owner when it is released; by hand that takes a short script in Lua.",
    ],
)

ROUND = 10 * MINUTE
"""How often each instance wakes, in virtual seconds."""
LATE = 1.5 * MINUTE
"""How much later than the others the third instance wakes."""
EXPORT = 2 * MINUTE
"""How long the warehouse takes to hand out its list."""


def pieces_at(minute: int) -> int:
    """Return how many pieces there are so many minutes after nine: now more, now less, and never twice the same."""
    return 500 + minute * 37 % 101


_MINUTES = {pieces_at(minute): minute for minute in range(60)}


def warehouse(env: Env) -> Flask:
    """Hand out the list of the moment at which it is asked for; that takes two minutes."""
    app = Flask("warehouse")
    nine = time.time()

    @app.get("/stock")
    def stock() -> Any:
        pieces = pieces_at(int((time.time() - nine) // MINUTE))
        env.work(EXPORT)
        return {"pieces": pieces}

    return app


TABLE = "CREATE TABLE stock (id INTEGER PRIMARY KEY, pieces INTEGER NOT NULL, token BIGINT NOT NULL)"


@dataclass(frozen=True, slots=True)
class Sample:
    """What is seen at one moment: its virtual second, of which minute the list in the table is, exports under way."""

    time: float
    minute: int
    exports: int

    @property
    def table(self) -> str:
        """What the table holds, in words."""
        return f"the list of {time_of_day(self.minute * MINUTE)[:5]}" if self.minute else "no list"


def _begin(world: World, app: Any, slow: float = 0) -> None:
    """Start the warehouse and three instances, the third one later, and go on to just before the first round."""
    with world.calm():
        with world.database.engine().begin() as db:
            db.execute(text(TABLE))
            db.execute(text("INSERT INTO stock VALUES (1, 0, 0)"))
        world.deploy(warehouse, instances=1, name="warehouse")
        world["warehouse-1"].process.mortal = False
        shop = world.deploy(app, instances=2, name="shop")
        if slow:
            world["shop-1"].skew(-slow)
        world.run(LATE)
        shop.scale(3)


def _watch(world: World, minute: float) -> None:
    """Let time pass, and explore what happens within a second of a minute after nine."""
    with world.calm():
        world.run(minute * MINUTE - 1 - world.now)
    world.run(2)


def _see(world: World, minute: float) -> Sample:
    """Let time pass in calm until a minute after nine, and look at the table and at the warehouse."""
    with world.calm():
        world.run(minute * MINUTE - world.now)
        with world.database.engine().connect() as db:
            pieces = db.execute(text("SELECT pieces FROM stock WHERE id = 1")).scalar_one()
    return Sample(world.now, _MINUTES.get(pieces, 0), world["warehouse-1"].busy)


def _round(world: World) -> list[Sample]:
    """Explore the beginning and the end of the first round, and look in the middle of it and after it."""
    _watch(world, 10)
    middle = _see(world, 11.7)
    _watch(world, 12)
    return [middle, _see(world, 19)]


@outlive_the_lease.scenario(preemptions=0, pauses=1, pause_seconds=16 * MINUTE)
def asleep_for_a_round(world: World, app: Any) -> Any:
    """One of the instances falls asleep for 16 minutes, at the beginning or at the end of its round."""
    _begin(world, app)
    return [*_round(world), *(_see(world, minute) for minute in (27.9, 29))]


@outlive_the_lease.scenario(preemptions=0, pauses=1, pause_seconds=9 * MINUTE)
def back_in_the_next_round(world: World, app: Any) -> Any:
    """One of the instances falls asleep for 9 minutes, and is back while the next holder works."""
    _begin(world, app)
    return [*_round(world), *(_see(world, minute) for minute in (21.7, 29))]


@outlive_the_lease.scenario(preemptions=1)
def three_rounds(world: World, app: Any) -> Any:
    """Three instances wake every ten minutes, two of them together; the clock of one is 20 minutes slow."""
    _begin(world, app, slow=20 * MINUTE)
    _watch(world, 10)
    return [_see(world, minute) for minute in (11.7, 19, 21.7, 29, 31.7, 39)]


@outlive_the_lease.scenario(preemptions=0, kills=1)
def a_holder_dies(world: World, app: Any) -> Any:
    """One of the instances dies, at the beginning or at the end of its round."""
    _begin(world, app)
    return [*_round(world), _see(world, 29)]


# Invariants, the most telling first


@outlive_the_lease.must(
    "TWO-AT-ONCE",
    "as long as nothing goes wrong, one instance at a time asks the warehouse",
    asleep_for_a_round,
    back_in_the_next_round,
)
@three_rounds.must("TWO-AT-ONCE", "whatever their clocks say, one instance at a time asks the warehouse")
def one_at_a_time(history: History) -> str | None:
    if history.faults:
        return None
    for sample in history.result:
        if sample.exports > 1:
            return f"At {time_of_day(sample.time)} {sample.exports} instances are at it at once, and nobody slept."
    return None


@back_in_the_next_round.must("FOREIGN-LOCK", "nobody takes away a lock that is another's")
def own_lock(history: History) -> str | None:
    sample = history.result[2]
    if sample.exports < 2:
        return None
    return (
        f"At {time_of_day(sample.time)} two instances are at it at once: who had slept gave back a lock that was no "
        "longer its own, and a third one found none."
    )


@outlive_the_lease.must(
    "STALE-WRITE",
    "an older list never overwrites the list of a newer holder",
    asleep_for_a_round,
    back_in_the_next_round,
)
def never_back(history: History) -> str | None:
    for before, after in zip(history.result, history.result[1:], strict=False):
        if after.minute < before.minute:
            held, holds = (f"{time_of_day(sample.time)} the table" for sample in (before, after))
            old = "an old list has overwritten a newer one"
            return f"At {held} held {before.table}, and at {holds} holds {after.table}: {old}."
    return None


@three_rounds.must("STOPPED", "in every round somebody asks the warehouse, and renews the list")
def every_round(history: History) -> str | None:
    for sample in history.result[::2]:
        if not sample.exports:
            return f"At {time_of_day(sample.time)} nobody is at it, though instances wake every ten minutes."
    return _old(history.result[1::2], "Nobody died and nobody slept")


@a_holder_dies.must("STOPPED", "the round after a crash renews the list")
def goes_on(history: History) -> str | None:
    return _old(history.result[-1:], "An instance has died in the round of 09:10")


def _old(samples: list[Sample], what: str) -> str | None:
    """Return what is said where the table is older than the last round."""
    for sample in samples:
        due = sample.time // ROUND * ROUND
        if sample.minute < due // MINUTE:
            moment, begun = time_of_day(sample.time), time_of_day(due)[:5]
            return (
                f"{what}, and at {moment} the table holds {sample.table}: nothing was written in the round of {begun}."
            )
    return None


__all__ = ["outlive_the_lease"]
