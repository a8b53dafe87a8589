"""expand_contract: one column becomes two while old and new code run side by side, and any release can go back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx

from fleetlab.sim import current_task, step
from fleetlab.world.deployment import Deployment
from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..exercise import Exercise
from ..history import History
from ..wording import cause
from .inspection import Store, Trouble, columns, look, visit, walk
from .releases import Release, pairs, releases

expand_contract = Exercise(
    "10_2.expand_contract",
    "One column becomes two, and nobody notices",
    hints=[
        "Between any two releases stand one schema and two versions. For each of your migrations ask twice: does the "
        "version before it run on this, and the version after it? And what does each of them not see of the other?",
        "As long as any version reads the old column, everybody writes it; before the first one reads the new columns, "
        "everybody writes them, and the rows of earlier days have been copied. Which release may do which?",
        "Four releases. Add columns that may be NULL; write both, read the old. Copy every row, also one that has "
        "values already: v1 has changed `place` behind v2's back; read the new. Then `place` may be NULL; write the "
        "new only. Then drop it.",
    ],
    complaint=pairs,
)


@expand_contract.seeded(seeds=1)
def step_by_step(world: World, answer: Any) -> Any:
    """Two instances; after each migration and each replaced instance, forward and back, all of them store and look."""
    found = releases(answer)
    store = Store(world, world.database.engine()).begin()
    fleet = world.deploy(found[0].app, instances=2, name="shop", version=found[0].label)
    visitor = world.spawn(visit, world.client("visitor"), store, name="visitor")
    for old, new in pairwise(found):
        for when in walk(store, fleet, old, new):
            trouble = when if isinstance(when, Trouble) else look(store, fleet, (old, new), when)
            if trouble is not None:
                return trouble
            del world.trace.records[:-1]  # the picture of a failure is that of its step
    world.sim.kill(visitor)
    return columns(store)


# -- at the same moment


@dataclass(frozen=True)
class Seen:
    """Two versions side by side, and what each of them shows in the end."""

    versions: tuple[Release, Release]
    shown: tuple[Any, Any]


@expand_contract.scenario(preemptions=0, kills=1)
def one_dies(world: World, answer: Any) -> Any:
    """One of the releases is half rolled out; an instance dies while it stores something, and starts again."""
    found = releases(answer)
    number = _one_of(world, [new.number for old, new in pairwise(found) if old.app is not new.app])
    with world.calm():
        store, ada = _before(world, found[:number])
        store.migrate(found[number])
        new = _deploy(world, found[number], "new")
    old = world.deployments["old"]
    bob = world.client("bob", base_url="http://new")
    for client, item, fleet, other in ((ada, 2, old, new), (bob, 3, new, old)):
        other.live[0].process.mortal = False
        _try(client, item, "D-11")
        with world.calm():
            fleet.scale(1)
        other.live[0].process.mortal = True
    with world.calm():
        return _shown(world, found[number - 1], found[number])


@expand_contract.scenario(preemptions=1)
def while_it_migrates(world: World, answer: Any) -> Any:
    """One of the migrations runs, and at the same moment the version before it stores something."""
    found = releases(answer)
    number = _one_of(world, [release.number for release in found if release.change is not None])
    with world.calm():
        store, ada = _before(world, found[:number])
    moving = world.spawn(_try, ada, 1, "B-9", name="ada")
    migrating = world.spawn(store.migrate, found[number], name="migration")
    moving.wait()
    migrating.wait()
    with world.calm():
        return _shown(world, found[number - 1], found[number])


def _before(world: World, found: list[Release]) -> tuple[Store, Client]:
    """Bring the warehouse to the last of these releases; return it, and a customer of it."""
    store = Store(world, world.database.engine()).begin()
    for release in found[1:]:
        store.migrate(release)
    _deploy(world, found[-1], "old")
    ada = world.client("ada", base_url="http://old")
    _try(ada, 1, "A-8")
    return store, ada


def _deploy(world: World, release: Release, name: str) -> Deployment:
    return world.deploy(release.app, instances=1, name=name, version=release.label)


def _shown(world: World, old: Release, new: Release) -> Seen:
    """Return what two versions show, each of which gets an instance if it has none."""
    for release, name in ((old, "old"), (new, "new")):
        if name not in world.deployments:
            _deploy(world, release, name)
    pages = [_page(world.client(f"look-{name}", base_url=f"http://{name}")) for name in ("old", "new")]
    return Seen((old, new), (pages[0], pages[1]))


def _one_of(world: World, numbers: list[int]) -> int:
    """Return one of several numbers; the search tries each: whoever steps first is chosen, and the others end."""
    chosen: list[int] = []

    def offer(number: int) -> None:
        step(f"release {number}", ("plan", "*", "w"), kind="note")
        chosen.append(number)
        for other in offers:
            if not other.finished and other is not current_task():
                world.sim.kill(other)

    offers = [world.spawn(offer, number, name=f"release {number}") for number in numbers]
    for task in offers:
        task.wait()
    return chosen[0] if chosen else 1


def _try(client: Client, item: int, place: str) -> None:
    with suppress(httpx.HTTPError):
        client.put(f"/items/{item}", json={"place": place})


def _page(client: Client) -> Any:
    with suppress(httpx.HTTPError, ValueError):
        return client.get("/items").json()
    return None


# Invariants, the most telling first

HARMS = {
    "MIGRATION-FAILED": "every migration runs, on the rows that are there",
    "FAILED-REQUEST": "at every step every instance answers every request",
    "OLD-ROWS": "what was stored before the first release is shown by every version",
    "NO-WAY-BACK": "what a release stores is shown by the one before it, so that one can go back",
    "LOST-WRITE": "what a release stores is shown by the one after it",
    "NOT-SPLIT": "in the end there are aisle and shelf, never NULL, and no place",
}

for harm, sentence in HARMS.items():

    @step_by_step.must(harm, sentence)
    def nothing_went_wrong(history: History, harm: str = harm) -> str | None:
        trouble = history.result
        return trouble.sentence if trouble is not None and trouble.id == harm else None


@while_it_migrates.must("FAILED-REQUEST", "every request during a migration is answered")
def all_answered(history: History) -> str | None:
    old, new = history.result.versions
    for request in history.failed:
        why = next((f" ({cause(error)})" for _, _, error in history.errors), "")
        version = new if request.client == "look-new" else old
        return (
            f"{version}, at the migration of {new}, answered {request.method} {request.path}: {request.outcome}{why}."
        )
    return None


@while_it_migrates.must("LOST-WRITE", "what is stored during a migration is shown by the version before and after it")
def nothing_is_overwritten(history: History) -> str | None:
    seen = history.result
    for version, page in zip(seen.versions, seen.shown, strict=True):
        if page["1"] != "B-9":
            return f"Item 1 was stored at B-9 during the migration of {seen.versions[1]}; {version} shows {page['1']}."
    return None


@one_dies.must("TWO-TRUTHS", "old and new version show the same, wherever an instance dies")
def one_truth(history: History) -> str | None:
    (old, new), (shown, seen) = history.result.versions, history.result.shown
    for item in ("2", "3"):
        if shown[item] != seen[item]:
            return f"{old} shows item {item} at {shown[item]}, and {new} shows it at {seen[item]}."
    return None


__all__ = ["expand_contract"]
