"""Answers to 10.retry_transient: the stub, what people really write, and what is right."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import tenacity
from flask import Flask, request
from sqlalchemy import exc, text

INSERT = "INSERT INTO orders VALUES (:id, :item)"
ITEM = "SELECT item FROM orders WHERE id = :id"
LATER = ({"error": "try again"}, 503, {"Retry-After": "30"})
TRANSIENT = ("40001", "40P01", "57P01")


class Conflict(Exception):
    """The id stands for another order."""


def serve(env: Any, place: Callable[[str, str], None], outage: Any = LATER) -> Flask:
    """Return an app with the route of the contract; `place` stores an order, or raises."""
    app = Flask("shop")

    @app.put("/orders/<order>")
    def put(order: str) -> Any:
        place(order, request.json["item"])
        return {"order": order}

    app.register_error_handler(Conflict, lambda error: ({"error": "this id is in use"}, 409))
    app.register_error_handler(exc.IntegrityError, lambda error: ({"error": "no such item"}, 422))
    if outage:
        app.register_error_handler(exc.OperationalError, lambda error: outage)
    return app


def insert(env: Any, order: str, item: str) -> None:
    """Store an order in a transaction of its own."""
    with env.database.begin() as db:
        db.execute(text(INSERT), {"id": order, "item": item})


def mine_or_conflict(env: Any, order: str, item: str) -> None:
    """Raise Conflict unless the id stands for this very order."""
    with env.database.connect() as db:
        stored = db.execute(text(ITEM), {"id": order}).scalar()
    if stored != item:
        raise Conflict


def insert_or_mine(env: Any, order: str, item: str) -> None:
    """Store an order; where its id is there, look whose it is."""
    try:
        insert(env, order, item)
    except exc.IntegrityError as error:
        if error.orig.sqlstate != "23505":
            raise
        mine_or_conflict(env, order, item)


def transient(error: BaseException) -> bool:
    """Tell whether an error may pass."""
    if not isinstance(error, exc.DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state in TRANSIENT or error.connection_invalidated or (isinstance(error, exc.OperationalError) and not state)


def retrying(**options: Any) -> Any:
    """Return tenacity's decorator with the usual options, or others."""
    usual = {
        "retry": tenacity.retry_if_exception(transient),
        "wait": tenacity.wait_exponential(0.1, max=2),
        "stop": tenacity.stop_after_delay(7),
        "reraise": True,
    }
    return tenacity.retry(**{**usual, **options})


def stub(env: Any) -> Flask:
    """Asks once, and leaves every error to Flask."""
    app = Flask("shop")

    @app.put("/orders/<order>")
    def put(order: str) -> Any:
        with env.database.begin() as db:
            db.execute(text("INSERT INTO orders VALUES (:id, :item)"), {"id": order, "item": request.json["item"]})
        return {"order": order}

    return app


# -- wrong: gives up too early


def only_once(env: Any) -> Flask:
    """Who knows what a duplicate means, and never tries again."""
    return serve(env, lambda order, item: insert_or_mine(env, order, item))


def in_the_broken_transaction(env: Any) -> Flask:
    """Who repeats the statement inside its transaction: after an error PostgreSQL refuses whatever comes next."""

    def place(order: str, item: str) -> None:
        with env.database.begin() as db:
            every = tenacity.retry_if_exception_type(exc.SQLAlchemyError)
            again = retrying(retry=every, stop=tenacity.stop_after_attempt(3))
            again(db.execute)(text(f"{INSERT} ON CONFLICT DO NOTHING"), {"id": order, "item": item})
        mine_or_conflict(env, order, item)

    app = serve(env, place)
    app.register_error_handler(exc.SQLAlchemyError, lambda error: LATER)
    return app


