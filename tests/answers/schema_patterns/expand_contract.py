"""Answers to 10_2.expand_contract: the stub, what people really write, and what is right."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from flask import Flask, request
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from fleetlab.exercises.schema_patterns.common import READ_OLD, WRITE_OLD, warehouse

WRITE_BOTH = """
    INSERT INTO items (id, place, aisle, shelf) VALUES (:id, :place, :aisle, :shelf)
    ON CONFLICT (id) DO UPDATE SET place = :place, aisle = :aisle, shelf = :shelf
"""
WRITE_NEW = """
    INSERT INTO items (id, aisle, shelf) VALUES (:id, :aisle, :shelf)
    ON CONFLICT (id) DO UPDATE SET aisle = :aisle, shelf = :shelf
"""
READ_NEW = "SELECT id, aisle || '-' || shelf FROM items"
COPY = "UPDATE items SET aisle = substr(place, 1, 1), shelf = CAST(substr(place, 3) AS integer)"


def v2(env: Any) -> Flask:
    """Write both, read the old."""
    return warehouse(env, WRITE_BOTH, READ_OLD)


def v3(env: Any) -> Flask:
    """Write both, read the new."""
    return warehouse(env, WRITE_BOTH, READ_NEW)


def v4(env: Any) -> Flask:
    """Write the new, read the new."""
    return warehouse(env, WRITE_NEW, READ_NEW)


def expand() -> None:
    """Two columns more, which may be NULL."""
    op.add_column("items", sa.Column("aisle", sa.Text))
    op.add_column("items", sa.Column("shelf", sa.Integer))


def copy() -> None:
    """Fill the new columns of every row from the old one."""
    op.execute(COPY)


def tighten() -> None:
    """Let nobody forget the new columns."""
    op.alter_column("items", "aisle", nullable=False)
    op.alter_column("items", "shelf", nullable=False)


def migrate() -> None:
    """Fill the new columns, and let nobody forget them."""
    copy()
    tighten()


def loosen() -> None:
    """Who writes no place from now on may."""
    op.alter_column("items", "place", nullable=True)


def contract() -> None:
    """The old column goes."""
    op.drop_column("items", "place")


def both(*changes: Any) -> Any:
    """Return one migration made of several."""

    def change() -> None:
        for one in changes:
            one()

    return change


def split() -> None:
    """All of it at once."""
    expand()
    migrate()
    contract()


STEPS = ((expand, v2), (migrate, v3), (loosen, v4), (contract, v4))


def second(env: Any) -> Flask:
    """The only other version that there is: write the new, read the new."""
    return warehouse(env, WRITE_NEW, READ_NEW)


second.__name__ = "v2"
STUB_ANSWER = ((split, second),)


# -- wrong: a request fails

early = ((expand, v2), (migrate, v3), (contract, v4))
"""Who drops the column in the release whose code has just stopped to need it: the one before still writes it."""

forgetful = ((expand, v2), (migrate, v3), (None, v4), (contract, v4))
"""Who forgets that the old column is NOT NULL, and stops filling it."""

strict = ((both(expand, migrate), v2), (migrate, v3), (loosen, v4), (contract, v4))
"""Who fills the new columns and makes them NOT NULL at once: the version in service does not know them."""


def two_statements(env: Any) -> Flask:
    """Write both in two statements of one transaction: for a moment the new columns of a new row are NULL."""
    app = warehouse(env, WRITE_OLD, READ_OLD)

    def save(item: int) -> Any:
        place = request.get_json()["place"]
        with env.database.begin() as db:
            db.execute(text(WRITE_OLD), {"id": item, "place": place})
            db.execute(text(f"{COPY} WHERE id = :id"), {"id": item})
        return {"place": place}

    app.view_functions["save"] = save
    return app


null_for_a_moment = ((expand, two_statements), (migrate, v3), (loosen, v4), (contract, v4))
"""Who makes the columns NOT NULL, which PostgreSQL checks at each statement and not at COMMIT."""


def waiting(env: Any) -> Flask:
    """Who answers 503 until the schema is what it should be, so that nothing can go wrong."""
    app = v2(env)

    @app.before_request
    def ready() -> Any:
        columns = {column["name"] for column in sa.inspect(env.database).get_columns("items")}
        return None if "place" in columns else ({"error": "back in a minute"}, 503)

    return app


maintenance = ((expand, v2), (migrate, waiting), (contract, v4))
"""Who closes the warehouse while the column goes."""


def asking(env: Any) -> Flask:
    """Who looks at each request which columns there are: they change between the look and the write."""
    app = v3(env)

    def save(item: int) -> Any:
        place = request.get_json()["place"]
        aisle, shelf = place.split("-")
        row = {"id": item, "place": place, "aisle": aisle, "shelf": int(shelf)}
        columns = {column["name"] for column in sa.inspect(env.database).get_columns("items")}
        with env.database.begin() as db:
            db.execute(text(WRITE_BOTH if "place" in columns else WRITE_NEW), row)
        return {"place": place}

    app.view_functions["save"] = save
    return app


looking_first = ((expand, v2), (migrate, asking), (contract, v4))
"""Who saves a release by an app that suits both schemas, and asks first which of them it is."""


def new_table() -> None:
    """Make the table anew, and give it the old one's name: all at once, under another word."""
    op.execute("CREATE TABLE items_new (id INTEGER PRIMARY KEY, aisle TEXT NOT NULL, shelf INTEGER NOT NULL)")
    shelf = "CAST(split_part(place, '-', 2) AS integer)"
    op.execute(f"INSERT INTO items_new SELECT id, split_part(place, '-', 1), {shelf} FROM items")
    op.execute("DROP TABLE items")
    op.execute("ALTER TABLE items_new RENAME TO items")


