"""Answers to 02.invoice_numbers: the stub, what people really write, and what is right."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, request
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

REFUSED = ({"error": "an invoice over nothing"}, 422)
Rows = list[dict[str, Any]]


def serve(store: Callable[[str, int], int], books: Callable[[], Rows]) -> Flask:
    """Return an app that refuses what is no invoice, and stores the rest."""
    app = Flask("office")

    @app.post("/invoices")
    def bill() -> Any:
        if request.json["amount"] <= 0:
            return REFUSED
        return {"number": store(request.json["customer"], request.json["amount"])}

    @app.get("/invoices")
    def show() -> Any:
        return {"invoices": books()}

    return app


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own, and return its result."""
    with env.database.begin() as db:
        return db.execute(text(sql), values)


def tables(env: Any, number: str = "INTEGER", more: str = "") -> None:
    """Make the books, and the row that holds the last number, if nobody has made them."""
    with env.database.begin() as db:
        columns = f"number {number}, customer TEXT, amount INTEGER{more}"
        db.execute(text(f"CREATE TABLE IF NOT EXISTS invoices ({columns})"))
        db.execute(text("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING"))


def rows(env: Any) -> Rows:
    """Return what stands in the books."""
    found = run(env, "SELECT number, customer FROM invoices ORDER BY number").mappings()
    return [dict(row) for row in found]


INSERT = "INSERT INTO invoices VALUES (:number, :customer, :amount)"
NEXT = "UPDATE counter SET n = n + 1 RETURNING n"


def stub(env: Any) -> Flask:
    """The database counts, and its numbers are never taken back."""
    app = Flask("office")
    with env.database.begin() as db:
        identity = "number INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        columns = f"{identity}, customer TEXT, amount INTEGER CHECK (amount > 0)"
        db.execute(text(f"CREATE TABLE IF NOT EXISTS invoices ({columns})"))

    @app.post("/invoices")
    def bill():
        insert = text("INSERT INTO invoices (customer, amount) VALUES (:customer, :amount) RETURNING number")
        try:
            with env.database.begin() as db:
                return {"number": db.execute(insert, request.json).scalar_one()}
        except IntegrityError:
            return {"error": "an invoice over nothing"}, 422

    @app.get("/invoices")
    def books():
        with env.database.connect() as db:
            found = db.execute(text("SELECT number, customer FROM invoices ORDER BY number")).mappings()
            return {"invoices": [dict(row) for row in found]}

    return app


# -- wrong: a number without its invoice