def connection_loss_alone(env: Any) -> Flask:
    """Who thinks of the network alone: the database, too, asks to be asked again."""
    lost = tenacity.retry_if_exception(lambda error: getattr(error, "connection_invalidated", False))

    @retrying(retry=lost)
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def three_quick_tries(env: Any) -> Flask:
    """Who tries three times without a pause: over in a millisecond, and the outage is not."""

    @retrying(wait=tenacity.wait_none(), stop=tenacity.stop_after_attempt(3))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


# -- wrong: does not give up


def for_ever(env: Any) -> Flask:
    """Who takes tenacity's defaults, and they are: for ever."""

    @retrying(stop=tenacity.stop_never)
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def half_a_minute(env: Any) -> Flask:
    """Who is patient for longer than his customers."""

    @retrying(stop=tenacity.stop_after_delay(25))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def hammering(env: Any) -> Flask:
    """Who tries again five times a second: so does everybody else."""

    @retrying(wait=tenacity.wait_fixed(0.2))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def retries_everything(env: Any) -> Flask:
    """Who retries on every error: a constraint that is broken stays broken, eight seconds long."""

    @retrying(retry=tenacity.retry_if_not_exception_type(Conflict))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def conflicts_too(env: Any) -> Flask:
    """Who counts the duplicate among the transient ones, since it has gone away before."""

    @retrying(retry=tenacity.retry_if_exception_type((exc.OperationalError, Conflict)), wait=tenacity.wait_fixed(1))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def each_second(env: Any) -> Flask:
    """Who waits a second each time, with all others: the pauses are as many as they are short."""

    @retrying(wait=tenacity.wait_fixed(1))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


# -- wrong: what a duplicate means


def duplicate_is_a_conflict(env: Any) -> Flask:
    """Who takes a duplicate for somebody else's order: after a lost COMMIT it is one's own."""

    @retrying()
    def place(order: str, item: str) -> None:
        try:
            insert(env, order, item)
        except exc.IntegrityError as error:
            if error.orig.sqlstate != "23505":
                raise
            raise Conflict from error

    def asks_first(order: str, item: str) -> None:
        with env.database.connect() as db:
            stored = db.execute(text(ITEM), {"id": order}).scalar()
        if stored != item:
            place(order, item)

    return serve(env, retrying()(lambda order, item: asks_first(order, item)))


def duplicate_is_success(env: Any) -> Flask:
    """Who takes every duplicate for his own order: the pot is confirmed, and tea is delivered."""

    @retrying()
    def place(order: str, item: str) -> None:
        try:
            insert(env, order, item)
        except exc.IntegrityError as error:
            if error.orig.sqlstate != "23505":
                raise

    return serve(env, place)


def upsert(env: Any) -> Flask:
    """Who makes the INSERT repeatable by DO UPDATE: it is, and it changes other people's orders."""

    @retrying()
    def place(order: str, item: str) -> None:
        with env.database.begin() as db:
            change = f"{INSERT} ON CONFLICT (id) DO UPDATE SET item = :item"
            db.execute(text(change), {"id": order, "item": item})

    return serve(env, place)


def new_id_a_try(env: Any) -> Flask:
    """Who lets each attempt make its own row: an attempt that had succeeded is an order, too."""

    def place(order: str, item: str) -> None:
        with env.database.connect() as db:
            rows = db.execute(text("SELECT item FROM orders WHERE id LIKE :id"), {"id": f"{order}%"}).all()
        if rows and rows[0].item != item:
            raise Conflict
        if not rows:
            again(order, item)

    @retrying()
    def again(order: str, item: str) -> None:
        insert(env, f"{order}-{uuid.uuid4().hex}", item)

    return serve(env, retrying()(place))


# -- wrong: what is said


def says_yes(env: Any) -> Flask:
    """Who goes on in a thread where it takes longer: «accepted», and nothing is stored."""

    @retrying(stop=tenacity.stop_after_delay(4))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    def accept(order: str, item: str) -> None:
        try:
            place(order, item)
        except exc.OperationalError:
            threading.Thread(target=place, args=(order, item)).start()

    return serve(env, accept)


def a_500(env: Any) -> Flask:
    """Who retries well, and says 500 in the end: as if something were broken here."""

    @retrying()
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place, outage=None)