swapped = ((new_table, second),)
"""Who copies the table and swaps the two, as tools for large tables do; those keep the columns, though."""


# -- wrong: the migration


def not_null() -> None:
    """NOT NULL without a default, as the model says: there are rows already."""
    op.add_column("items", sa.Column("aisle", sa.Text, nullable=False))
    op.add_column("items", sa.Column("shelf", sa.Integer, nullable=False))


no_default = ((not_null, v2), (copy, v3), (loosen, v4), (contract, v4))
"""Who lets Alembic write the migration from the model."""

too_soon = ((both(expand, tighten), v2), (copy, v3), (loosen, v4), (contract, v4))
"""Who makes the columns NOT NULL before anything is in them."""

twice = ((expand, v2), (both(expand, migrate), v3), (loosen, v4), (contract, v4))
"""Who copies the first migration and forgets to take its lines out."""


# -- wrong: old rows


early_reader = ((expand, v3), (migrate, v3), (loosen, v4), (contract, v4))
"""Who reads the new columns as soon as they are there, before anything has been copied."""


def defaults() -> None:
    """Two columns more, NOT NULL at once, thanks to a default that is no place."""
    op.add_column("items", sa.Column("aisle", sa.Text, nullable=False, server_default="A"))
    op.add_column("items", sa.Column("shelf", sa.Integer, nullable=False, server_default="0"))


never_copied = ((defaults, v2), (None, v3), (loosen, v4), (contract, v4))
"""Who thinks that a default is a migration of the data."""


# -- wrong: no way back

no_dual_write = ((both(expand, copy), v4), (contract, v4))
"""Who adds and copies, and then goes over in one step."""

no_dual_write_either = ((both(expand, copy, loosen), v4), (contract, v4))
"""The same, with a place that may be NULL: nothing fails, and nobody sees what the others store."""

skipping = ((expand, v2), (both(migrate, loosen), v4), (contract, v4))
"""Who saves the third release: the new version writes the new columns only, and the one before reads the old."""


def update_forgets(env: Any) -> Flask:
    """Who writes both in the INSERT, and not in the UPDATE."""
    half = WRITE_BOTH.replace("place = :place, aisle", "aisle")
    return warehouse(env, half, READ_NEW)


half_dual_write = ((expand, v2), (migrate, update_forgets), (loosen, v4), (contract, v4))
"""Whose version that reads the new forgets the old one when something is moved."""


# -- wrong: a write is lost

copied_early = ((both(expand, copy), v2), (tighten, v3), (loosen, v4), (contract, v4))
"""Who copies in the first release: what v1 stores later is in the old column only."""

copied_early_lax = ((both(expand, copy), v2), (None, v3), (both(loosen, copy, tighten), v4), (contract, v4))
"""The same, with NOT NULL later on."""


def where_null() -> None:
    """Fill what is empty: v1 has moved things behind v2's back, and there the new columns are full and wrong."""
    op.execute(f"{COPY} WHERE aisle IS NULL")
    tighten()


only_empty = ((expand, v2), (where_null, v3), (loosen, v4), (contract, v4))
"""Who copies only rows whose new columns are NULL, as every example does."""


def new_first(env: Any) -> Flask:
    """Who reads the new column where there is one, and else the old."""
    return warehouse(env, WRITE_BOTH, "SELECT id, coalesce(aisle || '-' || shelf, place) FROM items")


coalesced = ((expand, new_first), (migrate, v3), (loosen, v4), (contract, v4))
"""Who trusts the new column while v1 is still writing the old one alone."""


