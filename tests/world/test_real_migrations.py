"""The migrations of lesson 10_1, up and down with rows in the tables: simulated, and on a real PostgreSQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import database_fixtures
import jupytext
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fleetlab.exercises.schema_migrations.common import REVISIONS
from fleetlab.exercises.schema_migrations.releases import release
from fleetlab.world.migrations import Migrations

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Actor, Stage = database_fixtures.Actor, database_fixtures.Stage

LESSON = Path(__file__).parents[2] / "lessons" / "notebooks" / "10_1_schema_migrations.md"


def written(files: dict[str, str]) -> str:
    """Write revisions into a folder, without their long pauses; return its path."""
    made = Migrations()
    for name, code in files.items():
        made.write(name, re.sub(r"pg_sleep\(\w+\)", "pg_sleep(0.01)", code))
    return made.path


def of_the_lesson() -> dict[str, str]:
    """Return the revisions that the lesson's cells write: what stands in `folder.write(name, text)`."""
    cells = [cell.source for cell in jupytext.read(LESSON, fmt="md:myst").cells if cell.cell_type == "code"]
    calls = [node for cell in cells for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call)]
    found = [call.args for call in calls if ast.unparse(call.func) == "folder.write"]
    return {ast.literal_eval(name): ast.literal_eval(code) for name, code in found if isinstance(code, ast.Constant)}


def migrate(actor: Actor, path: str, change: Callable[..., Any], to: str) -> None:
    """Run Alembic's upgrade or downgrade over an actor's connection, and commit."""

    def act(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", path)
        change(config, to)

    actor.run(act)
    actor.commit()


def test_the_lesson_writes_its_revisions() -> None:
    """The lesson's revisions are found where its cells write them."""
    assert list(of_the_lesson()) == ["0001_orders.py", "0002_note.py", "0003_note_for_all.py"]


def test_lesson_up_and_down(database_stage: Stage) -> None:
    """The lesson's revisions go up, down and up again around three orders; their notes are lost on the way."""
    path, ada = written(of_the_lesson()), database_stage.actor()
    migrate(ada, path, command.upgrade, "0001")
    ada.run("INSERT INTO orders (item) VALUES ('tea'), ('milk'), ('salt')")
    ada.commit()
    migrate(ada, path, command.upgrade, "head")
    ada.run("UPDATE orders SET note = 'for ' || item")
    migrate(ada, path, command.downgrade, "0001")
    migrate(ada, path, command.upgrade, "head")
    assert ada.run("SELECT item, note FROM orders ORDER BY id") == [("tea", ""), ("milk", ""), ("salt", "")]
    migrate(ada, path, command.downgrade, "base")
    assert ada.run("SELECT * FROM alembic_version") == []


def test_lesson_dies_of_one_null(database_stage: Stage) -> None:
    """The lesson's last revision dies of one NULL among the notes, and changes nothing."""
    path, ada = written(of_the_lesson()), database_stage.actor()
    migrate(ada, path, command.upgrade, "0002")
    ada.run("INSERT INTO orders (item, note) VALUES ('tea', ''), ('soap', NULL)")
    ada.commit()
    with pytest.raises(sa.exc.IntegrityError, match='column "note" of relation "orders" contains null values'):
        migrate(ada, path, command.upgrade, "head")
    ada.rollback()
    assert ada.run("SELECT version_num FROM alembic_version") == [("0002",)]


def test_totals_up_and_down(database_stage: Stage) -> None:
    """The migration of who_migrates fills its table from the orders, and its way back drops it."""
    path, ada = written(REVISIONS), database_stage.actor()
    migrate(ada, path, command.upgrade, "0001")
    ada.run("CREATE SEQUENCE attempts")
    ada.run("INSERT INTO orders VALUES (1, 'ada', 1000), (2, 'ada', 500), (3, 'bob', 700)")
    ada.commit()
    for _ in range(2):
        migrate(ada, path, command.upgrade, "head")
        assert ada.run("SELECT customer, cents FROM totals ORDER BY customer") == [("ada", 1500), ("bob", 700)]
        migrate(ada, path, command.downgrade, "0001")
    assert ada.run("SELECT count(*) FROM orders") == [(3,)]
    assert ada.run("SELECT nextval('attempts')") == [(3,)]


CUSTOMERS = "INSERT INTO customers (name, email) VALUES ('ann', 'a@example.org'), ('ben', 'b@example.org')"
SHARED = "INSERT INTO customers (name, email) VALUES ('cem', 'a@example.org')"
NONE = "INSERT INTO customers (name) VALUES ('zoe')"


@pytest.mark.parametrize("name", ["index", "renamed", "not null", "unique", "late"])
def test_release_up_and_down(database_stage: Stage, name: str) -> None:
    """What rehearse is tried with goes up, down and up on rows that suit it."""
    path, ada = shortened(name), database_stage.actor()
    migrate(ada, path, command.upgrade, "0001")
    ada.run(CUSTOMERS)
    ada.commit()
    for change, to in ((command.upgrade, "head"), (command.downgrade, "0001"), (command.upgrade, "head")):
        migrate(ada, path, change, to)
    assert ada.run("SELECT name FROM customers ORDER BY name") == [("ann",), ("ben",)]


FAILS = [
    ("not null", NONE, ["head"], "23502"),
    ("late", NONE, ["head"], "23502"),
    ("unique", SHARED, ["head"], "23505"),
    ("no fax", CUSTOMERS, ["head", "0001"], "23502"),
    ("forgetful", CUSTOMERS, ["head", "0001", "head"], "42701"),
]


@pytest.mark.parametrize(("name", "rows", "path", "state"), FAILS, ids=[row[0] for row in FAILS])
def test_release_dies_of_its_rows(database_stage: Stage, name: str, rows: str, path: list[str], state: str) -> None:
    """Each bad release fails at the same step and with the same SQLSTATE on both servers, and stops half-way."""
    folder, ada = shortened(name), database_stage.actor()
    migrate(ada, folder, command.upgrade, "0001")
    ada.run(CUSTOMERS)
    if rows != CUSTOMERS:
        ada.run(rows)
    ada.commit()
    *done, last = path
    for to in done:
        migrate(ada, folder, command.downgrade if to == "0001" else command.upgrade, to)
    with pytest.raises(sa.exc.DBAPIError) as call:
        migrate(ada, folder, command.downgrade if last == "0001" else command.upgrade, last)
    assert call.value.orig.sqlstate == state  # type: ignore[attr-defined,union-attr]
    ada.rollback()
    assert ada.run("SELECT version_num FROM alembic_version") == [("0004" if last == "0001" else "0003",)]


def shortened(name: str) -> str:
    """Return the folder of one of rehearse's releases, without its long pauses."""
    found = release(name)
    made = Migrations()
    for file in ("env.py", *found.names):
        made.write(file, re.sub(r"pg_sleep\([\d.]+\)", "pg_sleep(0.01)", found.read(file)))
    return made.path
