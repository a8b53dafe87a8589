"""The database as its owner sees it, past every instance."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from fleetlab.world.world import World


def sql(world: World, statement: str, **values: Any) -> Any:
    """Run one statement by hand; return the first value that it finds, or None."""
    with world.database.engine().begin() as db:
        found = db.execute(text(statement), values)
        row = found.first() if found.returns_rows else None
    return row[0] if row is not None else None
