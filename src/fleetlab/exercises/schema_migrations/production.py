"""Production on the day of a release: its customers, the release in service, and what the day after brings."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import httpx
import sqlalchemy as sa
from alembic import command
from flask import Flask, request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fleetlab.world.database import Database
from fleetlab.world.world import World

from ..wording import cause
from .common import rows, run
from .job import Job
from .releases import release

PATIENCE = 2.0
"""How long a customer waits at most because of a release, in virtual seconds."""

CUSTOMERS = [(f"customer-{n:03}", f"customer-{n:03}@example.org") for n in range(120)]
"""Name and email of everybody who is a customer at the beginning."""


@dataclass
class Outcome:
    """What came of a release: production before and after, the job's error, and the way back where it was released."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    error: Exception | None = None
    done: bool = False
    way_back: Exception | None = None
    kept: dict[str, str | None] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Production's revision afterwards."""
        return self.after[0]


# -- production, and who uses it meanwhile


def _shop(env: Any) -> Flask:
    """The release in service: it registers customers, with an email or without."""
    app = Flask("shop")

    @app.post("/customers/<name>")
    def register(name: str) -> Any:
        insert = text("INSERT INTO customers (name, email) VALUES (:name, :email)")
        try:
            with env.database.begin() as db:
                db.execute(insert, {"name": name, "email": request.args.get("email")})
        except DBAPIError as error:
            return {"error": cause(error)}, 500
        return {"registered": name}

    return app


def _production(world: World, name: str) -> Job:
    """Bring production to revision 0001 with its customers, and put a scratch database beside it."""
    scratch = Database(world.sim, world.network, "scratch")
    job = Job(world.database.engine(), scratch.engine(), release(name).path)
    command.upgrade(job.config(job.production), "0001")
    with job.production.begin() as db:
        found = [{"name": name, "email": email} for name, email in CUSTOMERS]
        db.execute(text("INSERT INTO customers (name, email) VALUES (:name, :email)"), found)
    return job


def _state(engine: sa.Engine) -> tuple[str, ...]:
    """Return revision, columns and indexes of production, as text."""
    with engine.connect() as db:
        version = db.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "no revision"
    looked = sa.inspect(engine)
    columns = [f"{c['name']} {'' if c['nullable'] else 'NOT NULL'}" for c in looked.get_columns("customers")]
    return (str(version), *columns, *sorted(str(index["name"]) for index in looked.get_indexes("customers")))


def attempt(world: World, answer: Any, name: str, *more: str, dirty: bool = False, late: bool = False) -> Outcome:
    """Let an answer release `name` while customers come; where it was released, take it back afterwards."""
    with world.calm():
        job = _production(world, name)
        run(world, *more)
        if dirty:
            _leave_tables(job.scratch)
        world.deploy(_shop, instances=1, name="shop")
        outcome = Outcome(_state(job.production))
        world.together(
            lambda: _work(answer, job, outcome),
            lambda: _visitors(world, outcome),
            lambda: _latecomer(world, outcome) if late else None,
        )
        outcome.after = _state(job.production)
        outcome.kept = _emails(world)
        _take_back(job, outcome)
        return outcome


def _leave_tables(engine: sa.Engine) -> None:
    """Leave in a scratch database what the rehearsal of another release has left."""
    with engine.begin() as db:
        db.execute(text("CREATE TABLE customers (name TEXT PRIMARY KEY, email TEXT, fax TEXT, country TEXT)"))
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        db.execute(text("INSERT INTO alembic_version VALUES ('0002')"))


def _work(answer: Any, job: Job, outcome: Outcome) -> None:
    try:
        answer(job)
    except Exception as error:
        outcome.error = error
    outcome.done = True


def _visitors(world: World, outcome: Outcome) -> None:
    """Register a customer each second while the job runs, and two more afterwards."""
    client, left = world.client("visitor", timeout=PATIENCE), 2
    for number in range(60):
        left -= outcome.done
        if left < 0:
            return
        with contextlib.suppress(httpx.HTTPError):
            client.post(f"/customers/visitor-{number}", params={"email": f"visitor-{number}@example.org"})
        world.run(1)


def _latecomer(world: World, outcome: Outcome) -> None:
    """Register without an email once production has begun to change, later than any copy."""
    while not outcome.done:
        if rows(world, "SELECT 1 FROM alembic_version WHERE version_num = '0003'"):
            world.client("guest").post("/customers/guest")
            return
        world.run(0.1)


def _emails(world: World) -> dict[str, str | None]:
    """Return the customers that production has, whatever their email is called by now."""
    found = [row._mapping for row in rows(world, "SELECT * FROM customers")]
    return {row["name"]: row["email" if "email" in row else "mail"] for row in found}


def _take_back(job: Job, outcome: Outcome) -> None:
    """Do what is done on the day after a release that was a mistake: go back, and forward again when it is mended."""
    if outcome.version == "0004":
        try:
            command.downgrade(job.config(job.production), "0001")
            command.upgrade(job.config(job.production), "head")
        except Exception as error:
            outcome.way_back = error
