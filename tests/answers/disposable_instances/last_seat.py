"""Answers to 02.last_seat: the stub, what people really write, and what is right."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

SOLD_OUT = ({"error": "sold out"}, 409)


def serve(take: Callable[[], bool], left: Callable[[], int]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.post("/buy")
    def buy() -> Any:
        return {"sold": True} if take() else SOLD_OUT

    @app.get("/left")
    def show() -> Any:
        return {"left": left()}

    return app


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own, and return its result."""
    with env.database.begin() as db:
        return db.execute(text(sql), values)


def number(env: Any) -> int:
    """Return the number of seats left as it stands in Redis."""
    return int(env.redis.get("left"))


def row(env: Any) -> int:
    """Return the number of seats left as it stands in the row."""
    return run(env, "SELECT seats FROM stock").scalar_one()


def table(env: Any) -> None:
    """Make the row, if nobody has made it."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, seats INTEGER NOT NULL)"))
        insert = text("INSERT INTO stock VALUES (1, :seats) ON CONFLICT DO NOTHING")
        db.execute(insert, {"seats": int(env.vars["SEATS"])})


def stub(env: Any) -> Flask:
    """The number is read, compared and written back."""
    app = Flask("shop")
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, seats INTEGER NOT NULL)"))
        insert = text("INSERT INTO stock VALUES (1, :seats) ON CONFLICT DO NOTHING")
        db.execute(insert, {"seats": int(env.vars["SEATS"])})

    @app.post("/buy")
    def buy():
        with env.database.begin() as db:
            seats = db.execute(text("SELECT seats FROM stock")).scalar_one()
            if seats == 0:
                return {"error": "sold out"}, 409
            db.execute(text("UPDATE stock SET seats = :seats WHERE id = 1"), {"seats": seats - 1})
        return {"sold": True}

    @app.get("/left")
    def left():
        with env.database.connect() as db:
            return {"left": db.execute(text("SELECT seats FROM stock")).scalar_one()}

    return app


# -- wrong: more is sold than there is


def in_memory(env: Any) -> Flask:
    """Who has always had one instance: each sells the whole house."""
    seats = [int(env.vars["SEATS"])]

    def take() -> bool:
        seats[0] -= seats[0] > 0
        return seats[0] > 0

    return serve(take, lambda: seats[0])


def looked_first(env: Any) -> Flask:
    """Who checks in Python, then inserts: the count is true when it is read, and old when it is used."""
    run(env, "CREATE TABLE IF NOT EXISTS sales (id SERIAL PRIMARY KEY, seat INTEGER)")
    seats = int(env.vars["SEATS"])

    def sold() -> int:
        return run(env, "SELECT count(*) FROM sales").scalar_one()

    def take() -> bool:
        if sold() >= seats:
            return False
        run(env, "INSERT INTO sales (seat) VALUES (0)")
        return True

    return serve(take, lambda: seats - sold())


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each instance has one of its own."""
    table(env)
    lock = threading.Lock()

    def take() -> bool:
        with lock:
            seats = row(env)
            if seats > 0:
                run(env, "UPDATE stock SET seats = :seats", seats=seats - 1)
            return seats > 0

    return serve(take, lambda: row(env))


def checked_then_decremented(env: Any) -> Flask:
    """Who has heard of DECR, and looks before it: both see one seat, both take it."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        if number(env) <= 0:
            return False
        env.redis.decr("left")
        return True

    return serve(take, lambda: max(0, number(env)))


def no_rowcount(env: Any) -> Flask:
    """Who writes the right UPDATE and never asks what it changed: the number is right, the answers are not."""
    table(env)

    def take() -> bool:
        seats = row(env)
        run(env, "UPDATE stock SET seats = seats - 1 WHERE seats > 0")
        return seats > 0

    return serve(take, lambda: row(env))


def condition_too_early(env: Any) -> Flask:
    """Who puts the condition into a subquery of its own transaction's beginning, and the new number beside it."""
    table(env)

    def take() -> bool:
        with env.database.begin() as db:
            seats = db.execute(text("SELECT seats FROM stock WHERE seats > 0")).scalar_one_or_none()
            if seats is None:
                return False
            return db.execute(text("UPDATE stock SET seats = :n WHERE id = 1"), {"n": seats - 1}).rowcount == 1

    return serve(take, lambda: row(env))


def reset_at_start(env: Any) -> Flask:
    """Who fills the house at the start: each instance that starts in the middle of the sale fills it again."""
    env.redis.set("left", env.vars["SEATS"])

    def take() -> bool:
        if env.redis.decr("left") >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: max(0, number(env)))