def identity_after_a_check(env: Any) -> Flask:
    """Who looks at the amount first: a refusal costs no number any more, a death before the COMMIT still does."""
    tables(env, "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    insert = "INSERT INTO invoices (customer, amount) VALUES (:customer, :amount) RETURNING number"
    return serve(lambda who, sum_: run(env, insert, customer=who, amount=sum_).scalar_one(), lambda: rows(env))


def incr_then_insert(env: Any) -> Flask:
    """Who takes the number from Redis and the books from the database: between the two there is room to die."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        number = env.redis.incr("invoices")
        run(env, INSERT, number=number, customer=customer, amount=amount)
        return number

    return serve(store, lambda: rows(env))


def two_transactions(env: Any) -> Flask:
    """Who counts right, in a row, and commits it before the invoice."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        number = run(env, NEXT).scalar_one()
        run(env, INSERT, number=number, customer=customer, amount=amount)
        return number

    return serve(store, lambda: rows(env))


def free_list(env: Any) -> Flask:
    """Who gives unused numbers back for the next invoice: whoever dies gives nothing back."""
    app = Flask("office")
    tables(env)

    @app.post("/invoices")
    def bill() -> Any:
        number = int(env.redis.rpop("free") or env.redis.incr("invoices"))
        if request.json["amount"] <= 0:
            env.redis.rpush("free", number)
            return REFUSED
        run(env, INSERT, number=number, **request.json)
        return {"number": number}

    app.add_url_rule("/invoices", view_func=lambda: {"invoices": rows(env)})
    return app


def kept_by_a_savepoint(env: Any) -> Flask:
    """Who takes back the invoice alone, with a savepoint: the number was counted outside of it."""
    app = Flask("office")
    tables(env, more=" CHECK (amount > 0)")

    @app.post("/invoices")
    def bill() -> Any:
        with env.database.begin() as db:
            number = db.execute(text(NEXT)).scalar_one()
            try:
                with db.begin_nested():
                    db.execute(text(INSERT), {"number": number, **request.json})
            except IntegrityError:
                return REFUSED
        return {"number": number}

    app.add_url_rule("/invoices", view_func=lambda: {"invoices": rows(env)})
    return app


# -- wrong: one number for two


def decrement_on_refusal(env: Any) -> Flask:
    """Who counts back after a refusal: somebody else has counted on meanwhile, and his number is given again."""
    app = Flask("office")
    tables(env)

    @app.post("/invoices")
    def bill() -> Any:
        number = env.redis.incr("invoices")
        if request.json["amount"] <= 0:
            env.redis.decr("invoices")
            return REFUSED
        run(env, INSERT, number=number, **request.json)
        return {"number": number}

    app.add_url_rule("/invoices", view_func=lambda: {"invoices": rows(env)})
    return app


def memory_counter(env: Any) -> Flask:
    """Who counts in the process."""
    tables(env)
    numbers = itertools.count(1)

    def store(customer: str, amount: int) -> int:
        number = next(numbers)
        run(env, INSERT, number=number, customer=customer, amount=amount)
        return number

    return serve(store, lambda: rows(env))


def largest_plus_one(env: Any) -> Flask:
    """Who asks for the largest number in the transaction: under READ COMMITTED both get the same."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.database.begin() as db:
            number = db.execute(text("SELECT coalesce(max(number), 0) + 1 FROM invoices")).scalar_one()
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


def local_lock(env: Any) -> Flask:
    """Who puts a lock around it, one in each instance."""
    tables(env)
    lock = threading.Lock()

    def store(customer: str, amount: int) -> int:
        with lock, env.database.begin() as db:
            number = db.execute(text("SELECT count(*) + 1 FROM invoices")).scalar_one()
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


def pushed_then_counted(env: Any) -> Flask:
    """Who appends to a list, where there are no gaps, and then asks how long it is: it has grown meanwhile."""

    def store(customer: str, amount: int) -> int:
        env.redis.rpush("invoices", customer)
        return env.redis.llen("invoices")

    return serve(store, lambda: listed(env))


def listed(env: Any) -> Rows:
    """Return the invoices of a list: the place is the number."""
    found = env.redis.lrange("invoices", 0, -1)
    return [{"number": number, "customer": customer} for number, customer in enumerate(found, 1)]


def last_row_locked(env: Any) -> Flask:
    """Who locks the last invoice to read its number: before the first there is none to lock."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.database.begin() as db:
            last = "SELECT number FROM invoices ORDER BY number DESC LIMIT 1 FOR UPDATE"
            number = (db.execute(text(last)).scalar_one_or_none() or 0) + 1
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


def place_when_shown(env: Any) -> Flask:
    """Who numbers by place, and asks for the place after the insert: another invoice has come meanwhile."""
    run(env, "CREATE TABLE IF NOT EXISTS invoices (id SERIAL PRIMARY KEY, customer TEXT)")

    def store(customer: str, amount: int) -> int:
        run(env, "INSERT INTO invoices (customer) VALUES (:customer)", customer=customer)
        return run(env, "SELECT count(*) FROM invoices").scalar_one()

    def books() -> Rows:
        placed = "SELECT row_number() OVER (ORDER BY id) AS number, customer FROM invoices"
        return [dict(row) for row in run(env, placed).mappings()]

    return serve(store, books)


# -- wrong: another number, or none


def closed_gaps(env: Any) -> Flask:
    """Who numbers anew whenever the books are shown (an over-fix): no gap, and another number than was sent out."""
    app = identity_after_a_check(env)

    def show() -> Any:
        return {"invoices": [{**row, "number": place} for place, row in enumerate(rows(env), 1)]}

    app.view_functions["show"] = show
    return app


def numbered_at_night(env: Any) -> Flask:
    """Who lets a job number the invoices later (an over-fix): whoever is billed is told no number."""
    tables(env)

    def store(customer: str, amount: int) -> Any:
        run(env, INSERT, number=None, customer=customer, amount=amount)

    return serve(store, lambda: rows(env))


def unique_without_retry(env: Any) -> Flask:
    """Who lets the database refuse a number that is taken, and leaves it at that."""
    tables(env, "INTEGER PRIMARY KEY")

    def store(customer: str, amount: int) -> int:
        number = run(env, "SELECT coalesce(max(number), 0) + 1 FROM invoices").scalar_one()
        run(env, INSERT, number=number, customer=customer, amount=amount)
        return number

    return serve(store, lambda: rows(env))


def stored_later(env: Any) -> Flask:
    """Who answers first and lets a thread write: the number is told, the invoice dies with the instance."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        number = env.redis.incr("invoices")
        values = {"number": number, "customer": customer, "amount": amount}
        threading.Timer(1.0, run, (env, INSERT), values).start()
        return number

    return serve(store, lambda: rows(env))


def overwritten(env: Any) -> Flask:
    """Who keeps the books in one JSON value, written back whole: the numbers differ, one invoice is gone."""

    def store(customer: str, amount: int) -> int:
        books = json.loads(env.redis.get("books") or "[]")
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr("last")
            pipe.set("books", json.dumps([*books, customer]))
            return pipe.execute()[0]

    def show() -> Rows:
        books = json.loads(env.redis.get("books") or "[]")
        return [{"number": number, "customer": customer} for number, customer in enumerate(books, 1)]

    return serve(store, show)


def lock_for_ever(env: Any) -> Flask:
    """Who lets one at a time into the books, under a lock without an end: a dead clerk keeps the key."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.redis.lock("books"):
            number = run(env, "SELECT coalesce(max(number), 0) + 1 FROM invoices").scalar_one()
            run(env, INSERT, number=number, customer=customer, amount=amount)
        return number

    return serve(store, lambda: rows(env))


# -- right


def counter_row(env: Any) -> Flask:
    """The last number is a row, and both change in one transaction."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.database.begin() as db:
            number = db.execute(text(NEXT)).scalar_one()
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


def counter_row_rolled_back(env: Any) -> Flask:
    """The same, and the refusal is the database's: with the transaction the number is rolled back."""
    app = Flask("office")
    tables(env, more=" CHECK (amount > 0)")

    @app.post("/invoices")
    def bill() -> Any:
        try:
            with env.database.begin() as db:
                number = db.execute(text(NEXT)).scalar_one()
                db.execute(text(INSERT), {"number": number, **request.json})
        except IntegrityError:
            return REFUSED
        return {"number": number}

    app.add_url_rule("/invoices", view_func=lambda: {"invoices": rows(env)})
    return app


def unique_with_retry(env: Any) -> Flask:
    """The largest plus one under a UNIQUE, and again where somebody was faster."""
    tables(env, "INTEGER PRIMARY KEY")

    def store(customer: str, amount: int) -> int:
        while True:
            number = run(env, "SELECT coalesce(max(number), 0) + 1 FROM invoices").scalar_one()
            try:
                run(env, INSERT, number=number, customer=customer, amount=amount)
                return number
            except IntegrityError:
                continue

    return serve(store, lambda: rows(env))


def advisory_lock(env: Any) -> Flask:
    """A lock that ends with its transaction, around the largest plus one."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(42)"))
            number = db.execute(text("SELECT coalesce(max(number), 0) + 1 FROM invoices")).scalar_one()
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


def pushed(env: Any) -> Flask:
    """A list in Redis: RPUSH stores the invoice and returns its place, in one command."""
    return serve(lambda customer, amount: env.redis.rpush("invoices", customer), lambda: listed(env))


def lua(env: Any) -> Flask:
    """Count and store in a script, which Redis runs as one command."""
    add = env.redis.register_script("""
        local n = redis.call('INCR', KEYS[1])
        redis.call('HSET', KEYS[2], n, ARGV[1])
        return n
    """)

    def books() -> Rows:
        return [{"number": int(n), "customer": who} for n, who in env.redis.hgetall("books").items()]

    return serve(lambda customer, amount: add(keys=["last", "books"], args=[customer]), books)


def locked_table(env: Any) -> Flask:
    """The whole table is locked, so that the largest number stays the largest."""
    tables(env)

    def store(customer: str, amount: int) -> int:
        with env.database.begin() as db:
            db.execute(text("LOCK TABLE invoices IN EXCLUSIVE MODE"))
            number = db.execute(text("SELECT coalesce(max(number), 0) + 1 FROM invoices")).scalar_one()
            db.execute(text(INSERT), {"number": number, "customer": customer, "amount": amount})
        return number

    return serve(store, lambda: rows(env))


STUB = (stub, "S02-GAP")

WRONG = {
    "identity_after_a_check": (identity_after_a_check, "S02-GAP"),
    "incr_then_insert": (incr_then_insert, "S02-GAP"),
    "two_transactions": (two_transactions, "S02-GAP"),
    "free_list": (free_list, "S02-GAP"),
    "kept_by_a_savepoint": (kept_by_a_savepoint, "S02-GAP"),
    "decrement_on_refusal": (decrement_on_refusal, "S02-TWICE"),
    "memory_counter": (memory_counter, "S02-TWICE"),
    "largest_plus_one": (largest_plus_one, "S02-TWICE"),
    "local_lock": (local_lock, "S02-TWICE"),
    "pushed_then_counted": (pushed_then_counted, "S02-TWICE"),
    "place_when_shown": (place_when_shown, "S02-TWICE"),
    "last_row_locked": (last_row_locked, "S02-TWICE"),
    "closed_gaps": (closed_gaps, "S02-CHANGED"),
    "numbered_at_night": (numbered_at_night, "S02-UNANSWERED"),
    "unique_without_retry": (unique_without_retry, "S02-UNANSWERED"),
    "stored_later": (stored_later, "S02-LOST"),
    "overwritten": (overwritten, "S02-LOST"),
    "lock_for_ever": (lock_for_ever, "S02-BLOCKED"),
}

RIGHT = {
    "counter_row": counter_row,
    "counter_row_rolled_back": counter_row_rolled_back,
    "unique_with_retry": unique_with_retry,
    "advisory_lock": advisory_lock,
    "locked_table": locked_table,
    "pushed": pushed,
    "lua": lua,
}

REPLAYED = "largest_plus_one"
