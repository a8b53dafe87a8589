"""Answers to 02.order_numbers: the stub, what people really write, and what is right."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError


def serve(number: Callable[[], Any]) -> Flask:
    """Return an app that gives each order a number."""
    app = Flask("shop")

    @app.post("/orders")
    def order() -> Any:
        return {"number": number()}

    return app


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own, and return its result."""
    with env.database.begin() as db:
        return db.execute(text(sql), values)


def table(env: Any, key: str = "INTEGER") -> None:
    """Make a table of orders, if nobody has made it."""
    run(env, f"CREATE TABLE IF NOT EXISTS orders (id {key}, at DOUBLE PRECISION)")


def largest(env: Any) -> int:
    """Return the largest number that was given."""
    return run(env, "SELECT coalesce(max(id), 0) FROM orders").scalar_one()


def stub(env: Any) -> Flask:
    """The largest number so far, plus one."""
    app = Flask("shop")
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS orders (id INTEGER)"))

    @app.post("/orders")
    def order():
        with env.database.begin() as db:
            number = db.execute(text("SELECT coalesce(max(id), 0) + 1 FROM orders")).scalar_one()
            db.execute(text("INSERT INTO orders (id) VALUES (:number)"), {"number": number})
        return {"number": number}

    return app


# -- wrong: two at once


def memory_counter(env: Any) -> Flask:
    """Who counts in the process: every instance begins with 1."""
    numbers = itertools.count(1)
    return serve(lambda: next(numbers))


def count_plus_one(env: Any) -> Flask:
    """Who counts the rows in place of asking for the largest: two transactions count the same."""
    table(env)

    def number() -> int:
        with env.database.begin() as db:
            n = db.execute(text("SELECT count(*) + 1 FROM orders")).scalar_one()
            db.execute(text("INSERT INTO orders VALUES (:n, 0)"), {"n": n})
        return n

    return serve(number)


def remembered_maximum(env: Any) -> Flask:
    """Who asks the table once, at the start, and counts on from there in memory."""
    table(env)
    numbers = itertools.count(largest(env) + 1)

    def number() -> int:
        n = next(numbers)
        run(env, "INSERT INTO orders VALUES (:n, 0)", n=n)
        return n

    return serve(number)


def milliseconds(env: Any) -> Flask:
    """Who takes the time for a number: two instances may look at the clock in the same millisecond."""
    return serve(lambda: int(time.time() * 1000))


def name_and_milliseconds(env: Any) -> Flask:
    """Who puts the host's name before the time: one instance serves two orders within a millisecond on a busy day."""
    return serve(lambda: f"{env.name}-{int(time.time() * 1000)}")


def process_id(env: Any) -> Flask:
    """Who puts the process id before a counter: in a container it is 1, in every container."""
    numbers = itertools.count(1)
    return serve(lambda: f"{os.getpid()}-{next(numbers)}")


def seeded_random(env: Any) -> Flask:
    """Who seeds the generator so that the tests repeat: every instance draws the same numbers."""
    dice = random.Random(7)
    return serve(lambda: dice.getrandbits(64))


def four_digits(env: Any) -> Flask:
    """Who wants a number that can be read out on the phone: of 9000 two meet within a hundred orders or so."""
    return serve(lambda: random.randint(1000, 9999))


def get_then_set(env: Any) -> Flask:
    """Who counts in Redis in two commands, under a lock that the other instance does not know."""
    lock = threading.Lock()

    def number() -> int:
        with lock:
            n = int(env.redis.get("orders") or 0) + 1
            env.redis.set("orders", n)
            return n

    return serve(number)


def block_read_then_written(env: Any) -> Flask:
    """Who fetches numbers by the hundred, in two commands: two instances fetch the same hundred."""
    mine: list[int] = []

    def number() -> int:
        if not mine:
            begin = int(env.redis.get("next") or 0)
            env.redis.set("next", begin + 100)
            mine.extend(range(begin, begin + 100))
        return mine.pop(0)

    return serve(number)


def incremented_then_read(env: Any) -> Flask:
    """Who uses INCR and then asks for the number: another order has come between, and both read the same."""

    def number() -> int:
        env.redis.incr("orders")
        return int(env.redis.get("orders"))

    return serve(number)


# -- wrong: after a restart


def index_times_thousand(env: Any) -> Flask:
    """Who gives each instance a thousand of its own: a restarted shop-1 begins with 1001 again."""
    numbers = itertools.count(int(env.name.rsplit("-", 1)[1]) * 1000 + 1)
    return serve(lambda: next(numbers))


def name_and_counter(env: Any) -> Flask:
    """Who puts the instance's name before a counter: the name outlives the process, the counter does not."""
    numbers = itertools.count(1)
    return serve(lambda: f"{env.name}-{next(numbers)}")


def reset_at_start(env: Any) -> Flask:
    """Who prepares the key at the start: each instance that starts sets it to nothing for all."""
    env.redis.set("orders", 0)
    return serve(lambda: env.redis.incr("orders"))


def expiring_counter(env: Any) -> Flask:
    """Who never leaves a key in Redis without an expiry: after a quiet half-minute the numbers begin again."""

    def number() -> int:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr("orders")
            pipe.expire("orders", 30)
            return pipe.execute()[0]

    return serve(number)


# -- wrong: no number


def unique_without_retry(env: Any) -> Flask:
    """Who lets the database refuse a number that is taken, and leaves it at that: the second buyer gets a 500."""
    table(env, "INTEGER PRIMARY KEY")

    def number() -> int:
        n = largest(env) + 1
        run(env, "INSERT INTO orders VALUES (:n, 0)", n=n)
        return n

    return serve(number)


