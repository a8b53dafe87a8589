"""who_migrates: the schema changes once, whoever starts, and nobody serves before it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask
from sqlalchemy import text

from fleetlab.world.instance import Instance
from fleetlab.world.world import World

from ..exercise import Exercise
from ..history import History
from ..wording import cause
from .common import AFTERWARDS, BEFORE, WORK
from .probes import PERIOD, TRIES, Seen, deploy, look, watch

LONG = 20.0
"""After how many virtual seconds everybody has to be ready, a crash included."""

who_migrates = Exercise(
    "10_1.who_migrates",
    "The schema changes once",
    hints=[
        "All instances start at the same moment. Which of them may begin the migration, what do the others do "
        "meanwhile, and who gives the right to begin back if its owner dies?",
        "PostgreSQL has locks for agreements of your own: `pg_advisory_xact_lock(n)` is held until its transaction "
        "ends, also by a death. But a factory that waits for ten seconds answers no probe in that time.",
        "Let the factory return at once. A thread takes the lock, migrates, and notes that it is done; `/ready` is "
        "503 until then. A revision that this folder does not know belongs to a newer release: leave it.",
    ],
)


# -- situations


@who_migrates.scenario(preemptions=1)
def together(world: World, app: Any) -> Any:
    """Two instances start at the same moment; twenty seconds later each is asked for its page."""
    fleet = deploy(world, app, 2)
    world.run(1)
    with world.calm():
        world.run(LONG)
        return look(world, fleet, Seen())


@who_migrates.scenario(preemptions=0)
def probed(world: World, app: Any) -> Any:
    """Three instances start at the same moment, and the platform probes them from the beginning."""
    seen = Seen()
    with world.calm():
        fleet = deploy(world, app, 3)
        watch(world, fleet, seen, LONG)
        return look(world, fleet, seen)


@who_migrates.scenario(preemptions=0)
def taken_back(world: World, app: Any) -> Any:
    """A newer release has migrated to a revision of its own; it is taken back, and this one starts again."""
    seen = Seen()
    with world.calm():
        fleet = deploy(world, app, 2, *BEFORE, *AFTERWARDS)
        watch(world, fleet, seen, LONG)
        return look(world, fleet, seen)


@who_migrates.scenario(preemptions=0)
def beside_the_old(world: World, app: Any) -> Any:
    """The release before serves; two instances of this one start, one is taken back, and then the other."""
    seen = Seen()
    with world.calm():
        fleet = deploy(world, app, 2)
        world.deploy(_release_before, instances=1, name="before")
        customer = world.client("customer", base_url="http://before")
        watch(world, fleet, seen, LONG)
        for left in (1, 0):
            fleet.scale(left)
            look(world, fleet, seen)
            customer.get("/orders")
        return seen


@who_migrates.scenario(preemptions=0)
def one_stands_still(world: World, app: Any) -> Any:
    """One starts and stands still for twenty seconds in the middle of the migration; another starts meanwhile."""
    with world.calm():
        fleet = deploy(world, app, 1)
        world.run(WORK / 2)
        fleet.live[0].pause(LONG)
        fleet.scale(2, wait=False)
        world.run(2 * LONG)
        return look(world, fleet, Seen())


@who_migrates.scenario(preemptions=0, kills=1)
def one_dies(world: World, app: Any) -> Any:
    """One starts, then another; either may die while the migration begins or ends; later there are two."""
    fleet = deploy(world, app, 1)
    world.run(1)
    fleet.scale(2, wait=False)
    with world.calm():
        world.run(WORK - 2)
    world.run(2)
    with world.calm():
        world.run(LONG)
        seen = look(world, fleet, Seen())
        fleet.scale(2, wait=False)
        world.run(LONG)
        return look(world, fleet, seen)


def _release_before(env: Any) -> Flask:
    """Serve orders as the release before does, which knows nothing of totals."""
    app = Flask("before")

    @app.get("/orders")
    def orders() -> Any:
        with env.database.connect() as db:
            return {"orders": db.execute(text("SELECT count(*) FROM orders")).scalar_one()}

    return app


# Invariants, the most telling first


def _fleet(history: History) -> Iterator[Instance]:
    return iter(history.world.deployments["shop"])


def _of_threads(history: History, instance: Instance) -> str:
    """Return with what a thread of an instance has ended, as the end of a sentence."""
    for task, error in history.world.sim.errors:
        if task.process is instance.process:
            return f": a thread of it ended with {cause(error)}"
    return ""


def _silent(history: History) -> str | None:
    """Return which instance has not started, or has never been ready."""
    for instance in _fleet(history):
        if instance.failure is not None:
            return f"{instance.name} did not start: {cause(instance.failure)}."
        if instance.state in ("gone", "dead") and not history.faults and not history.result.killed:
            return f"{instance.name} ended its own process, and nothing starts it again in this minute."
        if instance.state in ("starting", "ready") and instance.name not in history.result.ready:
            return f"{instance.name} was still not ready after {LONG:.0f} s{_of_threads(history, instance)}."
    return None


@who_migrates.must(
    "LOST-ROWS", "what was in the database before is in it afterwards", together, beside_the_old, taken_back
)
def rows_are_kept(history: History) -> str | None:
    kept = history.result.orders
    return f"There were 3 orders before this release started, and now there are {kept}." if kept != 3 else None


@who_migrates.must("TOO-EARLY", "an instance is ready once it can serve, and not before", probed, one_dies, together)
def ready_means_ready(history: History) -> str | None:
    early = history.result.early
    return f"{early[0]}." if early else None


@who_migrates.must("WRONG-TOTALS", "the totals are those of the orders", together, probed, one_dies)
def totals_are_right(history: History) -> str | None:
    wrong = history.result.wrong
    return f"{wrong[0]}." if wrong else None


@who_migrates.must(
    "TWICE", "the migration runs once, and once more for each instance that dies in it", together, probed, one_dies
)
@one_stands_still.must("TWICE", "the migration runs once, and who stands still in it has not died")
def migrated_once(history: History) -> str | None:
    attempts = history.result.attempts
    deaths = history.faults.get("kill", 0) + len(history.result.killed)
    if attempts > 1 + deaths:
        why = f"though only {deaths} had died" if deaths else "though nobody had died"
        return f"The migration was begun {attempts} times, {why}."
    return None


@probed.must("PROBE-KILLED", "no liveness probe kills an instance that migrates or waits")
def nobody_is_killed(history: History) -> str | None:
    killed, seconds = history.result.killed, PERIOD * TRIES
    return f"GET /live failed for {seconds:.0f} s, so the platform killed {killed[0]}." if killed else None


@taken_back.must("NO-WAY-BACK", "a release starts on the schema of the release after it, and leaves it alone")
def can_go_back(history: History) -> str | None:
    found = history.result
    if found.version != "0003":
        return f"This release took the schema of the newer one back to {found.version}, with what is stored in it."
    trouble = _silent(history) or (found.killed and f"The platform killed {found.killed[0]}.")
    return f"The database is at 0003 already, so there is no way back: {trouble}" if trouble else None


@beside_the_old.must("UNDONE", "who stops leaves the schema as it is: others use it")
def nobody_undoes(history: History) -> str | None:
    for request in history.sent:
        if not request.ok:
            return f"The release before serves beside this one, and its GET /orders got {request.outcome}."
    if history.result.early:
        return f"One instance was stopped; {history.result.early[0]}."
    version = history.result.version
    return f"This release was stopped, and took the schema back to {version}." if version < "0002" else None


@one_dies.must("BLOCKED", "when an instance dies in the migration, another one goes on")
def somebody_goes_on(history: History) -> str | None:
    return _silent(history) if history.faults else None


@who_migrates.must(
    "NOT-READY", "every instance starts, and becomes ready when the schema is", one_stands_still, together, probed
)
def everybody_gets_ready(history: History) -> str | None:
    return _silent(history)


@who_migrates.must("UNRECORDED", "the database says which migrations it has had", together, one_dies)
def recorded(history: History) -> str | None:
    version = history.result.version
    if version != "0002":
        return f"alembic_version says {version or 'nothing'}, not 0002: the next release begins at the wrong place."
    return None


__all__ = ["who_migrates"]
