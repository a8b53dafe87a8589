"""Answers to 10_2.api_versions: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from flask import Flask, redirect, request
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

MOVE = """
    INSERT INTO items (id, aisle, shelf) VALUES (:id, :aisle, :shelf)
    ON CONFLICT (id) DO UPDATE SET aisle = :aisle, shelf = :shelf
"""
SAVE = """
    INSERT INTO items (id, aisle, shelf, fragile) VALUES (:id, :aisle, :shelf, :fragile)
    ON CONFLICT (id) DO UPDATE SET aisle = :aisle, shelf = :shelf, fragile = :fragile
"""
READ = "SELECT aisle, shelf, fragile FROM items WHERE id = :id"
UNKNOWN = {"error": "unknown"}, 404


def split(place: str) -> dict[str, Any]:
    """Return aisle and shelf of a place of v1."""
    aisle, shelf = place.split("-")
    return {"aisle": aisle, "shelf": int(shelf)}


def run(env: Any, statement: str, **values: Any) -> None:
    """Run one statement in one transaction."""
    with env.database.begin() as db:
        db.execute(text(statement), values)


def read(env: Any, item: int) -> Any:
    """Return an item's row, or None."""
    with env.database.connect() as db:
        return db.execute(text(READ), {"id": item}).one_or_none()


def view_1(row: Any) -> Any:
    """Return an item as v1 shows it."""
    return {"place": f"{row.aisle}-{row.shelf}"}


def view_2(row: Any) -> Any:
    """Return an item as v2 shows it."""
    return {"place": {"aisle": row.aisle, "shelf": row.shelf}, "fragile": row.fragile}


def app_of(
    env: Any,
    save_1: Callable[[int, Any], Any],
    save_2: Callable[[int, Any], Any],
    show_1: Callable[[Any], Any] = view_1,
    show_2: Callable[[Any], Any] = view_2,
) -> Flask:
    """Return an app of four routes, from what makes the difference."""
    app = Flask("warehouse")

    @app.put("/v1/items/<int:item>")
    def put_1(item: int) -> Any:
        return save_1(item, request.get_json()) or request.get_json()

    @app.put("/v2/items/<int:item>")
    def put_2(item: int) -> Any:
        return save_2(item, request.get_json()) or request.get_json()

    @app.get("/v1/items/<int:item>")
    def get_1(item: int) -> Any:
        row = read(env, item)
        return UNKNOWN if row is None else show_1(row)

    @app.get("/v2/items/<int:item>")
    def get_2(item: int) -> Any:
        row = read(env, item)
        return UNKNOWN if row is None else show_2(row)

    return app


def two(env: Any) -> Flask:
    """Each version names the columns that it knows."""
    return app_of(
        env,
        lambda item, body: run(env, MOVE, id=item, **split(body["place"])),
        lambda item, body: run(env, SAVE, id=item, fragile=body["fragile"], **body["place"]),
    )


def whole(env: Any) -> Callable[[int, Any], None]:
    """Return how v2 stores an item."""
    return lambda item, body: run(env, SAVE, id=item, fragile=body["fragile"], **body["place"])


def stub(env: Any) -> Flask:
    """Who serves v2, and lets v1 in by translating what it sends."""
    return app_of(
        env,
        lambda item, body: run(env, SAVE, id=item, fragile=False, **split(body["place"])),
        whole(env),
        show_1=view_2,
    )


# -- wrong: v1 is broken


def gone(env: Any) -> Flask:
    """Who ends v1 on the day on which v2 begins."""
    app = two(env)

    @app.before_request
    def no_more() -> Any:
        return ({"error": "use /v2"}, 410) if request.path.startswith("/v1") else None

    return app


def redirected(env: Any) -> Flask:
    """Who sends clients of v1 to v2, where they do not know the language."""
    app = two(env)

    @app.before_request
    def elsewhere() -> Any:
        return redirect(request.path.replace("/v1", "/v2"), 308) if request.path.startswith("/v1") else None

    return app


def read_only(env: Any) -> Flask:
    """Who lets clients of v1 look, and store no more."""
    app = two(env)

    @app.before_request
    def look_only() -> Any:
        stores = request.method == "PUT" and request.path.startswith("/v1")
        return ({"error": "v1 is read-only"}, 405) if stores else None

    return app


def strict(env: Any) -> Flask:
    """Who makes the new field one that v1 must send too."""

    def save_1(item: int, body: Any) -> Any:
        if "fragile" not in body:
            return {"error": "fragile is missing"}, 400
        return run(env, SAVE, id=item, fragile=body["fragile"], **split(body["place"]))

    return app_of(env, save_1, whole(env))


