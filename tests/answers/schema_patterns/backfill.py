"""Answers to 10_2.backfill: the stub, what people really write, and what is right."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import text

COPY = "UPDATE items SET aisle = substr(place, 1, 1), shelf = CAST(substr(place, 3) AS integer)"
UNFIT = "place IS NOT NULL AND (aisle IS NULL OR shelf IS NULL OR place <> aisle || '-' || shelf)"
SET = "UPDATE items SET aisle = :aisle, shelf = :shelf WHERE id = :id"


def split(place: str) -> dict[str, Any]:
    """Return aisle and shelf of a place."""
    aisle, shelf = place.split("-")
    return {"aisle": aisle, "shelf": int(shelf)}


def run(engine: Any, statement: str, **values: Any) -> int:
    """Run one statement in one transaction; return how many rows it changed."""
    with engine.begin() as db:
        changed: int = db.execute(text(statement), values).rowcount
    return changed


def rows(engine: Any, query: str, **values: Any) -> list[Any]:
    """Return the rows of a query."""
    with engine.connect() as db:
        return list(db.execute(text(query), values))


def stub(engine: Any, size: int) -> None:
    """Fill all of them at once."""
    with engine.begin() as db:
        db.execute(text(COPY))


# -- wrong: too long


def savepoints(engine: Any, size: int) -> None:
    """Who makes a savepoint for each batch: the locks stay until the COMMIT."""
    with engine.begin() as db:
        last = 0
        while True:
            with db.begin_nested():
                found = db.execute(
                    text("SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size"), _at(last, size)
                )
                ids = [row.id for row in found]
                if not ids:
                    return
                db.execute(text(f"{COPY} WHERE id BETWEEN :first AND :last"), {"first": ids[0], "last": ids[-1]})
            last = ids[-1]


def _at(last: int, size: int) -> dict[str, int]:
    return {"last": last, "size": size}


def hundred(engine: Any, size: int) -> None:
    """Who knows that a hundred rows are a good batch."""
    while run(engine, f"{COPY} WHERE id IN (SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT 100)"):
        pass


def gentle(engine: Any, size: int) -> None:
    """Who gives the database a rest after each batch, before the COMMIT."""
    again = True
    while again:
        with engine.begin() as db:
            statement = f"{COPY} WHERE id IN (SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT :size)"
            again = db.execute(text(statement), {"size": size}).rowcount > 0
            time.sleep(1)


# -- wrong: rows are missed


def offset(engine: Any, size: int) -> None:
    """Who pages by OFFSET through rows that become fewer: every second page is skipped."""
    done = 0
    while True:
        statement = f"SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT :size OFFSET :done"
        ids = [row.id for row in rows(engine, statement, size=size, done=done)]
        if not ids:
            return
        run(engine, f"{COPY} WHERE id BETWEEN :first AND :last AND {UNFIT}", first=ids[0], last=ids[-1])
        done += len(ids)


def only_empty(engine: Any, size: int) -> None:
    """Who fills what is empty, and leaves what v1 has moved behind v2's back."""
    empty = "SELECT id FROM items WHERE aisle IS NULL AND place IS NOT NULL ORDER BY id LIMIT :size"
    while run(engine, f"{COPY} WHERE id IN ({empty})", size=size):
        pass