def a_404(env: Any) -> Flask:
    """Who says 404 for an item that is not in the table (the contract says 422)."""

    @retrying()
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    app = serve(env, place)
    app.register_error_handler(exc.IntegrityError, lambda error: ({"error": "no such item"}, 404))
    return app


# -- right


def by_tenacity(env: Any) -> Flask:
    """The whole transaction again, with longer and longer pauses, for seven seconds."""

    @retrying()
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def by_hand(env: Any) -> Flask:
    """A loop over pauses, and the last error is raised."""

    def place(order: str, item: str) -> None:
        for pause in (0.2, 0.4, 0.8, 1.6, 3.2):
            try:
                return insert_or_mine(env, order, item)
            except exc.DBAPIError as error:
                if not transient(error):
                    raise
            time.sleep(pause)
        return insert_or_mine(env, order, item)

    return serve(env, place)


def nothing_on_conflict(env: Any) -> Flask:
    """ON CONFLICT DO NOTHING, then look whose order it is: no error, and the same question."""

    @retrying()
    def place(order: str, item: str) -> None:
        with env.database.begin() as db:
            db.execute(text(f"{INSERT} ON CONFLICT (id) DO NOTHING"), {"id": order, "item": item})
            stored = db.execute(text(ITEM), {"id": order}).scalar()
        if stored != item:
            raise Conflict

    return serve(env, place)


def operational_errors(env: Any) -> Flask:
    """SQLAlchemy's OperationalError: what the database's operation is to blame for, with some jitter."""
    wait = tenacity.wait_exponential(0.2, max=2) + tenacity.wait_random(0, 0.2)

    @retrying(retry=tenacity.retry_if_exception_type(exc.OperationalError), wait=wait)
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def full_jitter(env: Any) -> Flask:
    """Each pause is drawn between nothing and a bound that doubles."""

    @retrying(wait=tenacity.wait_random_exponential(0.2, max=2))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


def a_little_longer(env: Any) -> Flask:
    """Each pause is a fixed time longer than the last."""

    @retrying(wait=tenacity.wait_incrementing(0.2, 0.3))
    def place(order: str, item: str) -> None:
        insert_or_mine(env, order, item)

    return serve(env, place)


STUB = (stub, "S10-GAVE-UP")

WRONG = {
    "only_once": (only_once, "S10-GAVE-UP"),
    "in_the_broken_transaction": (in_the_broken_transaction, "S10-GAVE-UP"),
    "connection_loss_alone": (connection_loss_alone, "S10-GAVE-UP"),
    "three_quick_tries": (three_quick_tries, "S10-GAVE-UP"),
    "for_ever": (for_ever, "S10-WAITED"),
    "half_a_minute": (half_a_minute, "S10-WAITED"),
    "hammering": (hammering, "S10-STORM"),
    "retries_everything": (retries_everything, "S10-RETRIED-IN-VAIN"),
    "conflicts_too": (conflicts_too, "S10-RETRIED-IN-VAIN"),
    "duplicate_is_a_conflict": (duplicate_is_a_conflict, "S10-TOLD-NO"),
    "duplicate_is_success": (duplicate_is_success, "S10-TOLD-YES"),
    "upsert": (upsert, "S10-TOLD-YES"),
    "new_id_a_try": (new_id_a_try, "S10-ORDERED-TWICE"),
    "says_yes": (says_yes, "S10-LOST-ORDER"),
    "a_500": (a_500, "S10-NOT-503"),
    "a_404": (a_404, "S10-CONTRACT"),
    "each_second": (each_second, "S10-STORM"),
}

RIGHT = {
    "by_tenacity": by_tenacity,
    "by_hand": by_hand,
    "nothing_on_conflict": nothing_on_conflict,
    "operational_errors": operational_errors,
    "full_jitter": full_jitter,
    "a_little_longer": a_little_longer,
}

REPLAYED = "duplicate_is_a_conflict"
