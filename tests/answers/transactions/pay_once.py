"""Answers to 10.pay_once: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import redis
from flask import Flask, request
from sqlalchemy import exc, text

TABLE = """CREATE TABLE IF NOT EXISTS payments
    (key TEXT PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL, state TEXT NOT NULL)"""
INSERT = "INSERT INTO payments VALUES (:key, :customer, :cents, :state)"
ONCE = f"{INSERT} ON CONFLICT (key) DO NOTHING"
STATE = "SELECT state FROM payments WHERE key = :key"
PAID = "UPDATE payments SET state = 'paid' WHERE key = :key"
LOST = ({"error": "no answer of the provider, try again"}, 503)


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own."""
    with env.database.begin() as db:
        return db.execute(text(sql), values)


def find(env: Any, key: str) -> Any:
    """Return the state of a payment, or None."""
    with env.database.connect() as db:
        return db.execute(text(STATE), {"key": key}).scalar()


def charge(env: Any, key: str | None, **order: Any) -> bool:
    """Ask the provider for the money; raises httpx.HTTPError where nobody knows."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = env.http.post("http://payments/charges", json=order, headers=headers)
    return answer.raise_for_status().status_code == 201


def serve(env: Any, pay: Callable[[str, dict[str, Any]], Any], where: str = "state = 'paid'") -> Flask:
    """Return an app with the routes of the contract; `where` says which rows are payments."""
    run(env, TABLE)
    app = Flask("shop")

    @app.post("/pay")
    def post() -> Any:
        return pay(request.headers["Idempotency-Key"], request.json)

    @app.get("/paid/<customer>")
    def paid(customer: str) -> Any:
        sql = f"SELECT sum(cents) FROM payments WHERE customer = :customer AND {where}"
        with env.database.connect() as db:
            return {"cents": int(db.execute(text(sql), {"customer": customer}).scalar() or 0)}

    @app.errorhandler(httpx.TransportError)
    def nobody_knows(error: Exception) -> Any:
        return LOST

    @app.errorhandler(exc.OperationalError)
    def no_database(error: Exception) -> Any:
        return {"error": "try again"}, 503

    return app


def stub(env: Any) -> Flask:
    """Charges and writes down whatever comes in."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS payments (customer TEXT, cents INTEGER)"))
    app = Flask("shop")

    @app.post("/pay")
    def pay() -> Any:
        order = request.json
        env.http.post("http://payments/charges", json=order).raise_for_status()
        with env.database.begin() as db:
            db.execute(text("INSERT INTO payments VALUES (:customer, :cents)"), order)
        return {"paid": order["cents"]}

    @app.get("/paid/<customer>")
    def paid(customer: str) -> Any:
        with env.database.connect() as db:
            total = db.execute(text("SELECT sum(cents) FROM payments WHERE customer = :c"), {"c": customer}).scalar()
        return {"cents": int(total or 0)}

    return app


# -- wrong: charged twice


