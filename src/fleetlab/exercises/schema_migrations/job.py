"""What the job of a release has at hand: production, a scratch database, and the tests of the release in service."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from sqlalchemy import text

COPYING, TESTING = 3.0, 1.5
"""How long it takes to copy production, and to run the tests, in virtual seconds."""


@dataclass(frozen=True)
class Job:
    """What the job of a release has at hand: two databases, this release's folder, and the tests of the one before."""

    production: sa.Engine
    scratch: sa.Engine
    folder: str

    def config(self, engine: sa.Engine) -> Config:
        """Return what Alembic's commands take: this release's folder, and the database to work on."""
        made = Config(attributes={"engine": engine})
        made.set_main_option("script_location", self.folder)
        return made

    def wipe(self) -> None:
        """Leave nothing in the scratch database."""
        with sqlite3.connect(":memory:") as empty, self.scratch.connect() as target:
            empty.backup(_raw(target))

    def copy(self, rows: int | None = None, masked: bool = False) -> None:
        """Copy production's tables into the scratch database, which must be empty.

        `rows` is how many of each table, all without it; `masked` replaces what identifies people.
        """
        if sa.inspect(self.scratch).get_table_names():
            raise ValueError("copy() found tables in the scratch database: wipe it first.")
        time.sleep(COPYING)
        with self.production.connect() as source, self.scratch.connect() as target:
            _raw(source).backup(_raw(target))
        with self.scratch.begin() as db:
            if rows is not None:
                kept = "SELECT name FROM customers ORDER BY name LIMIT :rows"
                db.execute(text(f"DELETE FROM customers WHERE name NOT IN ({kept})"), {"rows": rows})  # noqa: S608
            if masked:
                db.execute(text("UPDATE customers SET email = name || '@masked.example'"))

    def smoke_test(self, engine: sa.Engine) -> None:
        """Do what the release in service does with its database; raises where any of it fails, and leaves no trace."""
        time.sleep(TESTING)
        with engine.connect() as db:
            db.execute(text("INSERT INTO customers (name, email) VALUES ('smoke', 'smoke@example.org')"))
            db.execute(text("SELECT name, email FROM customers")).all()
            db.rollback()


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.dbapi_connection
    raw: sqlite3.Connection = driver.session.raw
    return raw
