"""backfill: the rows of earlier days are copied to the new columns, bit by bit, while the warehouse goes on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from flask import Flask
from sqlalchemy import text

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..exercise import Exercise
from ..history import History
from ..wording import cause
from .common import READ_OLD, function_of, run, warehouse
from .job import STATEMENTS, Ledger, work

TABLE = "CREATE TABLE items (id INTEGER PRIMARY KEY, place TEXT, aisle TEXT, shelf INTEGER)"
WRITE_BOTH = """
    INSERT INTO items (id, place, aisle, shelf) VALUES (:id, :place, :aisle, :shelf)
    ON CONFLICT (id) DO UPDATE SET place = :place, aisle = :aisle, shelf = :shelf
"""
MOVED = 15
"""The item that somebody moves while the job runs."""

backfill = Exercise(
    "10_2.backfill",
    "A large table, row by row, and nobody notices",
    hints=[
        "Which rows does a batch take, and which does the next one? Count how many rows are left over when the rows "
        "that a query finds become fewer by your own doing, and where you start again after a crash.",
        "Between a SELECT and an UPDATE anybody may change the row. An UPDATE that takes the place from the row itself "
        "needs no SELECT for it; or it says in its WHERE which place it has seen.",
        "A loop over ids: `id > :last`, ordered, so many. One UPDATE for those whose aisle and shelf do not fit their "
        "place, one transaction each, on to the last id. What fits already costs a restart nothing but a look; a table "
        "that keeps the last id in the same transaction saves even that.",
    ],
    complaint=function_of("engine", "size"),
)


@dataclass(frozen=True)
class Outcome:
    """What the job has come to: its ledger, the size of a batch, the rows before and afterwards."""

    ledger: Ledger
    size: int
    before: dict[int, tuple[Any, ...]]
    after: dict[int, tuple[Any, ...]]


# -- the table, and who uses it


def _version(env: Any) -> Flask:
    """The version in service: it writes both, and reads the old."""
    return warehouse(env, WRITE_BOTH, READ_OLD)


def _rows(count: int) -> dict[int, tuple[Any, ...]]:
    """Return rows with gaps between their ids: empty ones, right ones, some that v1 has moved, some without a place."""
    rows: dict[int, tuple[Any, ...]] = {}
    for number in range(1, count + 1):
        place, new = f"A-{number}", {2: ("A", number), 4: ("C", 90 + number)}.get(number % 6, (None, None))
        rows[5 * number] = (None, None, None) if number % 7 == 6 else (place, *new)
    return rows


def _fill(world: World, count: int) -> dict[int, tuple[Any, ...]]:
    rows, engine = _rows(count), world.database.engine()
    run(engine, TABLE)
    with engine.begin() as db:
        found = [{"id": item, "place": row[0], "aisle": row[1], "shelf": row[2]} for item, row in rows.items()]
        db.execute(text("INSERT INTO items VALUES (:id, :place, :aisle, :shelf)"), found)
    return rows


def _read(world: World) -> dict[int, tuple[Any, ...]]:
    with world.database.engine().connect() as db:
        return {row.id: (row.place, row.aisle, row.shelf) for row in db.execute(text("SELECT * FROM items"))}


def _move(client: Client, item: int, place: str) -> None:
    with suppress(httpx.HTTPError):
        client.put(f"/items/{item}", json={"place": place})


# -- situations


@backfill.scenario(preemptions=0)
def a_larger_table(world: World, answer: Any) -> Any:
    """Fifty rows, seven at a time, and nothing happens meanwhile."""
    with world.calm():
        before, ledger = _fill(world, 50), Ledger()
        work(world, answer, 7, ledger)
        return Outcome(ledger, 7, before, _read(world))


@backfill.scenario(preemptions=1)
def beside_live_writes(world: World, answer: Any) -> Any:
    """Ten rows, four at a time, while somebody moves one of them."""
    with world.calm():
        before, ledger = _fill(world, 10), Ledger()
        world.deploy(_version, instances=1, name="warehouse")
        ada = world.client("ada")
        _move(ada, 1000, "D-1")
    world.together(lambda: work(world, answer, 4, ledger), lambda: _move(ada, MOVED, "B-44"))
    with world.calm():
        return Outcome(ledger, 4, before, _read(world))


@backfill.scenario(preemptions=0, kills=1)
def it_dies(world: World, answer: Any) -> Any:
    """Eighteen rows, four at a time; the job may die at any step, and is started again."""
    with world.calm():
        before, ledger = _fill(world, 18), Ledger()
    work(world, answer, 4, ledger)
    with world.calm():
        return Outcome(ledger, 4, before, _read(world))


# Invariants, the most telling first


@backfill.must("JOB-FAILED", "the job runs to its end, on every row that is there")
def ends_well(history: History) -> str | None:
    ledger: Ledger = history.result.ledger
    if ledger.error is not None:
        return f"Start {ledger.starts} of the job ended with {cause(ledger.error)}."
    return None


@backfill.must("NEVER-ENDS", "the job comes to an end")
def comes_to_an_end(history: History) -> str | None:
    outcome: Outcome = history.result
    if outcome.ledger.statements > STATEMENTS:
        return f"The job has sent {STATEMENTS:,} statements for {len(outcome.before)} rows, and is still at it."
    return None


@backfill.must("LONG-LOCK", "no transaction changes more rows than it may")
def short_transactions(history: History) -> str | None:
    most, size = max(history.result.ledger.changed, default=0), history.result.size
    if most > size:
        return f"One transaction changed {most} rows and may change {size}: it keeps them locked until its COMMIT."
    return None


@backfill.must("WAITED", "nobody waits for the job longer than for one batch", beside_live_writes)
def nobody_waits(history: History) -> str | None:
    for request in history.sent:
        if request.seconds > 0.5:
            return f"{request.client} waited {request.seconds:.1f} s to move an item: the job slept and held its locks."
    return None


@backfill.must("OVERWRITTEN", "what is stored meanwhile stays as it was stored", beside_live_writes)
def newer_stays(history: History) -> str | None:
    if history.acknowledged[-1].path.endswith(f"/{MOVED}"):
        place, aisle, shelf = history.result.after[MOVED]
        if (place, aisle, shelf) != ("B-44", "B", 44):
            return f"Item {MOVED} was moved to B-44; place says {place} now, and aisle and shelf say {aisle}-{shelf}."
    return None


@backfill.must("MISSED", "in the end aisle and shelf of every row say what its place says")
def every_row(history: History) -> str | None:
    outcome: Outcome = history.result
    wrong = [item for item, row in outcome.after.items() if _wrong(row)]
    if not wrong:
        return None
    place, aisle, shelf = outcome.after[wrong[0]]
    text = f"{len(wrong)} of {len(outcome.after)} rows are wrong in the end: item {wrong[0]} is at {place}"
    return f"{text}, and its aisle and shelf say {'nothing' if aisle is None else f'{aisle}-{shelf}'}."


def _wrong(row: tuple[Any, ...]) -> bool:
    place, aisle, shelf = row
    return (aisle, shelf) != ((None, None) if place is None else (place[0], int(place[2:])))


@backfill.must("STARTS-OVER", "after a crash the job goes on where it was", it_dies)
def goes_on(history: History) -> str | None:
    outcome: Outcome = history.result
    changed, count = sum(outcome.ledger.changed), len(outcome.before)
    if changed > count + outcome.size:
        return f"The job died once, and has changed {changed} rows of a table that has {count}: it began again."
    return None


__all__ = ["backfill"]