def no_key(env: Any) -> Flask:
    """Who takes each request for a new payment: the same money again for who tries again."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        charge(env, None, **order)
        run(env, INSERT, key=uuid.uuid4().hex, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def check_then_insert(env: Any) -> Flask:
    """Who looks first whether the key is there: both look, both find nothing, both charge."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) is None:
            charge(env, None, **order)
            run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def provider_without_key(env: Any) -> Flask:
    """Who keeps his own books clean: the row is claimed once, and the provider is asked again after a lost reply."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        run(env, ONCE, key=key, state="begun", **order)
        if find(env, key) != "paid":
            charge(env, None, **order)
            run(env, PAID, key=key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def new_key_a_try(env: Any) -> Flask:
    """Who gives the provider a key because it must have one, and makes it anew at each attempt."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) is None:
            charge(env, uuid.uuid4().hex, **order)
            run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def keys_in_memory(env: Any) -> Flask:
    """Who remembers the keys where the code is: the other instance has never seen them."""
    seen: set[str] = set()

    def pay(key: str, order: dict[str, Any]) -> Any:
        if key not in seen:
            charge(env, None, **order)
            run(env, INSERT, key=f"{env.name} {key}", state="paid", **order)
            seen.add(key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def key_with_the_instance(env: Any) -> Flask:
    """Who makes the provider's key unique to be sure: the same payment has another name on another instance."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        charge(env, f"{env.name}-{key}", **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def homemade_lock(env: Any) -> Flask:
    """Who builds «under way» from two commands: both look, both find nobody, both charge."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) == "paid":
            return {"paid": order["cents"]}
        if env.redis.exists(f"busy:{key}"):
            return {"error": "under way"}, 409
        env.redis.set(f"busy:{key}", env.name, ex=10)
        charge(env, None, **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def row_rolled_back(env: Any) -> Flask:
    """Who puts both into one transaction: the row goes away with the error, the money does not come back."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.database.begin() as db:
            if db.execute(text(ONCE), {"key": key, "state": "paid", **order}).rowcount:
                charge(env, None, **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


# -- wrong: a payment is taken for another


def body_hash(env: Any) -> Flask:
    """Who does not trust the client's key and makes one of the body: the second pot of tea is never charged."""

    def pay(_: str, order: dict[str, Any]) -> Any:
        key = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
        charge(env, key, **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def no_duplicates_please(env: Any) -> Flask:
    """Who protects customers from themselves: the same amount twice within five minutes must be a mistake."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) is None:
            if not env.redis.set(f"{order['customer']} {order['cents']}", key, nx=True, ex=300, get=False):
                return {"error": "you have just paid that"}, 422
            charge(env, key, **order)
            run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


# -- wrong: no answer, or a wrong one


def duplicate_is_an_error(env: Any) -> Flask:
    """Who lets the primary key decide, and forgets that the loser is a customer too: a 500."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) is None:
            charge(env, key, **order)
            run(env, INSERT, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def claim_in_two_steps(env: Any) -> Flask:
    """Who looks whether somebody has begun, and then begins: both may, and one of them gets a 500."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) is None:
            run(env, INSERT, key=key, state="begun", **order)
        charge(env, key, **order)
        run(env, PAID, key=key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def provider_silent(env: Any) -> Flask:
    """Who expects an answer of the provider always: its silence becomes an error of the shop's."""
    app = serve(env, lambda key, order: {})
    app.error_handler_spec[None][None].pop(httpx.TransportError)

    def pay() -> Any:
        key, order = request.headers["Idempotency-Key"], request.json
        charge(env, key, **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    app.view_functions["post"] = pay
    return app


def claimed_for_ever(env: Any) -> Flask:
    """Who answers 409 while a payment is under way, and never asks whether somebody is still at it."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if not run(env, ONCE, key=key, state="begun", **order).rowcount:
            if find(env, key) != "paid":
                return {"error": "under way"}, 409
            return {"paid": order["cents"]}
        charge(env, key, **order)
        run(env, PAID, key=key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def key_before_the_charge(env: Any) -> Flask:
    """Who stores the key in a transaction of its own, before the work: whoever comes back is told «paid»."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if run(env, ONCE, key=key, state="paid", **order).rowcount:
            charge(env, key, **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def seen_in_redis(env: Any) -> Flask:
    """Who marks the key in Redis first, because that is fast: an error leaves a mark, and no row."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if env.redis.set(f"paid:{key}", 1, nx=True, ex=86400):
            charge(env, key, **order)
            run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def stored_failure(env: Any) -> Flask:
    """Who keeps the answer with the key, as one should, and keeps a failure, too: it is never tried again."""
    run(env, "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, status INTEGER)")

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.database.connect() as db:
            status = db.execute(text("SELECT status FROM answers WHERE key = :key"), {"key": key}).scalar()
        if status is None:
            try:
                charge(env, key, **order)
                run(env, ONCE, key=key, state="paid", **order)
                status = 200
            except httpx.HTTPError:
                status = 503
            run(env, "INSERT INTO answers VALUES (:key, :status) ON CONFLICT DO NOTHING", key=key, status=status)
        return {"paid": order["cents"]}, status

    return serve(env, pay)


def duplicate_refused(env: Any) -> Flask:
    """Who tells whoever comes twice that this has been done: after a lost reply that is an error, and no receipt."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) == "paid":
            return {"error": "this has been paid"}, 409
        charge(env, key, **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def charged_later(env: Any) -> Flask:
    """Who answers at once and lets a thread talk to the provider: it dies with its instance."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        run(env, ONCE, key=key, state="paid", **order)
        threading.Thread(target=lambda: charge(env, key, **order), daemon=True).start()
        return {"paid": order["cents"]}

    return serve(env, pay)


# -- wrong: everybody waits


def one_global_lock(env: Any) -> Flask:
    """Who lets one payment at a time through (an over-fix): a slow one is everybody's."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.redis.lock("payments", timeout=60):
            charge(env, key, **order)
            run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def one_lock_of_the_database(env: Any) -> Flask:
    """The same by an advisory lock with a number for all payments."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(1)"))
            charge(env, key, **order)
            db.execute(text(ONCE), {"key": key, "state": "paid", **order})
        return {"paid": order["cents"]}

    return serve(env, pay)


# -- wrong: the books


def key_apart_from_the_row(env: Any) -> Flask:
    """Who keeps keys in one table and payments in another, in two transactions: a death between them, a row twice."""
    run(env, "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY)")

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.database.connect() as db:
            known = db.execute(text("SELECT 1 FROM keys WHERE key = :key"), {"key": key}).scalar()
        if not known:
            charge(env, key, **order)
            run(env, INSERT, key=uuid.uuid4().hex, state="paid", **order)
            run(env, "INSERT INTO keys VALUES (:key) ON CONFLICT DO NOTHING", key=key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def begun_counts(env: Any) -> Flask:
    """Who counts what has begun as paid: the books run ahead of the money, and stay there if nobody comes back."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        run(env, ONCE, key=key, state="begun", **order)
        charge(env, key, **order)
        return {"paid": order["cents"] + 0}

    return serve(env, pay, where="state = 'paid'")


def books_in_redis(env: Any) -> Flask:
    """Who adds the amount up in Redis after each answer of the provider: an answer that comes twice counts twice."""
    app = serve(env, lambda key, order: {})

    def pay() -> Any:
        key, order = request.headers["Idempotency-Key"], request.json
        charge(env, key, **order)
        env.redis.incrby(order["customer"], order["cents"])
        return {"paid": order["cents"]}

    app.view_functions["post"] = pay
    app.view_functions["paid"] = lambda customer: {"cents": int(env.redis.get(customer) or 0)}
    return app


def total_after_a_look(env: Any) -> Flask:
    """Who keeps a total beside the rows, and looks before he adds: both look, both add."""
    app = serve(env, lambda key, order: {})

    def pay() -> Any:
        key, order = request.headers["Idempotency-Key"], request.json
        charge(env, key, **order)
        if find(env, key) is None:
            run(env, ONCE, key=key, state="paid", **order)
            env.redis.incrby(order["customer"], order["cents"])
        return {"paid": order["cents"]}

    app.view_functions["post"] = pay
    app.view_functions["paid"] = lambda customer: {"cents": int(env.redis.get(customer) or 0)}
    return app


# -- right


def provider_decides(env: Any) -> Flask:
    """The provider knows the key, so it may be asked again; the row has the key for its own."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        charge(env, key, **order)
        run(env, ONCE, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def begun_then_paid(env: Any) -> Flask:
    """A row that says «begun», the charge, the row that says «paid»: what is begun can be found and finished."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        run(env, ONCE, key=key, state="begun", **order)
        if find(env, key) != "paid":
            charge(env, key, **order)
            run(env, PAID, key=key)
        return {"paid": order["cents"]}

    return serve(env, pay)


def row_lock(env: Any) -> Flask:
    """The row is locked while the provider is asked; a duplicate waits and then reads «paid»."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        run(env, ONCE, key=key, state="begun", **order)
        with env.database.begin() as db:
            if db.execute(text(f"{STATE} FOR UPDATE"), {"key": key}).scalar_one() != "paid":
                charge(env, key, **order)
                db.execute(text(PAID), {"key": key})
        return {"paid": order["cents"]}

    return serve(env, pay)


def busy_for_a_while(env: Any) -> Flask:
    """A lease in Redis answers a duplicate with 409; it ends by itself, and the key does the rest."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        if find(env, key) == "paid":
            return {"paid": order["cents"]}
        if not env.redis.set(f"busy:{key}", env.name, nx=True, ex=10):
            return {"error": "under way"}, 409, {"Retry-After": "10"}
        charge(env, key, **order)
        run(env, ONCE, key=key, state="paid", **order)
        env.redis.delete(f"busy:{key}")
        return {"paid": order["cents"]}

    app = serve(env, pay)
    app.register_error_handler(redis.RedisError, lambda error: ({"error": "try again"}, 503))
    return app


def caught(env: Any) -> Flask:
    """A plain INSERT, and the loser's IntegrityError says that somebody else has written the row."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        charge(env, key, **order)
        with contextlib.suppress(exc.IntegrityError):
            run(env, INSERT, key=key, state="paid", **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def row_and_charge_in_one(env: Any) -> Flask:
    """The row is undone where the provider is silent, and Ada's key makes that harmless."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        with env.database.begin() as db:
            db.execute(text(ONCE), {"key": key, "state": "paid", **order})
            charge(env, key, **order)
        return {"paid": order["cents"]}

    return serve(env, pay)


def lock_of_the_key(env: Any) -> Flask:
    """An advisory lock with a number made of the key: a duplicate is told to come again, and nobody else waits."""

    def pay(key: str, order: dict[str, Any]) -> Any:
        lock = {"n": zlib.crc32(key.encode())}
        with env.database.connect() as db:
            if not db.execute(text("SELECT pg_try_advisory_lock(:n)"), lock).scalar_one():
                return {"error": "under way"}, 409
            try:
                charge(env, key, **order)
                run(env, ONCE, key=key, state="paid", **order)
            finally:
                db.execute(text("SELECT pg_advisory_unlock(:n)"), lock)
        return {"paid": order["cents"]}

    return serve(env, pay)


STUB = (stub, "S10-CHARGED-TWICE")

WRONG = {
    "no_key": (no_key, "S10-CHARGED-TWICE"),
    "check_then_insert": (check_then_insert, "S10-CHARGED-TWICE"),
    "provider_without_key": (provider_without_key, "S10-CHARGED-TWICE"),
    "new_key_a_try": (new_key_a_try, "S10-CHARGED-TWICE"),
    "keys_in_memory": (keys_in_memory, "S10-CHARGED-TWICE"),
    "key_with_the_instance": (key_with_the_instance, "S10-CHARGED-TWICE"),
    "homemade_lock": (homemade_lock, "S10-CHARGED-TWICE"),
    "row_rolled_back": (row_rolled_back, "S10-CHARGED-TWICE"),
    "body_hash": (body_hash, "S10-SWALLOWED"),
    "no_duplicates_please": (no_duplicates_please, "S10-SWALLOWED"),
    "duplicate_is_an_error": (duplicate_is_an_error, "S10-UNANSWERED"),
    "claim_in_two_steps": (claim_in_two_steps, "S10-UNANSWERED"),
    "provider_silent": (provider_silent, "S10-UNANSWERED"),
    "claimed_for_ever": (claimed_for_ever, "S10-STUCK"),
    "key_before_the_charge": (key_before_the_charge, "S10-NOT-CHARGED"),
    "seen_in_redis": (seen_in_redis, "S10-WRONG-BOOKS"),
    "key_apart_from_the_row": (key_apart_from_the_row, "S10-WRONG-BOOKS"),
    "begun_counts": (begun_counts, "S10-WRONG-BOOKS"),
    "total_after_a_look": (total_after_a_look, "S10-WRONG-BOOKS"),
    "books_in_redis": (books_in_redis, "S10-WRONG-BOOKS"),
    "stored_failure": (stored_failure, "S10-STUCK"),
    "duplicate_refused": (duplicate_refused, "S10-STUCK"),
    "charged_later": (charged_later, "S10-NOT-CHARGED"),
    "one_global_lock": (one_global_lock, "S10-HELD-UP"),
    "one_lock_of_the_database": (one_lock_of_the_database, "S10-HELD-UP"),
}

RIGHT = {
    "provider_decides": provider_decides,
    "begun_then_paid": begun_then_paid,
    "row_lock": row_lock,
    "busy_for_a_while": busy_for_a_while,
    "caught": caught,
    "row_and_charge_in_one": row_and_charge_in_one,
    "lock_of_the_key": lock_of_the_key,
}

REPLAYED = "check_then_insert"
