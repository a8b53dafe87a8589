"""ALTER TABLE on a table with rows: the simulated database and a real PostgreSQL, each truth written once."""

from __future__ import annotations

import database_fixtures
import pytest
import sqlalchemy as sa

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Stage = database_fixtures.Stage

ORDERS = (
    "CREATE TABLE orders (id integer PRIMARY KEY, email text, state text DEFAULT 'new')",
    "CREATE INDEX by_email ON orders (email)",
    "INSERT INTO orders VALUES (1, 'ada@example.org', 'paid'), (2, NULL, 'new')",
)
SET, DROP = "ALTER TABLE orders ALTER COLUMN email SET NOT NULL", "ALTER TABLE orders ALTER COLUMN email DROP NOT NULL"
CHECK = "ALTER TABLE orders ADD CONSTRAINT known CHECK (email IS NOT NULL)"


def code(call: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the SQLSTATE of what was raised."""
    return call.value.orig.sqlstate  # type: ignore[attr-defined,no-any-return]


def test_not_null_is_tried_on_every_row(database_stage: Stage) -> None:
    """SET NOT NULL fails on one row with a NULL, in PostgreSQL's words, and leaves the column as it was."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    with pytest.raises(sa.exc.IntegrityError, match='column "email" of relation "orders" contains null values') as call:
        ada.run(SET)
    assert code(call) == "23502"
    ada.rollback()
    assert ada.run("INSERT INTO orders (id) VALUES (3)") == 1


def test_not_null_holds_once_it_is_set(database_stage: Stage) -> None:
    """After the backfill SET NOT NULL succeeds, binds every later row, and DROP NOT NULL takes it back."""
    database_stage.setup(*ORDERS)
    ada, bob = database_stage.actor(), database_stage.actor()
    assert bob.run("SELECT count(*) FROM orders") == [(2,)]  # bob's connection knows the old definition
    bob.commit()
    ada.run("UPDATE orders SET email = '' WHERE email IS NULL")
    ada.run(SET)
    ada.run(SET)
    ada.commit()
    with pytest.raises(sa.exc.IntegrityError, match='null value in column "email"'):
        bob.run("INSERT INTO orders (id) VALUES (3)")
    bob.rollback()
    ada.run(DROP)
    ada.commit()
    assert bob.run("INSERT INTO orders (id) VALUES (3)") == 1


def test_alterations_roll_back(database_stage: Stage) -> None:
    """What ALTER TABLE has changed is undone with its transaction."""
    database_stage.setup(*ORDERS)
    ada, bob = database_stage.actor(), database_stage.actor()
    ada.run("DELETE FROM orders WHERE email IS NULL")
    ada.run(SET)
    ada.run("ALTER TABLE orders ALTER COLUMN state DROP DEFAULT")
    ada.rollback()
    bob.run("INSERT INTO orders (id) VALUES (3)")
    assert bob.run("SELECT id, email, state FROM orders WHERE email IS NULL ORDER BY id") == [
        (2, None, "new"),
        (3, None, "new"),
    ]


def test_defaults(database_stage: Stage) -> None:
    """SET DEFAULT replaces a default for later rows, DROP DEFAULT removes it."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    ada.run("ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'open'")
    ada.run("INSERT INTO orders (id) VALUES (3)")
    ada.run("ALTER TABLE orders ALTER state DROP DEFAULT")
    ada.run("INSERT INTO orders (id) VALUES (4)")
    assert ada.run("SELECT state FROM orders ORDER BY id") == [("paid",), ("new",), ("open",), (None,)]


def test_column_goes_with_its_indexes(database_stage: Stage) -> None:
    """DROP COLUMN takes along the indexes on that column, and leaves the other columns and rows."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    ada.run("ALTER TABLE orders DROP COLUMN email")
    ada.commit()
    assert ada.run("SELECT * FROM orders ORDER BY id") == [(1, "paid"), (2, "new")]
    with pytest.raises(sa.exc.ProgrammingError) as call:
        ada.run("ALTER TABLE orders DROP COLUMN email")
    assert code(call) == "42703"
    ada.rollback()
    ada.run("ALTER TABLE orders DROP COLUMN IF EXISTS email")


def test_check_is_tried_on_every_row(database_stage: Stage) -> None:
    """ADD CONSTRAINT … CHECK fails on one row that violates it."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    with pytest.raises(sa.exc.IntegrityError, match='"known" of relation "orders" is violated by some row') as call:
        ada.run(CHECK)
    assert code(call) == "23514"


def test_check_not_valid_binds_new_rows_only(database_stage: Stage) -> None:
    """NOT VALID leaves old rows alone; VALIDATE tries them; DROP CONSTRAINT lets everything in again."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    ada.run(f"{CHECK} NOT VALID")
    ada.commit()
    with pytest.raises(sa.exc.IntegrityError, match='violates check constraint "known"'):
        ada.run("INSERT INTO orders (id) VALUES (3)")
    ada.rollback()
    with pytest.raises(sa.exc.IntegrityError, match="is violated by some row"):
        ada.run("ALTER TABLE orders VALIDATE CONSTRAINT known")
    ada.rollback()
    ada.run("DELETE FROM orders WHERE email IS NULL")
    ada.run("ALTER TABLE orders VALIDATE CONSTRAINT known")
    ada.run("ALTER TABLE orders DROP CONSTRAINT known")
    assert ada.run("INSERT INTO orders (id) VALUES (3)") == 1


MISSING = [
    ("ALTER TABLE nowhere ALTER COLUMN email SET NOT NULL", "42P01"),
    ("ALTER TABLE orders ALTER COLUMN nothing SET NOT NULL", "42703"),
    ("ALTER TABLE orders ALTER COLUMN id DROP NOT NULL", "42P16"),
    ("ALTER TABLE orders DROP CONSTRAINT nothing", "42704"),
    ("ALTER TABLE orders VALIDATE CONSTRAINT nothing", "42704"),
]


@pytest.mark.parametrize(("statement", "state"), MISSING, ids=[row[0] for row in MISSING])
def test_what_is_not_there(database_stage: Stage, statement: str, state: str) -> None:
    """A table, column or constraint that is not there is named with PostgreSQL's SQLSTATE."""
    database_stage.setup(*ORDERS)
    with pytest.raises(sa.exc.DBAPIError) as call:
        database_stage.actor().run(statement)
    assert code(call) == state


def test_unique_constraint_can_be_dropped(database_stage: Stage) -> None:
    """A unique constraint that ALTER TABLE has added is dropped by its name."""
    database_stage.setup(*ORDERS)
    ada = database_stage.actor()
    ada.run("ALTER TABLE orders ADD CONSTRAINT one_order UNIQUE (email)")
    ada.run("ALTER TABLE orders DROP CONSTRAINT one_order")
    assert ada.run("INSERT INTO orders VALUES (3, 'ada@example.org')") == 1
