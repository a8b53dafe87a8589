"""What the scenarios of this lesson share: a warehouse, its first version, migrations, and how instances are asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import httpx
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from flask import Flask, request
from sqlalchemy import text

from fleetlab.world import migrations
from fleetlab.world.instance import Instance
from fleetlab.world.world import World

from ..answer import Complaint, app_factory
from ..asking import ask_one

migrations.isolate()

ITEMS = {1: "A-7", 2: "B-12", 3: "C-30"}
"""What is in the warehouse before anything else happens."""


def warehouse(env: Any, write: str, read: str) -> Flask:
    """Return a version of the warehouse: two statements, and the two routes that use them."""
    app = Flask("warehouse")

    @app.put("/items/<int:item>")
    def save(item: int) -> Any:
        place = request.get_json()["place"]
        aisle, shelf = place.split("-")
        row = {"id": item, "place": place, "aisle": aisle, "shelf": int(shelf)}
        with env.database.begin() as db:
            db.execute(text(write), row)
        return {"place": place}

    @app.get("/items")
    def items() -> Any:
        with env.database.connect() as db:
            return {str(item): place for item, place in db.execute(text(read))}

    return app


WRITE_OLD = "INSERT INTO items (id, place) VALUES (:id, :place) ON CONFLICT (id) DO UPDATE SET place = :place"
READ_OLD = "SELECT id, place FROM items"


def first_version(env: Any) -> Flask:
    """The version in service before the first release: it knows the column `place` and nothing else."""
    return warehouse(env, WRITE_OLD, READ_OLD)


# -- the database


def run(engine: sa.Engine, *statements: str) -> None:
    """Run statements in one transaction."""
    with engine.begin() as db:
        for statement in statements:
            db.execute(text(statement))


def migrate(engine: sa.Engine, change: Callable[[], Any]) -> None:
    """Run what stands in a revision's `upgrade()`, in one transaction, as Alembic does on PostgreSQL."""
    with engine.begin() as db, Operations.context(MigrationContext.configure(db)):
        change()


# -- instances


def put(world: World, instance: Instance, item: int, place: str) -> tuple[int, Any]:
    """Store an item's place through one instance, past the balancer."""
    return ask_one(world, instance, httpx.Request("PUT", f"http://shop/items/{item}", json={"place": place}))


def get(world: World, instance: Instance) -> tuple[int, Any]:
    """Ask one instance, past the balancer, where everything is."""
    return ask_one(world, instance, httpx.Request("GET", "http://shop/items"))


def function_of(*names: str) -> Complaint:
    """Return what says why an answer is no function of these parameters."""

    def complaint(answer: Any) -> str:
        if not callable(answer) or inspect.isclass(answer):
            wrong = app_factory(answer).split(":")[0]
            return f"{wrong}: hand over the function itself, which takes {' and '.join(names)}."
        try:
            inspect.signature(answer).bind(*names)
        except TypeError:
            name = getattr(answer, "__name__", "The answer")
            return f"{name} must take exactly {len(names)} parameters, {' and '.join(names)}."
        except ValueError:
            return ""
        return ""

    return complaint