def insert_only(env: Any) -> Flask:
    """Who thinks of the new columns where a row is made, and not where it is changed."""
    return warehouse(env, WRITE_BOTH.replace(", aisle = :aisle, shelf = :shelf", ""), READ_OLD)


changes_forgotten = ((expand, insert_only), (migrate, v3), (loosen, v4), (contract, v4))
"""Who writes both on INSERT alone."""


def one_by_one() -> None:
    """Who copies in Python, where splitting is easy: what is read may have changed when it is written."""
    db = op.get_bind()
    for item, place in db.execute(text(READ_OLD)).all():
        aisle, shelf = place.split("-")
        row = {"id": item, "aisle": aisle, "shelf": int(shelf)}
        db.execute(text("UPDATE items SET aisle = :aisle, shelf = :shelf WHERE id = :id"), row)
    tighten()


in_python = ((expand, v2), (one_by_one, v3), (loosen, v4), (contract, v4))
"""Whose copy reads and writes apart."""


# -- wrong: two truths


def apart(env: Any, read: str = READ_OLD) -> Flask:
    """Who writes the old and the new in two transactions."""
    app = warehouse(env, WRITE_OLD, read)

    def save(item: int) -> Any:
        place = request.get_json()["place"]
        aisle, shelf = place.split("-")
        row = {"id": item, "place": place, "aisle": aisle, "shelf": int(shelf)}
        with env.database.begin() as db:
            db.execute(text(WRITE_OLD), row)
        with env.database.begin() as db:
            db.execute(text("UPDATE items SET aisle = :aisle, shelf = :shelf WHERE id = :id"), row)
        return {"place": place}

    app.view_functions["save"] = save
    return app


two_transactions = ((expand, apart), (copy, v3), (both(loosen, tighten), v4), (contract, v4))
"""Who dies between the two."""


def locked(env: Any) -> Flask:
    """Who puts a lock around the two transactions: it keeps others out, and makes nothing whole."""
    app = apart(env)
    save = app.view_functions["save"]

    def alone(item: int) -> Any:
        with env.redis.lock("items", timeout=10):
            return save(item)

    app.view_functions["save"] = alone
    return app


under_a_lock = ((expand, locked), (copy, v3), (both(loosen, tighten), v4), (contract, v4))
"""The same, one at a time."""


# -- wrong: not split

never_contracted = STEPS[:3]
"""Who leaves the old column there: it is wrong from the next write on, and somebody will read it."""

nullable = ((expand, v2), (copy, v3), (loosen, v4), (contract, v4))
"""Who forgets NOT NULL."""


def unchanged(env: Any) -> Flask:
    """Write the old, read the old."""
    return warehouse(env, WRITE_OLD, READ_OLD)


nothing = ((None, unchanged),)
"""Who dares nothing: the same again."""


def all_in_aisle(env: Any) -> Flask:
    """Who has two columns, and all of it in one of them."""
    write = WRITE_NEW.replace(":aisle", ":place").replace(":shelf", "0")
    return warehouse(env, write, "SELECT id, aisle FROM items")


def copy_place() -> None:
    """Copy the place as it is."""
    op.execute("UPDATE items SET aisle = place, shelf = 0")
    tighten()
    loosen()


def both_in_aisle(env: Any) -> Flask:
    """Write both, and the new as the old."""
    return warehouse(env, WRITE_BOTH.replace(":aisle", ":place").replace(":shelf", "0"), READ_OLD)


def reads_aisle(env: Any) -> Flask:
    """Write both, and the new as the old; read the new."""
    write = WRITE_BOTH.replace(":aisle", ":place").replace(":shelf", "0")
    return warehouse(env, write, "SELECT id, aisle FROM items")


not_split = ((expand, both_in_aisle), (copy_place, reads_aisle), (None, all_in_aisle), (contract, all_in_aisle))
"""Who gives the column another name, and another column beside it."""


# -- right

early_loosen = ((expand, v2), (both(migrate, loosen), v3), (None, v4), (contract, v4))
"""The old column's NOT NULL goes with the second release: a release more or less for that is the same."""

with_default = (
    (both(expand, lambda: op.alter_column("items", "place", server_default="")), v2),
    (migrate, v3),
    (None, v4),
    (contract, v4),
)
"""The old column gets a default instead."""

slow = ((expand, unchanged), (None, v2), (copy, v2), (tighten, v3), (loosen, v3), (None, v4), (contract, v4))
"""One step a release."""


def select_for_update() -> None:
    """Copy in Python, with each row locked from the look to the write."""
    db = op.get_bind()
    for item, place in db.execute(text(f"{READ_OLD} FOR UPDATE")).all():
        aisle, shelf = place.split("-")
        row = {"id": item, "aisle": aisle, "shelf": int(shelf)}
        db.execute(text("UPDATE items SET aisle = :aisle, shelf = :shelf WHERE id = :id"), row)
    tighten()