def answered_first(env: Any) -> Flask:
    """Who wants fast pages: a thread writes the sale down after the buyer has been told."""
    table(env)

    def take() -> bool:
        if row(env) <= 0:
            return False
        update = "UPDATE stock SET seats = seats - 1 WHERE seats > 0"
        threading.Thread(target=run, args=(env, update)).start()
        return True

    return serve(take, lambda: row(env))


def homemade_lock(env: Any) -> Flask:
    """Who builds a lock from two commands: both look, both find it free, both take it."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        while env.redis.exists("lock"):
            time.sleep(0.01)
        env.redis.set("lock", env.name, ex=1)
        seats = number(env)
        if seats > 0:
            env.redis.set("left", seats - 1)
        env.redis.delete("lock")
        return seats > 0

    return serve(take, lambda: number(env))


def shares(env: Any) -> Flask:
    """Who gives each instance half of the house at its start: a third one that starts brings a third half."""
    key = f"left:{env.name}"
    share = (int(env.vars["SEATS"]) + 1) // 2
    env.redis.set(key, share)

    def total() -> int:
        return sum(int(n) for n in env.redis.mget(sorted(env.redis.scan_iter("left:*"))))

    def take() -> bool:
        if env.redis.decr(key) >= 0:
            return True
        env.redis.incr(key)
        return False

    return serve(take, total)


def stock_for_an_hour(env: Any) -> Flask:
    """Who gives the number an expiry: the next instance that starts fills the house again."""
    env.redis.set("left", env.vars["SEATS"], nx=True, ex=3600)

    def take() -> bool:
        if env.redis.decr("left") >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: max(0, int(env.redis.get("left") or 0)))


def filled_when_empty(env: Any) -> Flask:
    """Who fills the set of seats where there is none: a set that is empty is none, and sold out is not the start."""
    if not env.redis.exists("seats"):
        env.redis.sadd("seats", *range(int(env.vars["SEATS"])))
    return serve(lambda: env.redis.spop("seats") is not None, lambda: env.redis.scard("seats"))


def lock_let_go(env: Any) -> Flask:
    """Who locks the row to read it, and lets go of it with the transaction before writing."""
    table(env)

    def take() -> bool:
        seats = run(env, "SELECT seats FROM stock FOR UPDATE").scalar_one()
        if seats > 0:
            run(env, "UPDATE stock SET seats = :seats", seats=seats - 1)
        return seats > 0

    return serve(take, lambda: row(env))


def counted_in_the_insert(env: Any) -> Flask:
    """Who counts in the same statement: it counts what was committed when it began, and waits for nobody."""
    run(env, "CREATE TABLE IF NOT EXISTS sales (id TEXT PRIMARY KEY)")
    seats = int(env.vars["SEATS"])

    def take() -> bool:
        insert = "INSERT INTO sales SELECT :id WHERE (SELECT count(*) FROM sales) < :seats"
        return run(env, insert, id=str(uuid.uuid4()), seats=seats).rowcount == 1

    return serve(take, lambda: seats - run(env, "SELECT count(*) FROM sales").scalar_one())


# -- wrong: a buyer is turned away


def conflict_is_sold_out(env: Any) -> Flask:
    """Who takes a lost race for an empty house: the seat that the number belongs to is gone, others are not."""
    table(env)

    def take() -> bool:
        seats = row(env)
        update = "UPDATE stock SET seats = seats - 1 WHERE seats = :seen AND seats > 0"
        return run(env, update, seen=seats).rowcount == 1

    return serve(take, lambda: row(env))


def subselect(env: Any) -> Flask:
    """Who lets the UPDATE pick a free seat by a subquery: two pick the same, and the second gets none at all."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS seats (id INTEGER PRIMARY KEY, taken INTEGER)"))
        for seat in range(int(env.vars["SEATS"])):
            db.execute(text("INSERT INTO seats VALUES (:seat, 0) ON CONFLICT DO NOTHING"), {"seat": seat})

    def take() -> bool:
        free = run(env, "SELECT min(id) FROM seats WHERE taken = 0").scalar_one()
        update = "UPDATE seats SET taken = 1 WHERE id = :seat AND taken = 0"
        return free is not None and run(env, update, seat=free).rowcount == 1

    return serve(take, lambda: run(env, "SELECT count(*) FROM seats WHERE taken = 0").scalar_one())


