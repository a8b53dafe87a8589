"""What the scenarios of this lesson share: the folders of three releases, and what a platform asks an instance."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from fleetlab.world.instance import Instance
from fleetlab.world.migrations import Migrations
from fleetlab.world.world import World

from ..asking import ask_one

WORK = 10.0
"""How long the migration of this release takes, in virtual seconds: as long as it takes to read a large table."""

ORDERS = '''
"""Orders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
    )


def downgrade():
    op.drop_table("orders")
'''

TOTALS = '''
"""What each customer has ordered so far."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("SELECT nextval('attempts')")  # a sequence is not rolled back: it counts how often this was begun
    op.execute("SELECT pg_sleep(SECONDS)")  # as long as it takes to read a large table
    op.create_table("totals", sa.Column("customer", sa.Text, nullable=False), sa.Column("cents", sa.Integer))
    op.execute("INSERT INTO totals SELECT customer, sum(cents) FROM orders GROUP BY customer")


def downgrade():
    op.drop_table("totals")
'''

REVISIONS = {"0001_orders.py": ORDERS, "0002_totals.py": TOTALS}
BEFORE = (
    "CREATE SEQUENCE attempts",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL)",
    "INSERT INTO orders VALUES (1, 'ada', 1000), (2, 'ada', 500), (3, 'bob', 700)",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('0001')",
)
"""The database as the release before leaves it: at revision 0001, with three orders."""

AFTERWARDS = (
    "CREATE TABLE totals (customer TEXT NOT NULL, cents INTEGER)",
    "INSERT INTO totals SELECT customer, sum(cents) FROM orders GROUP BY customer",
    "ALTER TABLE totals ADD COLUMN orders INTEGER",
    "UPDATE alembic_version SET version_num = '0003'",
)
"""What the release after this one has done, and Alembic here knows no revision 0003."""

EXPECTED = {"totals": [["ada", 1500], ["bob", 700]]}


@cache
def folder() -> str:
    """Return the folder of this release's migrations, written once."""
    made = Migrations()
    for name, revision in REVISIONS.items():
        made.write(name, revision.replace("SECONDS", f"{WORK:g}"))
    return made.path


_engines: WeakKeyDictionary[World, Engine] = WeakKeyDictionary()


def engine(world: World) -> Engine:
    """Return the scenario's own engine of a world's database: to make one costs as much as ten statements."""
    found = _engines.get(world)
    if found is None:
        found = _engines[world] = world.database.engine()
    return found


def run(world: World, *statements: str) -> None:
    """Run statements in one transaction, unexplored."""
    with world.calm(), engine(world).begin() as db:
        for statement in statements:
            db.execute(text(statement))


def rows(world: World, query: str) -> list[Any]:
    """Return the rows of a query, unexplored; none where there is no such table."""
    with world.calm(), engine(world).connect() as db:
        try:
            return list(db.execute(text(query)).all())
        except ProgrammingError:
            return []


def ask(world: World, instance: Instance, path: str) -> tuple[int, Any]:
    """Ask one instance, past the balancer, as a platform's probe does; return status and JSON, 0 where none came."""
    return ask_one(world, instance, httpx.Request("GET", f"http://{instance.name}{path}"), "platform", patience=1.0)