def none_while_busy(env: Any) -> Flask:
    """Who takes a lock and sends away whoever does not get it (an over-fix)."""
    app = Flask("shop")

    @app.post("/orders")
    def order() -> Any:
        if not env.redis.set("lock", env.name, nx=True, ex=5):
            return {"error": "busy"}, 503
        n = int(env.redis.get("orders") or 0) + 1
        env.redis.set("orders", n)
        env.redis.delete("lock")
        return {"number": n}

    return app


def lock_for_ever(env: Any) -> Flask:
    """Who locks without a timeout: after one death nobody orders any more."""

    def number() -> int:
        with env.redis.lock("lock"):
            n = int(env.redis.get("orders") or 0) + 1
            env.redis.set("orders", n)
            return n

    return serve(number)


def inserted_then_asked(env: Any) -> Flask:
    """Who lets the database count, and then asks for the largest number: that may be anybody's."""
    table(env, "SERIAL PRIMARY KEY")

    def number() -> int:
        run(env, "INSERT INTO orders (at) VALUES (0)")
        return largest(env)

    return serve(number)


# -- right


def incr(env: Any) -> Flask:
    """One command counts and tells."""
    return serve(lambda: env.redis.incr("orders"))


def identity(env: Any) -> Flask:
    """The database gives the number; what is rolled back leaves a gap."""
    table(env, "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    insert = "INSERT INTO orders (at) VALUES (:now) RETURNING id"
    return serve(lambda: run(env, insert, now=time.time()).scalar_one())


def uuid7(env: Any) -> Flask:
    """Milliseconds in front, 74 random bits behind (RFC 9562): unique, and in order only roughly."""

    def number() -> str:
        value = int(time.time() * 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    return serve(number)


def uuid4(env: Any) -> Flask:
    """122 random bits, and nothing that instances share."""
    return serve(lambda: str(uuid.uuid4()))


def unique_with_retry(env: Any) -> Flask:
    """The largest plus one, the database refuses what is taken, and whoever was refused asks again."""
    table(env, "INTEGER PRIMARY KEY")

    def number() -> int:
        while True:
            n = largest(env) + 1
            try:
                run(env, "INSERT INTO orders VALUES (:n, 0)", n=n)
                return n
            except IntegrityError:
                continue

    return serve(number)


def block_of_numbers(env: Any) -> Flask:
    """A hundred numbers in one command, given out from memory: whoever dies leaves a gap."""
    mine: list[int] = []

    def number() -> int:
        if not mine:
            end = env.redis.incrby("next", 100)
            mine.extend(range(end - 99, end + 1))
        return mine.pop(0)

    return serve(number)


def counter_a_day(env: Any) -> Flask:
    """The date in front, a counter a day behind: short numbers, and a key that may end the day after."""

    def number() -> str:
        day = datetime.now(UTC).date().isoformat()
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr(f"orders:{day}")
            pipe.expire(f"orders:{day}", 2 * 24 * 60 * 60)
            return f"{day}-{pipe.execute()[0]}"

    return serve(number)


def registered_start(env: Any) -> Flask:
    """A number for each start of a process, given by Redis, and a counter behind it."""
    start, numbers = env.redis.incr("starts"), itertools.count(1)
    return serve(lambda: f"{start}-{next(numbers)}")


def snowflake(env: Any) -> Flask:
    """A number of its own for each start, the clock, and a count within the millisecond."""
    worker, lock, last = env.redis.incr("workers"), threading.Lock(), [0, 0]

    def number() -> int:
        with lock:
            now = int(time.time() * 1000)
            last[:] = [now, last[1] + 1 if last[0] == now else 0]
            return now << 22 | worker << 12 | last[1]

    return serve(number)


def place_in_a_list(env: Any) -> Flask:
    """RPUSH tells how long the list has become: one command, so nobody is told the same."""
    return serve(lambda: env.redis.rpush("orders", "tea"))


STUB = (stub, "S02-TWICE")

WRONG = {
    "memory_counter": (memory_counter, "S02-TWICE"),
    "count_plus_one": (count_plus_one, "S02-TWICE"),
    "remembered_maximum": (remembered_maximum, "S02-TWICE"),
    "milliseconds": (milliseconds, "S02-TWICE"),
    "name_and_milliseconds": (name_and_milliseconds, "S02-TWICE"),
    "process_id": (process_id, "S02-TWICE"),
    "seeded_random": (seeded_random, "S02-TWICE"),
    "four_digits": (four_digits, "S02-TWICE"),
    "get_then_set": (get_then_set, "S02-TWICE"),
    "block_read_then_written": (block_read_then_written, "S02-TWICE"),
    "inserted_then_asked": (inserted_then_asked, "S02-TWICE"),
    "incremented_then_read": (incremented_then_read, "S02-TWICE"),
    "index_times_thousand": (index_times_thousand, "S02-REUSED"),
    "name_and_counter": (name_and_counter, "S02-REUSED"),
    "reset_at_start": (reset_at_start, "S02-REUSED"),
    "expiring_counter": (expiring_counter, "S02-REUSED"),
    "unique_without_retry": (unique_without_retry, "S02-UNANSWERED"),
    "none_while_busy": (none_while_busy, "S02-UNANSWERED"),
    "lock_for_ever": (lock_for_ever, "S02-BLOCKED"),
}

RIGHT = {
    "incr": incr,
    "identity": identity,
    "uuid7": uuid7,
    "uuid4": uuid4,
    "unique_with_retry": unique_with_retry,
    "block_of_numbers": block_of_numbers,
    "counter_a_day": counter_a_day,
    "registered_start": registered_start,
    "snowflake": snowflake,
    "place_in_a_list": place_in_a_list,
}

REPLAYED = "incremented_then_read"
