"""The migrations of lesson 10_2 and its lab, up and down with rows: simulated, and on a real PostgreSQL."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import database_fixtures
import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from course_sources import sources

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Actor, Stage, columns = database_fixtures.Actor, database_fixtures.Stage, database_fixtures.columns

LESSON, SOLUTION, LAB = (("10_2_schema_patterns", form) for form in ("lesson", "solution", "lab"))
ITEMS = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, place TEXT NOT NULL)",
    "INSERT INTO items VALUES (1, 'A-7'), (2, 'B-12'), (3, 'C-30')",
)
PLACES = [(1, "A-7"), (2, "B-12"), (3, "C-30")]


def written(source: tuple[str, str]) -> dict[str, Any]:
    """Return what a source's cells define of migrations and SQL: functions that use `op`, and constants."""
    (code,) = [code for *found, code in sources() if tuple(found) == source]
    space: dict[str, Any] = {}
    exec(compile(ast.Module([node for node in ast.parse(code).body if is_kept(node)], []), source[0], "exec"), space)
    return space


def is_kept(node: ast.stmt) -> bool:
    """Tell whether a statement makes a migration or a constant of SQL, or imports what they use."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "alembic" in ast.unparse(node) or "sqlalchemy" in ast.unparse(node)
    if isinstance(node, ast.FunctionDef):
        return uses_op(node) and not node.args.args
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper()


def uses_op(node: ast.AST) -> bool:
    """Tell whether something calls a function of Alembic's `op`."""
    return any(isinstance(part, ast.Attribute) and ast.unparse(part.value) == "op" for part in ast.walk(node))


def migrate(actor: Actor, change: Callable[[], Any]) -> None:
    """Run a migration over an actor's connection, and commit."""

    def act(connection: sa.Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            change()

    actor.run(act)
    actor.commit()


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
    assert [[up.__name__ for up, _ in written(source)["MIGRATIONS"]] for source in (LESSON, SOLUTION)] == [
        ["expand", "fill", "loosen", "contract"],
        ["expand", "migrate", "loosen", "contract"],
    ]


OTHER_SALE = "UPDATE orders SET product = 'soap' WHERE id = 1"
ALONE = {
    "rename": ([], ["id", "product"], [(1, "tea"), (2, "milk"), (3, "salt")]),
    "fill_empty": (
        ["expand", OTHER_SALE],
        ["id", "item", "product?"],
        [(1, "tea", "soap"), (2, "milk", "milk"), (3, "salt", "salt")],
    ),
    "loosen_in_batch": (
        ["expand", "fill"],
        ["id", "item?", "product"],
        [(1, "tea", "tea"), (2, "milk", "milk"), (3, "salt", "salt")],
    ),
}
"""The lesson's migrations that are in no pair: what comes before, and which columns (`?` may be NULL) and rows then."""


@pytest.mark.parametrize("name", ALONE)
def test_migrations_of_the_lesson_without_a_way_back(database_stage: Stage, name: str) -> None:
    """Each changes what it says of a table with three orders."""
    lesson, ada = written(LESSON), database_stage.actor()
    before, after, rows = ALONE[name]
    migrate(ada, lesson["create"])
    for step in before:
        migrate(ada, lesson[step] if step in lesson else lambda step=step: lesson["op"].execute(step))
    migrate(ada, lesson[name])
    assert sorted(column + "?" * nullable for column, nullable in columns(ada, "orders")) == after
    assert ada.run("SELECT * FROM orders ORDER BY id") == rows


def test_split_of_the_lab(database_stage: Stage) -> None:
    """What the lab begins with, all in one release, divides the places of three items."""
    ada = database_stage.actor()
    for statement in ITEMS:
        ada.run(statement)
    ada.commit()
    migrate(ada, written(LAB)["split"])
    assert ada.run("SELECT id, aisle, shelf FROM items ORDER BY id") == [(1, "A", 7), (2, "B", 12), (3, "C", 30)]
    assert columns(ada, "items") == {("id", False), ("aisle", False), ("shelf", False)}


def test_every_migration_is_run() -> None:
    """A function with `op` that a lesson, a solution, a lab or an exercise gains is one that a test here runs."""
    run = {(*LAB, "split"), *((*LESSON, name) for name in ("create", *ALONE))}
    for source in (LESSON, SOLUTION):
        run |= {(*source, change.__name__) for pair in written(source)["MIGRATIONS"] for change in pair}
    found = {
        (*source, node.name)
        for *source, code in sources()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef) and uses_op(node)
    }
    assert found == run
