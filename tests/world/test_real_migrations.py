"""The migrations of lesson 10_1, up and down with rows in the tables: simulated, and on a real PostgreSQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import database_fixtures
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from course_sources import sources

from fleetlab.exercises.schema_migrations.common import REVISIONS, folder
from fleetlab.exercises.schema_migrations.releases import RELEASES, release
from fleetlab.world.migrations import Migrations

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Actor, Stage, columns = database_fixtures.Actor, database_fixtures.Stage, database_fixtures.columns

PAUSE = re.compile(r"pg_sleep\([\w.]+\)")


def shortened(made: Migrations) -> str:
    """Return the path of a copy of a folder, without its long pauses."""
    copy = Migrations()
    for name in ("env.py", *made.names):
        copy.write(name, PAUSE.sub("pg_sleep(0.01)", made.read(name)))
    return copy.path


def folders() -> dict[str, Migrations]:
    """Return the folders that the lesson's cells make, by name: what they write is carried out, and nothing else."""
    (code,) = [code for name, form, code in sources() if (name, form) == ("10_1_schema_migrations", "lesson")]
    space: dict[str, Any] = {}
    exec(compile(ast.Module([node for node in ast.parse(code).body if is_kept(node)], []), "10_1", "exec"), space)
    return {name: made for name, made in space.items() if isinstance(made, Migrations)}


def is_kept(node: ast.stmt) -> bool:
    """Tell whether a statement of a cell imports or makes a folder of migrations, writes into it or reads from it."""
    kinds = ast.Import | ast.ImportFrom | ast.Assign | ast.Expr
    return isinstance(node, kinds) and bool(re.search(r"Migrations(\(\)|$)|\.(write|read)\(", ast.unparse(node)))


FOLDERS = folders()


def migrate(actor: Actor, path: str, change: Callable[..., Any], to: str) -> None:
    """Run Alembic's upgrade or downgrade over an actor's connection, and commit."""

    def act(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", path)
        change(config, to)

    actor.run(act)
    actor.commit()


def test_every_revision_is_run() -> None:
    """A revision that a lesson, a solution or an exercise gains stands in a folder that a test here goes through."""
    run = {made.read(name).strip() for made in FOLDERS.values() for name in made.names}
    run |= {text.strip() for text in REVISIONS.values()}
    assert [(name, text[:60]) for name, text in revisions() if text not in run and "{up}" not in text] == []


def test_revisions_are_found() -> None:
    """They are found where they stand: as texts of the lesson and of two modules, one of them a form to fill in."""
    found = [name for name, _ in revisions()]
    assert {name: found.count(name) for name in found} == {
        "10_1_schema_migrations": 5,
        "schema_migrations/common.py": 2,
        "schema_migrations/releases.py": 1,
    }
    assert list(FOLDERS) == ["folder", "edited", "renaming", "before", "careful"]


def revisions() -> list[tuple[str, str]]:
    """Return every revision that a source holds as a text, with the source's name."""
    return [
        (name, node.value.strip())
        for name, _, code in sources()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "def upgrade(" in node.value
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_lesson_up_and_down(database_stage: Stage, name: str) -> None:
    """Each folder of the lesson goes up, down and up, revision by revision, around three orders, which it keeps."""
    path, ada, seen = shortened(FOLDERS[name]), database_stage.actor(), []
    rest = FOLDERS[name].names[1:]
    migrate(ada, path, command.upgrade, "+1")
    ada.run("INSERT INTO orders (item) VALUES ('tea'), ('milk'), ('salt')")
    kept = ada.run("SELECT * FROM orders ORDER BY id")
    ada.commit()
    for _ in rest:
        seen.append(columns(ada, "orders"))
        migrate(ada, path, command.upgrade, "+1")
    for _ in rest:
        migrate(ada, path, command.downgrade, "-1")
        assert columns(ada, "orders") == seen.pop()
    assert ada.run("SELECT * FROM orders ORDER BY id") == kept
    migrate(ada, path, command.upgrade, "head")
    assert ada.run("SELECT count(*) FROM orders") == [(3,)]
    migrate(ada, path, command.downgrade, "base")
    assert ada.run("SELECT * FROM alembic_version") == []


NOTES = {"folder": ["", "", ""], "careful": ["for tea", "for milk", "for salt"]}


@pytest.mark.parametrize("name", NOTES)
def test_notes_on_the_way_down_and_up(database_stage: Stage, name: str) -> None:
    """The notes are lost on the way, unless the downgrade puts them aside."""
    path, ada = shortened(FOLDERS[name]), database_stage.actor()
    migrate(ada, path, command.upgrade, "0002")
    ada.run("INSERT INTO orders (item) VALUES ('tea'), ('milk'), ('salt')")
    ada.run("UPDATE orders SET note = 'for ' || item")
    migrate(ada, path, command.downgrade, "0001")
    migrate(ada, path, command.upgrade, "0002")
    assert [note for (note,) in ada.run("SELECT note FROM orders ORDER BY id")] == NOTES[name]


def test_lesson_dies_of_one_null(database_stage: Stage) -> None:
    """The lesson's last revision dies of one NULL among the notes, and changes nothing."""
    path, ada = shortened(FOLDERS["folder"]), database_stage.actor()
    migrate(ada, path, command.upgrade, "0002")
    ada.run("INSERT INTO orders (item, note) VALUES ('tea', ''), ('soap', NULL)")
    ada.commit()
    with pytest.raises(sa.exc.IntegrityError, match='column "note" of relation "orders" contains null values'):
        migrate(ada, path, command.upgrade, "head")
    ada.rollback()
    assert ada.run("SELECT version_num FROM alembic_version") == [("0002",)]


def test_totals_up_and_down(database_stage: Stage) -> None:
    """The migration of who_migrates fills its table from the orders, and its way back drops it."""
    path, ada = shortened(Migrations(folder())), database_stage.actor()
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
FAILS = [
    ("not null", NONE, ["head"], "23502"),
    ("late", NONE, ["head"], "23502"),
    ("unique", SHARED, ["head"], "23505"),
    ("no fax", CUSTOMERS, ["head", "0001"], "23502"),
    ("forgetful", CUSTOMERS, ["head", "0001", "head"], "42701"),
]
GOES_BACK = [name for name in RELEASES if not any(row[:2] == (name, CUSTOMERS) for row in FAILS)]


@pytest.mark.parametrize("name", GOES_BACK)
def test_release_up_and_down(database_stage: Stage, name: str) -> None:
    """What rehearse is tried with goes up, down and up on rows that suit it."""
    path, ada = shortened(release(name)), database_stage.actor()
    migrate(ada, path, command.upgrade, "0001")
    ada.run(CUSTOMERS)
    ada.commit()
    for change, to in ((command.upgrade, "head"), (command.downgrade, "0001"), (command.upgrade, "head")):
        migrate(ada, path, change, to)
    assert ada.run("SELECT name FROM customers ORDER BY name") == [("ann",), ("ben",)]


@pytest.mark.parametrize(("name", "rows", "path", "state"), FAILS, ids=[row[0] for row in FAILS])
def test_release_dies_of_its_rows(database_stage: Stage, name: str, rows: str, path: list[str], state: str) -> None:
    """Each bad release fails at the same step and with the same SQLSTATE on both servers, and stops half-way."""
    folder, ada = shortened(release(name)), database_stage.actor()
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