def look_then_insert(env: Any) -> Flask:
    """Who looks whether there is such an item, and inserts or updates: two clients find none."""

    def save_1(item: int, body: Any) -> None:
        there = read(env, item) is not None
        update = "UPDATE items SET aisle = :aisle, shelf = :shelf WHERE id = :id"
        insert = "INSERT INTO items (id, aisle, shelf) VALUES (:id, :aisle, :shelf)"
        run(env, update if there else insert, id=item, **split(body["place"]))

    return app_of(env, save_1, whole(env))


def column_of_its_own(env: Any) -> Flask:
    """Who gives v1 a column of its own, NOT NULL: the last release makes items without it."""
    with contextlib.suppress(ProgrammingError):
        run(env, "ALTER TABLE items ADD COLUMN place TEXT NOT NULL DEFAULT ''")
        run(env, "ALTER TABLE items ALTER COLUMN place DROP DEFAULT")
    app = two(env)

    def save(item: int) -> Any:
        body = request.get_json()
        row = {"id": item, "place": body["place"], **split(body["place"])}
        run(env, MOVE.replace("(id,", "(id, place,").replace("(:id,", "(:id, :place,"), **row)
        return body

    app.view_functions["put_1"] = save
    return app


# -- wrong: the shapes


def new_shape_for_all(env: Any) -> Flask:
    """Who understands what v1 sends, and answers in the new shape."""
    return app_of(env, lambda item, body: run(env, MOVE, id=item, **split(body["place"])), whole(env), show_1=view_2)


def old_shape_for_all(env: Any) -> Flask:
    """Who has added the new field to the old shape."""
    return app_of(
        env,
        lambda item, body: run(env, MOVE, id=item, **split(body["place"])),
        whole(env),
        show_2=lambda row: {"place": f"{row.aisle}-{row.shelf}", "fragile": row.fragile},
    )


def text_shelf(env: Any) -> Flask:
    """Who splits the text for v2, and leaves the shelf a text."""

    def show_2(row: Any) -> Any:
        aisle, shelf = f"{row.aisle}-{row.shelf}".split("-")
        return {"place": {"aisle": aisle, "shelf": shelf}, "fragile": row.fragile}

    return app_of(env, lambda item, body: run(env, MOVE, id=item, **split(body["place"])), whole(env), show_2=show_2)


def not_said(env: Any) -> Flask:
    """Who shows the new field only where it is true."""

    def show_2(row: Any) -> Any:
        return view_2(row) if row.fragile else {"place": view_2(row)["place"]}

    return app_of(env, lambda item, body: run(env, MOVE, id=item, **split(body["place"])), whole(env), show_2=show_2)


def strict_v2(env: Any) -> Flask:
    """Who takes a v2 without the field for what v1 was, and refuses what v1 made."""

    def show_2(row: Any) -> Any:
        return view_2(row) if row.fragile else ({"error": "made by v1"}, 409)

    return app_of(env, lambda item, body: run(env, MOVE, id=item, **split(body["place"])), whole(env), show_2=show_2)


# -- wrong: a field is dropped


def default_false(env: Any) -> Flask:
    """Who stores a default where v1 says nothing."""
    return app_of(env, lambda item, body: run(env, SAVE, id=item, fragile=False, **split(body["place"])), whole(env))


def delete_and_insert(env: Any) -> Flask:
    """Who replaces the row."""

    def save_1(item: int, body: Any) -> None:
        with env.database.begin() as db:
            db.execute(text("DELETE FROM items WHERE id = :id"), {"id": item})
            db.execute(text(MOVE), {"id": item, **split(body["place"])})

    return app_of(env, save_1, whole(env))


def translated(env: Any) -> Flask:
    """Who makes a request of v2 out of one of v1: what the row says, with another place, a moment later."""

    def save_1(item: int, body: Any) -> None:
        row = read(env, item)
        fragile = row.fragile if row is not None else False
        run(env, SAVE, id=item, fragile=fragile, **split(body["place"]))

    return app_of(env, save_1, whole(env))


def translated_in_one(env: Any) -> Flask:
    """The same in one transaction, which is no lock."""

    def save_1(item: int, body: Any) -> None:
        with env.database.begin() as db:
            row = db.execute(text(READ), {"id": item}).one_or_none()
            fragile = row.fragile if row is not None else False
            db.execute(text(SAVE), {"id": item, "fragile": fragile, **split(body["place"])})

    return app_of(env, save_1, whole(env))


# -- wrong: two stores