def stops_early(engine: Any, size: int) -> None:
    """Who stops at the first batch in which nothing was to be done."""
    last = 0
    while True:
        ids = [
            row.id
            for row in rows(engine, "SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        ]
        if not ids:
            return
        filled = run(engine, f"{COPY} WHERE id BETWEEN :a AND :b AND {UNFIT} AND aisle IS NULL", a=ids[0], b=ids[-1])
        if not filled:
            return
        last = ids[-1]


def count_of_ids(engine: Any, size: int) -> None:
    """Who takes the number of rows for the largest id."""
    (count,) = rows(engine, "SELECT count(*) FROM items")[0]
    for first in range(1, count + 1, size):
        run(engine, f"{COPY} WHERE id BETWEEN :a AND :b AND {UNFIT}", a=first, b=first + size - 1)


def promised_first(engine: Any, size: int) -> None:
    """Who notes how far the job is before the batch is committed."""
    run(engine, "CREATE TABLE IF NOT EXISTS progress (last INTEGER NOT NULL)")
    last = rows(engine, "SELECT coalesce(max(last), 0) FROM progress")[0][0]
    while True:
        ids = [
            row.id
            for row in rows(engine, "SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        ]
        if not ids:
            return
        last = ids[-1]
        run(engine, "INSERT INTO progress VALUES (:last)", last=last)
        run(engine, f"{COPY} WHERE id BETWEEN :a AND :b", a=ids[0], b=last)


def skip_locked(engine: Any, size: int) -> None:
    """Who leaves out what somebody else has locked, and takes an empty batch for the end."""
    while True:
        with engine.begin() as db:
            query = f"SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT :size FOR UPDATE SKIP LOCKED"
            ids = list(db.execute(text(query), {"size": size}).scalars())
            for item in ids:
                db.execute(text(f"{COPY} WHERE id = :id"), {"id": item})
        if not ids:
            return


def between_the_ranges(engine: Any, size: int) -> None:
    """Who leaves the ends of each range to the next one, which does the same."""
    (most,) = rows(engine, "SELECT max(id) FROM items")[0]
    for first in range(0, most, size):
        run(engine, f"{COPY} WHERE id > :a AND id < :b AND {UNFIT}", a=first, b=first + size)


# -- wrong: a newer value is overwritten


def read_then_write(engine: Any, size: int) -> None:
    """Who splits in Python: what was read may have changed when it is written."""
    last = 0
    while True:
        found = rows(engine, "SELECT id, place FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        if not found:
            return
        with engine.begin() as db:
            values = [{"id": row.id, **split(row.place)} for row in found if row.place]
            if values:
                db.execute(text(SET), values)
        last = found[-1].id


def in_one_transaction(engine: Any, size: int) -> None:
    """Who reads and writes in one transaction, and takes that for a lock."""
    last = 0
    while True:
        with engine.begin() as db:
            query = text("SELECT id, place FROM items WHERE id > :last ORDER BY id LIMIT :size")
            found = list(db.execute(query, _at(last, size)))
            values = [{"id": row.id, **split(row.place)} for row in found if row.place]
            if values:
                db.execute(text(SET), values)
        if not found:
            return
        last = found[-1].id


def place_too(engine: Any, size: int) -> None:
    """Who writes the whole row back, as an ORM may do."""
    whole = text("UPDATE items SET place = :place, aisle = :aisle, shelf = :shelf WHERE id = :id")
    while True:
        found = rows(engine, f"SELECT id, place FROM items WHERE {UNFIT} ORDER BY id LIMIT :size", size=size)
        if not found:
            return
        with engine.begin() as db:
            db.execute(whole, [{"id": row.id, "place": row.place, **split(row.place)} for row in found])


# -- wrong: from the beginning


def from_the_start(engine: Any, size: int) -> None:
    """Who keeps the last id in memory, and writes every row."""
    last = 0
    while True:
        ids = [
            row.id
            for row in rows(engine, "SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        ]
        if not ids:
            return
        run(engine, f"{COPY} WHERE id BETWEEN :a AND :b", a=ids[0], b=ids[-1])
        last = ids[-1]


def noted_at_the_end(engine: Any, size: int) -> None:
    """Who notes that the job is done, once it is."""
    run(engine, "CREATE TABLE IF NOT EXISTS done (at DOUBLE PRECISION)")
    if not rows(engine, "SELECT 1 FROM done"):
        from_the_start(engine, size)
        run(engine, "INSERT INTO done VALUES (:now)", now=time.time())


# -- wrong: it does not end well


def without_end(engine: Any, size: int) -> None:
    """Who goes on until nothing is NULL, and some things have no place."""
    while rows(engine, "SELECT 1 FROM items WHERE aisle IS NULL LIMIT 1"):
        run(engine, f"{COPY} WHERE id IN (SELECT id FROM items WHERE aisle IS NULL ORDER BY id LIMIT :size)", size=size)


def none_forgotten(engine: Any, size: int) -> None:
    """Who splits a place that is not there."""
    last = 0
    while True:
        found = rows(engine, "SELECT id, place FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        if not found:
            return
        with engine.begin() as db:
            for row in found:
                seen = {"id": row.id, "place": row.place, **split(row.place)}
                db.execute(text(f"{SET} AND place = :place"), seen)
        last = found[-1].id


def table_each_time(engine: Any, size: int) -> None:
    """Who makes the table of progress at each start."""
    run(engine, "CREATE TABLE progress (last INTEGER NOT NULL)")
    noted(engine, size)


# -- right


def unfit(engine: Any, size: int) -> None:
    """Take what does not fit, so many at a time, until there is none."""
    while run(engine, f"{COPY} WHERE id IN (SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT :size)", size=size):
        pass


def by_id(engine: Any, size: int) -> None:
    """Go through the ids, and change what does not fit."""
    last = 0
    while True:
        ids = [
            row.id
            for row in rows(engine, "SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        ]
        if not ids:
            return
        run(engine, f"{COPY} WHERE id BETWEEN :a AND :b AND {UNFIT}", a=ids[0], b=ids[-1])
        last = ids[-1]


def noted(engine: Any, size: int) -> None:
    """Keep the last id in the transaction of the batch."""
    run(engine, "CREATE TABLE IF NOT EXISTS progress (last INTEGER NOT NULL)")
    while True:
        with engine.begin() as db:
            last = db.execute(text("SELECT coalesce(max(last), 0) FROM progress")).scalar_one()
            ids = list(
                db.execute(
                    text("SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size"), _at(last, size)
                ).scalars()
            )
            if not ids:
                return
            db.execute(text(f"{COPY} WHERE id BETWEEN :a AND :b"), {"a": ids[0], "b": ids[-1]})
            db.execute(text("INSERT INTO progress VALUES (:last)"), {"last": ids[-1]})


def compare_and_set(engine: Any, size: int) -> None:
    """Split in Python, and write only where the place is still what was read."""
    last = 0
    while True:
        found = rows(engine, "SELECT id, place FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        if not found:
            return
        with engine.begin() as db:
            for row in found:
                if row.place is not None:
                    seen = {"id": row.id, "place": row.place, **split(row.place)}
                    db.execute(text(f"{SET} AND place = :place AND {UNFIT}"), seen)
        last = found[-1].id


def looked_at_again(engine: Any, size: int) -> None:
    """Split in Python, and write only where old and new still do not fit: whoever moves an item writes both."""
    last = 0
    while True:
        found = rows(engine, "SELECT id, place FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        if not found:
            return
        with engine.begin() as db:
            values = [{"id": row.id, **split(row.place)} for row in found if row.place]
            if values:
                db.execute(text(f"{SET} AND {UNFIT}"), values)
        last = found[-1].id


def for_update(engine: Any, size: int) -> None:
    """Lock the rows of a batch, split in Python, and write."""
    while True:
        with engine.begin() as db:
            query = text(f"SELECT id, place FROM items WHERE {UNFIT} ORDER BY id LIMIT :size FOR UPDATE")
            found = list(db.execute(query, {"size": size}))
            if not found:
                return
            db.execute(text(SET), [{"id": row.id, **split(row.place)} for row in found])


def ranges(engine: Any, size: int) -> None:
    """Go through ranges of ids, whether there is a row or not, with a rest after each."""
    (most,) = rows(engine, "SELECT coalesce(max(id), 0) FROM items")[0]
    for first in range(0, most + 1, size):
        run(engine, f"{COPY} WHERE id >= :a AND id < :b AND {UNFIT}", a=first, b=first + size)
        time.sleep(0.1)


def noted_after(engine: Any, size: int) -> None:
    """Note the last id after the batch: a crash between the two repeats one batch, which is harmless."""
    run(engine, "CREATE TABLE IF NOT EXISTS progress (last INTEGER NOT NULL)")
    while True:
        last = rows(engine, "SELECT coalesce(max(last), 0) FROM progress")[0][0]
        found = rows(engine, "SELECT id FROM items WHERE id > :last ORDER BY id LIMIT :size", **_at(last, size))
        if not found:
            return
        run(engine, f"{COPY} WHERE id BETWEEN :a AND :b", a=found[0].id, b=found[-1].id)
        run(engine, "INSERT INTO progress VALUES (:last)", last=found[-1].id)


def with_and_split_part(engine: Any, size: int) -> None:
    """One statement that begins with WITH, and PostgreSQL's own way to split a text."""
    change = f"""
        WITH batch AS (SELECT id FROM items WHERE {UNFIT} ORDER BY id LIMIT :size)
        UPDATE items SET aisle = split_part(place, '-', 1), shelf = CAST(split_part(place, '-', 2) AS integer)
        WHERE id IN (SELECT id FROM batch)
    """
    while run(engine, change, size=size):
        pass


STUB = (stub, "S10_2-LONG-LOCK")

WRONG = {
    "savepoints": (savepoints, "S10_2-LONG-LOCK"),
    "hundred": (hundred, "S10_2-LONG-LOCK"),
    "gentle": (gentle, "S10_2-WAITED"),
    "offset": (offset, "S10_2-MISSED"),
    "only_empty": (only_empty, "S10_2-MISSED"),
    "stops_early": (stops_early, "S10_2-MISSED"),
    "count_of_ids": (count_of_ids, "S10_2-MISSED"),
    "promised_first": (promised_first, "S10_2-MISSED"),
    "read_then_write": (read_then_write, "S10_2-OVERWRITTEN"),
    "in_one_transaction": (in_one_transaction, "S10_2-OVERWRITTEN"),
    "place_too": (place_too, "S10_2-OVERWRITTEN"),
    "from_the_start": (from_the_start, "S10_2-STARTS-OVER"),
    "noted_at_the_end": (noted_at_the_end, "S10_2-STARTS-OVER"),
    "without_end": (without_end, "S10_2-NEVER-ENDS"),
    "none_forgotten": (none_forgotten, "S10_2-JOB-FAILED"),
    "table_each_time": (table_each_time, "S10_2-JOB-FAILED"),
    "skip_locked": (skip_locked, "S10_2-MISSED"),
    "between_the_ranges": (between_the_ranges, "S10_2-MISSED"),
}

RIGHT = {
    "unfit": unfit,
    "by_id": by_id,
    "noted": noted,
    "compare_and_set": compare_and_set,
    "looked_at_again": looked_at_again,
    "for_update": for_update,
    "ranges": ranges,
    "noted_after": noted_after,
    "with_and_split_part": with_and_split_part,
}

REPLAYED = "in_one_transaction"
