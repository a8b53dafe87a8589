"""The platform: it starts instances, asks them whether they live and are ready, and kills or sends visitors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetlab.world.deployment import Deployment
from fleetlab.world.instance import Instance
from fleetlab.world.world import World

from .common import BEFORE, EXPECTED, ask, folder, rows, run

PERIOD, TRIES = 2.0, 3
"""How often the platform asks who lives, in virtual seconds, and after how many failures in a row it kills."""


@dataclass(slots=True)
class Seen:
    """What the platform has seen of a fleet: who was killed by a probe, who was ready when, who could not serve."""

    killed: list[str] = field(default_factory=list)
    ready: dict[str, float] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    version: str = ""
    attempts: int = 0
    orders: int = 0


def deploy(world: World, app: Any, instances: int, *before: str) -> Deployment:
    """Prepare the database, and let instances start at the same moment."""
    run(world, *(before or BEFORE))
    fleet = world.deploy(app, instances=0, name="shop", env={"MIGRATIONS": folder()})
    return fleet.scale(instances, wait=False)


def watch(world: World, fleet: Deployment, seen: Seen, seconds: float) -> None:
    """Probe all instances every few seconds; kill who does not live, and look at a page of who is ready."""
    failures: dict[str, int] = {}
    until = world.now + seconds
    while world.now < until and not all(instance.name in seen.ready for instance in fleet.live):
        world.run(PERIOD)
        for instance in list(fleet.live):
            alive = ask(world, instance, "/live")[0] == 200
            failures[instance.name] = 0 if alive else failures.get(instance.name, 0) + 1
            if failures[instance.name] >= TRIES:
                seen.killed.append(f"{instance.name}{_doing(instance)}")
                instance.kill()
            elif alive:
                _visit(world, instance, seen)


def _doing(instance: Instance) -> str:
    where = instance.boot.where()
    return f", whose factory stood at line {where}" if instance.state == "starting" and where else ""


def _visit(world: World, instance: Instance, seen: Seen) -> None:
    """Send somebody to an instance that says that it is ready."""
    if ask(world, instance, "/ready")[0] != 200:
        seen.ready.pop(instance.name, None)
        return
    seen.ready.setdefault(instance.name, world.now)
    if not rows(world, "SELECT count(*) FROM totals"):
        seen.early.append(f"{instance.name} says that it is ready, and the table totals is not there")
        return
    status, page = ask(world, instance, "/totals")
    if status != 200:
        seen.early.append(f"{instance.name} says that it is ready, and GET /totals gets {status or 'no answer'}")
    elif page != EXPECTED:
        seen.wrong.append(f"GET /totals at {instance.name} got {page}, where the orders come to {EXPECTED}")


def look(world: World, fleet: Deployment, seen: Seen) -> Seen:
    """Visit everybody, and note what there is in the database."""
    for instance in fleet.live:
        _visit(world, instance, seen)
    seen.version = " and ".join(version for (version,) in rows(world, "SELECT version_num FROM alembic_version"))
    seen.attempts = world.database.sequences.get("attempts", 0)
    seen.orders = sum(n for (n,) in rows(world, "SELECT count(*) FROM orders"))
    return seen
