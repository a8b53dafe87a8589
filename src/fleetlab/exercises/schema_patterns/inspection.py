"""What somebody sees who looks after each single step of a release, forward and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import httpx
import sqlalchemy as sa
from sqlalchemy import text

from fleetlab.world.deployment import Deployment
from fleetlab.world.http import Client
from fleetlab.world.instance import Instance
from fleetlab.world.world import World

from ..wording import cause
from .common import ITEMS, get, migrate, put, run
from .releases import Release

PAUSE = 0.02
"""How long a visitor looks at a page, in virtual seconds."""
BEFORE, VISITOR = -1, -2
"""Who has written what no release has: years ago, or just now through the balancer."""

TABLE = "CREATE TABLE items (id INTEGER PRIMARY KEY, place TEXT NOT NULL)"
ROWS = [f"INSERT INTO items VALUES ({item}, '{place}')" for item, place in ITEMS.items()]  # noqa: S608


@dataclass(frozen=True)
class Trouble:
    """The first thing that went wrong: the id of the harm, and a sentence."""

    id: str
    sentence: str


@dataclass
class Store:
    """What has been promised: of each item its place, and the number of the release that has written it."""

    world: World
    engine: sa.Engine
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(10))

    def begin(self) -> Store:
        """Make the table, with what has been there for years."""
        run(self.engine, TABLE, *ROWS)
        self.places = {item: (place, BEFORE) for item, place in ITEMS.items()}
        return self

    def another(self) -> str:
        """Return a place where nothing has been before."""
        number = next(self.numbers)
        return f"{'ABCD'[number % 4]}-{number}"

    def migrate(self, release: Release) -> Trouble | None:
        """Run the migration of a release."""
        try:
            if release.change is not None:
                migrate(self.engine, release.change)
        except Exception as error:
            return Trouble("MIGRATION-FAILED", f"The migration of {release} ended with {cause(error)}.")
        return None


# -- step by step


def walk(store: Store, fleet: Deployment, old: Release, new: Release) -> Iterator[str | Trouble]:
    """Make one release, take it back, and make it again; say after each step where things stand."""
    trouble = store.migrate(new)
    yield trouble or f"After the migration of {new}"
    ways = [(new, f"While {new} is rolled out"), (old, f"On the way back to {old}"), (new, f"As {new} comes again")]
    for release, when in ways:
        for _ in fleet.rolling(release.app, release.label):
            yield when


def visit(client: Client, store: Store) -> None:
    """Store one thing after another, through the balancer."""
    for item in count(1000):
        place = f"E-{item}"
        with suppress(httpx.HTTPError):
            if client.put(f"/items/{item}", json={"place": place}).is_success:
                store.places[item] = place, VISITOR
            client.get("/items")
        store.world.run(PAUSE)


def look(store: Store, fleet: Deployment, between: tuple[Release, Release], when: str) -> Trouble | None:
    """Let each instance store something that the other then moves, and then look at everything."""
    store.world.trace.add(store.world.now, "checker", "note", when)
    first, last = fleet.live[0], fleet.live[-1]
    for item, movers in ((next(store.numbers), (first, last)), (next(store.numbers), (last, first)), (3, (first,))):
        for instance in movers:
            trouble = _store(store, instance, item, between, when)
            if trouble is not None:
                return trouble
    for instance in fleet.live:
        trouble = _compare(store, instance, between, when)
        if trouble is not None:
            return trouble
    return _failed_visit(store.world, when)


def _release(instance: Instance, between: tuple[Release, Release]) -> Release:
    return next(release for release in between if release.label == instance.version)


def _store(store: Store, instance: Instance, item: int, between: tuple[Release, Release], when: str) -> Trouble | None:
    release, place = _release(instance, between), store.another()
    status, _ = put(store.world, instance, item, place)
    if status != 200:
        return _refused(instance, f"{when}, {release} was to store item {item} at {place}", status)
    store.places[item] = place, release.number
    return None


def _compare(store: Store, instance: Instance, between: tuple[Release, Release], when: str) -> Trouble | None:
    """Compare what an instance shows with what was promised; the harm has its name by who does not see whom."""
    release, promised = _release(instance, between), dict(store.places)
    status, shown = get(store.world, instance)
    if status != 200 or not isinstance(shown, dict):
        return _refused(instance, f"{when}, {release} was to show all items", status)
    for item, (place, writer) in promised.items():
        if shown.get(str(item)) == place:
            continue
        what = f"{when}, {release} shows item {item} at {shown.get(str(item))}"
        if writer == BEFORE:
            return Trouble("OLD-ROWS", f"{what}; it has been at {place} since before the first release.")
        by = next((str(one) for one in between if one.number == writer), "an earlier release")
        who = "a visitor" if writer == VISITOR else by
        harm = "NO-WAY-BACK" if writer > release.number else "LOST-WRITE"
        return Trouble(harm, f"{what}, where {who} has stored it at {place}.")
    return None


def _refused(instance: Instance, what: str, status: int) -> Trouble:
    """Return a failed request, with the error of the database behind it, which is no slip of the answer's here."""
    why = f"{status or 'no answer'}"
    if instance.errors and isinstance(instance.errors[-1][1], sa.exc.DBAPIError):
        why = f"{why} ({cause(instance.errors[-1][1])})"
        for one in instance.world.instances:  # the visitor may have met the same at another
            one.errors.clear()
    return Trouble("FAILED-REQUEST", f"{what}: {why}.")


def _failed_visit(world: World, when: str) -> Trouble | None:
    for request in world.sent:
        if request.ended and not request.ok:
            asked = f"{when}, a visitor asked {request.method} {request.path}"
            broken = next((i for i in world.instances if i.errors), world.instances[-1])
            return _refused(broken, asked, request.status)
    return None


def columns(store: Store) -> Trouble | None:
    """Look at the table itself, after the last release."""
    found = {column["name"]: column["nullable"] for column in sa.inspect(store.engine).get_columns("items")}
    if "place" in found:
        return Trouble("NOT-SPLIT", "After the last release the column place is still there.")
    for name in ("aisle", "shelf"):
        if found.get(name, True):
            what = "may be NULL" if name in found else "is not there"
            return Trouble("NOT-SPLIT", f"After the last release the column {name} {what}.")
    with store.engine.connect() as db:
        stored = {row.id: f"{row.aisle}-{row.shelf}" for row in db.execute(text("SELECT * FROM items"))}
    for item, (place, _) in store.places.items():
        if stored.get(item) != place:
            return Trouble(
                "NOT-SPLIT", f"In the columns aisle and shelf item {item} is at {stored.get(item)}, not {place}."
            )
    return None
