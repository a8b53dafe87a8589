"""The migrations of lesson 10_2 and its lab, up and down with rows: simulated, and on a real PostgreSQL."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import database_fixtures
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from fleetlab.course.authoring import Target, notebook

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Actor, Stage = database_fixtures.Actor, database_fixtures.Stage

LESSONS = Path(__file__).parents[2] / "lessons"
LESSON = LESSONS / "notebooks" / "10_2_schema_patterns.md"
SOLUTION = LESSONS / "solutions" / "10_2_schema_patterns.md"
ITEMS = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, place TEXT NOT NULL)",
    "INSERT INTO items VALUES (1, 'A-7'), (2, 'B-12'), (3, 'C-30')",
)
PLACES = [(1, "A-7"), (2, "B-12"), (3, "C-30")]


def written(path: Path) -> dict[str, Any]:
    """Return what a source's cells define of migrations and SQL: functions that use `op`, and constants."""
    kept: list[ast.stmt] = []
    for cell in notebook(path.read_text("utf-8"), Target(path.name, "solution", "nowhere.ipynb", False)).cells:
        kept += [node for node in ast.parse(cell.source).body if is_kept(node)] if cell.cell_type == "code" else []
    space: dict[str, Any] = {}
    exec(compile(ast.Module(kept, []), path.name, "exec"), space)
    return space


def is_kept(node: ast.stmt) -> bool:
    """Tell whether a statement makes a migration or a constant of SQL, or imports what they use."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "alembic" in ast.unparse(node) or "sqlalchemy" in ast.unparse(node)
    if isinstance(node, ast.FunctionDef):
        return "op." in ast.unparse(node) and not node.args.args
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper()


def migrate(actor: Actor, change: Callable[[], Any]) -> None:
    """Run a migration over an actor's connection, and commit."""

    def act(connection: sa.Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            change()

    actor.run(act)
    actor.commit()


def columns(actor: Actor, table: str) -> set[tuple[str, bool]]:
    """Return the names of a table's columns, and whether they may be NULL."""
    found: list[set[tuple[str, bool]]] = []
    actor.run(lambda db: found.append({(c["name"], c["nullable"]) for c in sa.inspect(db).get_columns(table)}))
    actor.rollback()
    return found[0]


def test_lesson_up_and_down(database_stage: Stage) -> None:
    """Each schema of the lesson comes again on the way down, and its three orders are what they were."""
    lesson, ada = written(LESSON), database_stage.actor()
    migrate(ada, lesson["create"])
    up_and_down(ada, lesson["MIGRATIONS"], "orders")
    assert ada.run("SELECT id, item FROM orders ORDER BY id") == [(1, "tea"), (2, "milk"), (3, "salt")]


def test_lab_up_and_down(database_stage: Stage) -> None:
    """Each schema of the lab's solution comes again on the way down, and its three items are where they were."""
    ada = database_stage.actor()
    for statement in ITEMS:
        ada.run(statement)
    ada.commit()
    up_and_down(ada, written(SOLUTION)["MIGRATIONS"], "items")
    assert ada.run("SELECT id, place FROM items ORDER BY id") == PLACES


def up_and_down(ada: Actor, migrations: list[Any], table: str) -> None:
    """Go all the way up and all the way down, and compare the columns at each height."""
    seen = [columns(ada, table)]
    for up, _ in migrations:
        migrate(ada, up)
        seen.append(columns(ada, table))
    for _, down in reversed(migrations):
        seen.pop()
        migrate(ada, down)
        assert columns(ada, table) == seen[-1]


VERSIONS = {"v1": ("OLD", "OLD"), "v2": ("BOTH", "OLD"), "v3": ("BOTH", "NEW"), "v4": ("NEW", "NEW")}
STAIRCASE = ["v1", "v1 v2", "v2 v3", "v2 v3 v4", "v4"]


def test_staircase_of_the_lab(database_stage: Stage) -> None:
    """The versions of the lab's solution store and read on just those schemas of which the lesson says so."""
    lab, ada = written(SOLUTION), database_stage.actor()
    for statement in ITEMS:
        ada.run(statement)
    ada.commit()
    suited = []
    for change in [None, *(up for up, _ in lab["MIGRATIONS"])]:
        if change is not None:
            migrate(ada, change)
        suited.append(" ".join(name for name in VERSIONS if suits(ada, lab, name)))
    assert suited == STAIRCASE


def suits(ada: Actor, lab: dict[str, Any], name: str) -> bool:
    """Tell whether a version can store a new item, move an old one, and show both and a third; leave no trace."""
    write, read = (lab[f"{what}_{kind}"] for what, kind in zip(("WRITE", "READ"), VERSIONS[name], strict=True))
    try:
        for item, place in ((4, "D-4"), (1, "A-8")):
            ada.run(write, id=item, place=place, aisle=place[0], shelf=int(place[2:]))
        return sorted(ada.run(read)) == [(1, "A-8"), *PLACES[1:], (4, "D-4")]
    except (
        sa.exc.DBAPIError,
        TypeError,
    ):  # TypeError: some of what it shows is NULL, which nothing can be compared with
        return False
    finally:
        ada.rollback()


def test_backfill_of_the_lab(database_stage: Stage) -> None:
    """The lab's batch fills what is empty or stale, leaves what has no place, and changes nothing twice."""
    lab, ada = written(SOLUTION), database_stage.actor()
    ada.run("CREATE TABLE items (id INTEGER PRIMARY KEY, place TEXT, aisle TEXT, shelf INTEGER)")
    ada.run("INSERT INTO items VALUES (5, 'A-7', NULL, NULL), (9, 'B-2', 'C', 1), (12, NULL, NULL, NULL)")
    ada.run("INSERT INTO items VALUES (20, 'D-4', 'D', 4), (21, 'D-5', NULL, NULL)")
    assert ada.run(str(lab["PAGE"]), last=0, size=4) == [(5,), (9,), (12,), (20,)]
    for _ in range(2):
        ada.run(str(lab["FILL"]), first=5, last=20)
    found = [(5, "A", 7), (9, "B", 2), (12, None, None), (20, "D", 4), (21, None, None)]
    assert ada.run("SELECT id, aisle, shelf FROM items ORDER BY id") == found


def test_the_lesson_and_the_lab_have_four_migrations_each() -> None:
    """They are found where the cells define them."""
    assert [[up.__name__ for up, _ in written(path)["MIGRATIONS"]] for path in (LESSON, SOLUTION)] == [
        ["expand", "fill", "loosen", "contract"],
        ["expand", "migrate", "loosen", "contract"],
    ]