def block_of_seats(env: Any) -> Flask:
    """Who saves trips: an instance fetches two seats at a time and sells them from memory, while others find none."""
    table(env)
    mine = [0]
    lock = threading.Lock()

    def fetch() -> int:
        with env.database.begin() as db:
            free = db.execute(text("SELECT seats FROM stock FOR UPDATE")).scalar_one()
            db.execute(text("UPDATE stock SET seats = :n"), {"n": max(0, free - 2)})
        return min(2, free)

    def take() -> bool:
        with lock:
            mine[0] = mine[0] or fetch()
            got = mine[0] > 0
            mine[0] -= got
            return got

    return serve(take, lambda: row(env) + mine[0])


def three_tries(env: Any) -> Flask:
    """Who looks again after a lost race, three times in all: in a crowd one loses more often than that."""
    table(env)

    def take() -> bool:
        for _ in range(3):
            seats = row(env)
            update = "UPDATE stock SET seats = seats - 1 WHERE seats = :seen AND seats > 0"
            if seats <= 0 or run(env, update, seen=seats).rowcount == 1:
                return seats > 0
        return False

    return serve(take, lambda: row(env))


# -- wrong: everybody waits


def lock_for_ever(env: Any) -> Flask:
    """Who locks with redis-py's default, without a timeout: a dead holder closes the box office."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        with env.redis.lock("lock"):
            seats = number(env)
            if seats > 0:
                env.redis.set("left", seats - 1)
            return seats > 0

    return serve(take, lambda: number(env))


# -- wrong: the number, or no answer


def never_given_back(env: Any) -> Flask:
    """Who decrements and forgets those who came too late: the shop offers minus two seats."""
    env.redis.setnx("left", env.vars["SEATS"])
    return serve(lambda: env.redis.decr("left") >= 0, lambda: number(env))


def given_back_unless_killed(env: Any) -> Flask:
    """Who gives back what went below zero: whoever dies before that leaves the number at minus one, for ever."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        if env.redis.decr("left") >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: number(env))


def cached_number(env: Any) -> Flask:
    """Who shows the number of the last sale that this instance has made."""
    env.redis.setnx("left", env.vars["SEATS"])
    seen = [int(env.vars["SEATS"])]

    def take() -> bool:
        n = env.redis.decr("left")
        seen[0] = max(0, n)
        if n >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: seen[0])


def gone_means_500(env: Any) -> Flask:
    """Who lets the database forbid it, by CHECK (seats >= 0), and lets its error out: sold out is a 500."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, seats INTEGER CHECK (seats >= 0))"))
        insert = text("INSERT INTO stock VALUES (1, :seats) ON CONFLICT DO NOTHING")
        db.execute(insert, {"seats": int(env.vars["SEATS"])})

    def take() -> bool:
        return run(env, "UPDATE stock SET seats = seats - 1").rowcount == 1

    return serve(take, lambda: row(env))


def as_text(env: Any) -> Flask:
    """Who hands out what Redis gave: a number in quotes is another contract."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        if env.redis.decr("left") >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: env.redis.get("left"))


# -- right


def conditional_update(env: Any) -> Flask:
    """One UPDATE with its condition, and what it changed is the answer."""
    table(env)
    take = "UPDATE stock SET seats = seats - 1 WHERE seats > 0"
    return serve(lambda: run(env, take).rowcount == 1, lambda: row(env))


def decrement_and_give_back(env: Any) -> Flask:
    """DECR tells each buyer another number; who is below zero gives it back, and nobody shows less than none."""
    env.redis.setnx("left", env.vars["SEATS"])

    def take() -> bool:
        if env.redis.decr("left") >= 0:
            return True
        env.redis.incr("left")
        return False

    return serve(take, lambda: max(0, number(env)))


def unique_seat(env: Any) -> Flask:
    """A row for each seat sold; two rows for one seat are what the database refuses, and the next is tried."""
    run(env, "CREATE TABLE IF NOT EXISTS sales (seat INTEGER PRIMARY KEY)")
    seats = int(env.vars["SEATS"])

    def sold() -> int:
        return run(env, "SELECT count(*) FROM sales").scalar_one()

    def take() -> bool:
        while (seat := sold()) < seats:
            try:
                run(env, "INSERT INTO sales VALUES (:seat)", seat=seat)
                return True
            except IntegrityError:
                continue
        return False

    return serve(take, lambda: seats - sold())