in_python_locked = ((expand, v2), (select_for_update, v3), (loosen, v4), (contract, v4))


def only_different() -> None:
    """Copy where old and new differ, which finds the empty ones and those that v1 has changed."""
    op.execute(f"{COPY} WHERE aisle IS NULL OR place <> aisle || '-' || shelf")
    tighten()


where_different = ((expand, v2), (only_different, v3), (loosen, v4), (contract, v4))


one_transaction = ((expand, two_statements), (copy, v3), (both(loosen, tighten), v4), (contract, v4))


def tolerant(env: Any) -> Flask:
    """Write both, or the new alone where the old column has gone."""
    app = v3(env)

    def save(item: int) -> Any:
        place = request.get_json()["place"]
        aisle, shelf = place.split("-")
        row = {"id": item, "place": place, "aisle": aisle, "shelf": int(shelf)}
        try:
            with env.database.begin() as db:
                db.execute(text(WRITE_BOTH), row)
        except ProgrammingError:
            with env.database.begin() as db:
                db.execute(text(WRITE_NEW), row)
        return {"place": place}

    app.view_functions["save"] = save
    return app


def either(env: Any) -> Flask:
    """Write both; read the old where it is filled, else the new."""
    return warehouse(env, WRITE_BOTH, "SELECT id, coalesce(place, aisle || '-' || shelf) FROM items")


def emptying(env: Any) -> Flask:
    """Write the new, and empty the old, so that whoever prefers it finds the new."""
    write = WRITE_BOTH.replace(":place", "NULL")
    return warehouse(env, write, READ_NEW)


emptied = ((expand, either), (both(migrate, loosen), emptying), (None, v4), (contract, v4))
"""The old column is emptied in place of being written on."""

by_trying = ((expand, v2), (migrate, tolerant), (contract, v4))
"""An app that suits both schemas saves a release, and has code that nobody will dare to remove."""

STUB = (STUB_ANSWER, "S10_2-FAILED-REQUEST")

WRONG = {
    "early": (early, "S10_2-FAILED-REQUEST"),
    "forgetful": (forgetful, "S10_2-FAILED-REQUEST"),
    "strict": (strict, "S10_2-FAILED-REQUEST"),
    "null_for_a_moment": (null_for_a_moment, "S10_2-FAILED-REQUEST"),
    "maintenance": (maintenance, "S10_2-FAILED-REQUEST"),
    "swapped": (swapped, "S10_2-FAILED-REQUEST"),
    "looking_first": (looking_first, "S10_2-FAILED-REQUEST"),
    "no_dual_write": (no_dual_write, "S10_2-FAILED-REQUEST"),
    "no_default": (no_default, "S10_2-MIGRATION-FAILED"),
    "too_soon": (too_soon, "S10_2-MIGRATION-FAILED"),
    "twice": (twice, "S10_2-MIGRATION-FAILED"),
    "early_reader": (early_reader, "S10_2-OLD-ROWS"),
    "never_copied": (never_copied, "S10_2-OLD-ROWS"),
    "no_dual_write_either": (no_dual_write_either, "S10_2-NO-WAY-BACK"),
    "skipping": (skipping, "S10_2-NO-WAY-BACK"),
    "half_dual_write": (half_dual_write, "S10_2-NO-WAY-BACK"),
    "copied_early": (copied_early, "S10_2-MIGRATION-FAILED"),
    "copied_early_lax": (copied_early_lax, "S10_2-LOST-WRITE"),
    "only_empty": (only_empty, "S10_2-LOST-WRITE"),
    "coalesced": (coalesced, "S10_2-LOST-WRITE"),
    "changes_forgotten": (changes_forgotten, "S10_2-LOST-WRITE"),
    "in_python": (in_python, "S10_2-LOST-WRITE"),
    "two_transactions": (two_transactions, "S10_2-TWO-TRUTHS"),
    "under_a_lock": (under_a_lock, "S10_2-TWO-TRUTHS"),
    "never_contracted": (never_contracted, "S10_2-NOT-SPLIT"),
    "nullable": (nullable, "S10_2-NOT-SPLIT"),
    "not_split": (not_split, "S10_2-NOT-SPLIT"),
    "nothing": (nothing, "S10_2-NOT-SPLIT"),
}

RIGHT = {
    "solution": STEPS,
    "early_loosen": early_loosen,
    "with_default": with_default,
    "slow": slow,
    "in_python_locked": in_python_locked,
    "where_different": where_different,
    "one_transaction": one_transaction,
    "emptied": emptied,
    "by_trying": by_trying,
}

REPLAYED = "in_python"