def table_of_its_own(env: Any) -> Flask:
    """Who gives v2 a table of its own, so that v1 stays as it is."""
    mine = "CREATE TABLE IF NOT EXISTS items_v2 (id INTEGER PRIMARY KEY, aisle TEXT, shelf INTEGER, fragile BOOLEAN)"
    run(env, mine)
    run(env, "INSERT INTO items_v2 SELECT id, aisle, shelf, fragile FROM items WHERE true ON CONFLICT DO NOTHING")
    app = app_of(
        env,
        lambda item, body: run(env, MOVE, id=item, **split(body["place"])),
        lambda item, body: run(
            env, SAVE.replace("items", "items_v2"), id=item, fragile=body["fragile"], **body["place"]
        ),
    )

    def show(item: int) -> Any:
        with env.database.connect() as db:
            row = db.execute(text(READ.replace("items", "items_v2")), {"id": item}).one_or_none()
            old = row or db.execute(text(READ), {"id": item}).one_or_none()
        return UNKNOWN if old is None else view_2(old)

    app.view_functions["get_2"] = show
    return app


def remembered(env: Any) -> Flask:
    """Who keeps what has been shown, in the instance: the last release stores elsewhere."""
    app, known = two(env), {}

    def show(item: int) -> Any:
        if item not in known:
            known[item] = read(env, item)
        return UNKNOWN if known[item] is None else view_2(known[item])

    def save(item: int) -> Any:
        known.pop(item, None)
        body = request.get_json()
        if request.path.startswith("/v1"):
            run(env, MOVE, id=item, **split(body["place"]))
        else:
            run(env, SAVE, id=item, fragile=body["fragile"], **body["place"])
        return body

    app.view_functions.update(get_2=show, put_1=save, put_2=save)
    return app


# -- right


def coalesced(env: Any) -> Flask:
    """One statement for both: what is not said stays as it is."""
    statement = """
        INSERT INTO items (id, aisle, shelf, fragile) VALUES (:id, :aisle, :shelf, coalesce(:fragile, false))
        ON CONFLICT (id) DO UPDATE SET aisle = :aisle, shelf = :shelf, fragile = coalesce(:fragile, items.fragile)
    """
    return app_of(
        env,
        lambda item, body: run(env, statement, id=item, fragile=None, **split(body["place"])),
        lambda item, body: run(env, statement, id=item, fragile=body["fragile"], **body["place"]),
    )


def row_locked(env: Any) -> Flask:
    """Read, change and write with the row locked; a row that is not there is made first."""

    def save_1(item: int, body: Any) -> None:
        with env.database.begin() as db:
            new = text("INSERT INTO items (id, aisle, shelf) VALUES (:id, :aisle, :shelf) ON CONFLICT DO NOTHING")
            db.execute(new, {"id": item, **split(body["place"])})
            row = db.execute(text(f"{READ} FOR UPDATE"), {"id": item}).one()
            db.execute(text(SAVE), {"id": item, "fragile": row.fragile, **split(body["place"])})

    return app_of(env, save_1, whole(env))


def by_blueprint(env: Any) -> Flask:
    """More is shown to v1 than it knows, which it does not mind."""

    def show_1(row: Any) -> Any:
        return {**view_1(row), "fragile": row.fragile, "deprecated": True}

    return app_of(env, lambda item, body: run(env, MOVE, id=item, **split(body["place"])), whole(env), show_1=show_1)


STUB = (stub, "S10_2-V1-SHAPE")

WRONG = {
    "gone": (gone, "S10_2-V1-BROKEN"),
    "redirected": (redirected, "S10_2-V1-BROKEN"),
    "read_only": (read_only, "S10_2-V1-BROKEN"),
    "strict": (strict, "S10_2-V1-BROKEN"),
    "column_of_its_own": (column_of_its_own, "S10_2-V1-BROKEN"),
    "look_then_insert": (look_then_insert, "S10_2-V1-BROKEN"),
    "new_shape_for_all": (new_shape_for_all, "S10_2-V1-SHAPE"),
    "old_shape_for_all": (old_shape_for_all, "S10_2-V2-SHAPE"),
    "text_shelf": (text_shelf, "S10_2-V2-SHAPE"),
    "not_said": (not_said, "S10_2-V2-SHAPE"),
    "strict_v2": (strict_v2, "S10_2-V2-BROKEN"),
    "default_false": (default_false, "S10_2-DROPPED"),
    "delete_and_insert": (delete_and_insert, "S10_2-DROPPED"),
    "translated": (translated, "S10_2-DROPPED"),
    "translated_in_one": (translated_in_one, "S10_2-DROPPED"),
    "table_of_its_own": (table_of_its_own, "S10_2-V1-BROKEN"),
    "remembered": (remembered, "S10_2-LOST-WRITE"),
}

RIGHT = {"two": two, "coalesced": coalesced, "row_locked": row_locked, "by_blueprint": by_blueprint}

REPLAYED = "translated"