def checked_by_the_database(env: Any) -> Flask:
    """CHECK (seats >= 0) forbids it, and its error is the answer."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, seats INTEGER CHECK (seats >= 0))"))
        insert = text("INSERT INTO stock VALUES (1, :seats) ON CONFLICT DO NOTHING")
        db.execute(insert, {"seats": int(env.vars["SEATS"])})

    def take() -> bool:
        try:
            run(env, "UPDATE stock SET seats = seats - 1")
            return True
        except IntegrityError:
            return False

    return serve(take, lambda: row(env))


def locked_row(env: Any) -> Flask:
    """SELECT FOR UPDATE, then UPDATE: the row is locked before it is read."""
    table(env)

    def take() -> bool:
        with env.database.begin() as db:
            seats = db.execute(text("SELECT seats FROM stock FOR UPDATE")).scalar_one()
            if seats > 0:
                db.execute(text("UPDATE stock SET seats = :n"), {"n": seats - 1})
            return seats > 0

    return serve(take, lambda: row(env))


def popped_tickets(env: Any) -> Flask:
    """A ticket a seat in a set; SPOP hands each out once."""
    seats = int(env.vars["SEATS"])
    if env.redis.setnx("printed", env.name):
        env.redis.sadd("tickets", *range(seats))
    return serve(lambda: env.redis.spop("tickets") is not None, lambda: env.redis.scard("tickets"))


def watch_and_retry(env: Any) -> Flask:
    """WATCH, read, MULTI, write, and again where somebody came between."""
    env.redis.setnx("left", env.vars["SEATS"])

    def change(pipe: redis.client.Pipeline) -> bool:
        seats = int(pipe.get("left"))
        pipe.multi()
        if seats > 0:
            pipe.decr("left")
        return seats > 0

    return serve(lambda: env.redis.transaction(change, "left", value_from_callable=True), lambda: max(0, number(env)))


def sold_counted(env: Any) -> Flask:
    """What is counted is sales, and never back: whoever gets a number above the house was too late."""
    seats = int(env.vars["SEATS"])
    return serve(lambda: env.redis.incr("sold") <= seats, lambda: max(0, seats - int(env.redis.get("sold") or 0)))


def rolled_back(env: Any) -> Flask:
    """The seat is taken first, and given back by ROLLBACK where there was none."""
    table(env)

    def take() -> bool:
        with env.database.connect() as db:
            left = db.execute(text("UPDATE stock SET seats = seats - 1 RETURNING seats")).scalar_one()
            if left >= 0:
                db.commit()
            return left >= 0

    return serve(take, lambda: row(env))


STUB = (stub, "S02-OVERSOLD")

WRONG = {
    "in_memory": (in_memory, "S02-OVERSOLD"),
    "looked_first": (looked_first, "S02-OVERSOLD"),
    "local_lock": (local_lock, "S02-OVERSOLD"),
    "checked_then_decremented": (checked_then_decremented, "S02-OVERSOLD"),
    "no_rowcount": (no_rowcount, "S02-OVERSOLD"),
    "condition_too_early": (condition_too_early, "S02-OVERSOLD"),
    "reset_at_start": (reset_at_start, "S02-OVERSOLD"),
    "answered_first": (answered_first, "S02-OVERSOLD"),
    "homemade_lock": (homemade_lock, "S02-OVERSOLD"),
    "conflict_is_sold_out": (conflict_is_sold_out, "S02-TURNED-AWAY"),
    "subselect": (subselect, "S02-TURNED-AWAY"),
    "shares": (shares, "S02-OVERSOLD"),
    "counted_in_the_insert": (counted_in_the_insert, "S02-OVERSOLD"),
    "lock_let_go": (lock_let_go, "S02-OVERSOLD"),
    "filled_when_empty": (filled_when_empty, "S02-OVERSOLD"),
    "stock_for_an_hour": (stock_for_an_hour, "S02-OVERSOLD"),
    "block_of_seats": (block_of_seats, "S02-TURNED-AWAY"),
    "three_tries": (three_tries, "S02-TURNED-AWAY"),
    "lock_for_ever": (lock_for_ever, "S02-BLOCKED"),
    "never_given_back": (never_given_back, "S02-WRONG-LEFT"),
    "given_back_unless_killed": (given_back_unless_killed, "S02-WRONG-LEFT"),
    "cached_number": (cached_number, "S02-WRONG-LEFT"),
    "gone_means_500": (gone_means_500, "S02-UNANSWERED"),
    "as_text": (as_text, "S02-UNANSWERED"),
}

RIGHT = {
    "conditional_update": conditional_update,
    "decrement_and_give_back": decrement_and_give_back,
    "unique_seat": unique_seat,
    "checked_by_the_database": checked_by_the_database,
    "locked_row": locked_row,
    "sold_counted": sold_counted,
    "rolled_back": rolled_back,
    "popped_tickets": popped_tickets,
    "watch_and_retry": watch_and_retry,
}

REPLAYED = "looked_first"
