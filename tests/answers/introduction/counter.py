"""Answers to 01.counter: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask
from sqlalchemy import text


def serve(visit: Callable[[], Any], show: Callable[[], int]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.post("/visit")
    def post() -> Any:
        visit()
        return {"counted": True}

    @app.get("/visits")
    def get() -> Any:
        return {"visits": show()}

    return app


def number(env: Any) -> int:
    """Return the number as it stands in Redis."""
    return int(env.redis.get("visits") or 0)


def table(env: Any) -> None:
    """Make a table of one row, if nobody has made it."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING"))


def row(env: Any) -> int:
    """Return the number as it stands in that row."""
    with env.database.connect() as db:
        return db.execute(text("SELECT n FROM counter WHERE id = 1")).scalar_one()


def stub(env: Any) -> Flask:
    """The number is in the instance's own memory."""
    app = Flask("shop")
    numbers = {"visits": 0}

    @app.post("/visit")
    def visit() -> Any:
        numbers["visits"] += 1
        return {"visits": numbers["visits"]}

    @app.get("/visits")
    def visits() -> Any:
        return {"visits": numbers["visits"]}

    return app


# -- wrong: a visit is lost


def read_then_write(env: Any) -> Flask:
    """Who moves the number to Redis line by line: another copy may come between reading and writing."""
    return serve(lambda: env.redis.set("visits", number(env) + 1), lambda: number(env))


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each copy has one of its own."""
    lock = threading.Lock()

    def visit() -> None:
        with lock:
            env.redis.set("visits", number(env) + 1)

    return serve(visit, lambda: number(env))


def select_then_update(env: Any) -> Flask:
    """Who trusts the transaction: under READ COMMITTED both read the old number before either writes."""
    table(env)

    def visit() -> None:
        with env.database.begin() as db:
            n = db.execute(text("SELECT n FROM counter WHERE id = 1")).scalar_one()
            db.execute(text("UPDATE counter SET n = :n WHERE id = 1"), {"n": n + 1})

    return serve(visit, lambda: row(env))


def loaded_at_start(env: Any) -> Flask:
    """Who reads the store once, at the start, and from then on writes to it: every copy has its own idea."""
    env.redis.setnx("visits", 0)
    numbers = {"visits": number(env)}

    def visit() -> None:
        numbers["visits"] += 1
        env.redis.set("visits", numbers["visits"])

    return serve(visit, lambda: number(env))


def cached_reads(env: Any) -> Flask:
    """Who saves a trip to Redis: it counts right, and each copy tells the number of its own last visit."""
    numbers = {"visits": 0}

    def visit() -> None:
        numbers["visits"] = env.redis.incr("visits")

    return serve(visit, lambda: numbers["visits"])


def sum_of_the_first(env: Any) -> Flask:
    """Who lets each copy count under its own name, and adds up those that it met at its start."""
    env.redis.sadd("copies", env.name)
    copies = env.redis.smembers("copies")

    def total() -> int:
        return sum(int(n or 0) for n in env.redis.mget([f"visits:{name}" for name in sorted(copies)]))

    return serve(lambda: env.redis.incr(f"visits:{env.name}"), total)


def field_read_then_written(env: Any) -> Flask:
    """Who gives each copy a field of its own, so that copies cannot meet: two visits to one copy still do."""

    def visit() -> None:
        n = int(env.redis.hget("visits", env.name) or 0)
        env.redis.hset("visits", env.name, n + 1)

    return serve(visit, lambda: sum(int(n) for n in env.redis.hvals("visits")))


def watched_too_late(env: Any) -> Flask:
    """Who knows WATCH, and reads first: what changed before the WATCH is not noticed."""

    def visit() -> None:
        with env.redis.pipeline() as pipe:
            while True:
                n = number(env)
                try:
                    pipe.watch("visits")
                    pipe.multi()
                    pipe.set("visits", n + 1)
                    pipe.execute()
                    return
                except redis.WatchError:
                    continue

    return serve(visit, lambda: number(env))


def swallowed_watch_error(env: Any) -> Flask:
    """Who silences the exception that production logged: the loser of the race is told that all is well."""

    def visit() -> None:
        with env.redis.pipeline() as pipe, contextlib.suppress(redis.WatchError):
            pipe.watch("visits")
            n = int(pipe.get("visits") or 0)
            pipe.multi()
            pipe.set("visits", n + 1)
            pipe.execute()

    return serve(visit, lambda: number(env))


def homemade_lock(env: Any) -> Flask:
    """Who builds the lock from two commands: both copies look, both find it free, both take it."""

    def visit() -> None:
        while env.redis.exists("lock"):
            time.sleep(0.05)
        env.redis.set("lock", env.name, ex=1)
        env.redis.set("visits", number(env) + 1)
        env.redis.delete("lock")

    return serve(visit, lambda: number(env))


def answered_first(env: Any) -> Flask:
    """Who wants fast pages: a thread counts after the answer, and who asks at once is told too little."""

    def visit() -> None:
        threading.Thread(target=env.redis.incr, args=("visits",)).start()

    return serve(visit, lambda: number(env))


def set_of_times(env: Any) -> Flask:
    """Who keeps a set of the times of all visits: two in one moment are one."""
    return serve(lambda: env.redis.sadd("visits", str(time.time())), lambda: env.redis.scard("visits"))


def buffered(env: Any) -> Flask:
    """Who spares Redis, and hands on three visits at a time: the others do not know of those in between."""
    mine = [0]

    def visit() -> None:
        mine[0] += 1
        if mine[0] == 3:
            env.redis.incrby("visits", mine[0])
            mine[0] = 0

    return serve(visit, lambda: number(env) + mine[0])


def compared_once(env: Any) -> Flask:
    """Who compares before writing, and does not ask whether anything was written."""
    table(env)

    def visit() -> None:
        n = row(env)
        with env.database.begin() as db:
            db.execute(text("UPDATE counter SET n = :next WHERE n = :seen"), {"next": n + 1, "seen": n})

    return serve(visit, lambda: row(env))


# -- wrong: somebody gets no answer


def no_retry(env: Any) -> Flask:
    """Who uses WATCH as the manual shows it first, without the loop: the second visitor gets a 500."""

    def visit() -> None:
        with env.redis.pipeline() as pipe:
            pipe.watch("visits")
            n = int(pipe.get("visits") or 0)
            pipe.multi()
            pipe.set("visits", n + 1)
            pipe.execute()

    return serve(visit, lambda: number(env))


def sent_away(env: Any) -> Flask:
    """Who takes a lock and does not wait for it (an over-fix): one visitor at a time, the others get a 503."""
    app = Flask("shop")

    @app.post("/visit")
    def visit() -> Any:
        if not env.redis.set("lock", env.name, nx=True, ex=1):
            return {"error": "busy"}, 503
        env.redis.set("visits", number(env) + 1)
        env.redis.delete("lock")
        return {"visits": number(env)}

    @app.get("/visits")
    def visits() -> Any:
        return {"visits": number(env)}

    return app


def as_text(env: Any) -> Flask:
    """Who hands out what Redis gave him: redis-py returns text, and a number in quotes is another contract."""
    return serve(lambda: env.redis.incr("visits"), lambda: env.redis.get("visits"))


# -- wrong: everybody waits


def lock_for_ever(env: Any) -> Flask:
    """Who locks with redis-py's default, without a timeout: a dead holder holds it for ever."""

    def visit() -> None:
        with env.redis.lock("lock"):
            env.redis.set("visits", number(env) + 1)

    return serve(visit, lambda: number(env))


def lock_for_a_minute(env: Any) -> Flask:
    """Who gives the lock a generous timeout: after one kill nobody is counted for a minute."""

    def visit() -> None:
        with env.redis.lock("lock", timeout=60):
            env.redis.set("visits", number(env) + 1)

    return serve(visit, lambda: number(env))


# -- wrong: the number is forgotten


def zero_at_start(env: Any) -> Flask:
    """Who prepares the key at the start: every new copy begins the count again, for all."""
    env.redis.set("visits", 0)
    return serve(lambda: env.redis.incr("visits"), lambda: number(env))


def table_at_start(env: Any) -> Flask:
    """Who prepares the table at the start, as the tutorial does: a new copy drops everybody's visits."""
    with env.database.begin() as db:
        db.execute(text("DROP TABLE IF EXISTS visits"))
        db.execute(text("CREATE TABLE visits (at DOUBLE PRECISION)"))

    def visit() -> None:
        with env.database.begin() as db:
            db.execute(text("INSERT INTO visits VALUES (:now)"), {"now": time.time()})

    def total() -> int:
        with env.database.connect() as db:
            return db.execute(text("SELECT count(*) FROM visits")).scalar_one()

    return serve(visit, total)


def sum_of_the_living(env: Any) -> Flask:
    """Who lets each copy's number end with the copy: a key each, kept alive by a heartbeat."""
    key = f"visits:{env.name}"

    @env.every(10)
    def beat() -> None:
        env.redis.expire(key, 30)

    def visit() -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, 30)
            pipe.execute()

    def total() -> int:
        keys = sorted(env.redis.scan_iter("visits:*"))
        return sum(int(n or 0) for n in env.redis.mget(keys)) if keys else 0

    return serve(visit, total)


def kept_for_an_hour(env: Any) -> Flask:
    """Who gives every key an expiry, as one should for a cache: the number is none, and after a quiet hour it is 0."""

    def visit() -> None:
        env.redis.incr("visits")
        env.redis.expire("visits", 3600)

    return serve(visit, lambda: number(env))


# -- wrong: a visit is counted that nobody made


def every_request(env: Any) -> Flask:
    """Who counts where all requests pass: to ask for the number is a visit too."""
    app = serve(lambda: None, lambda: number(env))
    app.before_request(lambda: env.redis.incr("visits") and None)
    return app


def reads_back(env: Any) -> Flask:
    """Who makes sure: he counts, reads back, and tries again where another number stands there than his."""

    def visit() -> None:
        while env.redis.incr("visits") != number(env):
            pass

    return serve(visit, lambda: number(env))


def counts_for_each_copy(env: Any) -> Flask:
    """Who keeps the number in memory too, and adds both up: a visit counts in Redis and once more at home."""
    numbers = {"visits": 0}

    def visit() -> None:
        numbers["visits"] += 1
        env.redis.incr("visits")

    return serve(visit, lambda: number(env) + numbers["visits"])


# -- right


def incr(env: Any) -> Flask:
    """One command, which reads, adds and writes."""
    return serve(lambda: env.redis.incr("visits"), lambda: number(env))


def lua(env: Any) -> Flask:
    """Read, add and write in a script, which Redis runs as one command."""
    add = env.redis.register_script("""
        local n = tonumber(redis.call('GET', KEYS[1]) or '0') + 1
        redis.call('SET', KEYS[1], n)
        return n
    """)
    return serve(lambda: add(keys=["visits"]), lambda: number(env))


def watch_and_retry(env: Any) -> Flask:
    """WATCH, read, MULTI, write, and again where somebody came between."""

    def change(pipe: Any) -> None:
        n = int(pipe.get("visits") or 0)
        pipe.multi()
        pipe.set("visits", n + 1)

    return serve(lambda: env.redis.transaction(change, "visits"), lambda: number(env))


def update(env: Any) -> Flask:
    """One UPDATE, which computes the new number from the old one under the row's lock."""
    table(env)

    def visit() -> None:
        with env.database.begin() as db:
            db.execute(text("UPDATE counter SET n = n + 1 WHERE id = 1"))

    return serve(visit, lambda: row(env))


def locked_row(env: Any) -> Flask:
    """SELECT FOR UPDATE, then UPDATE: the row is locked before it is read."""
    table(env)

    def visit() -> None:
        with env.database.begin() as db:
            n = db.execute(text("SELECT n FROM counter WHERE id = 1 FOR UPDATE")).scalar_one()
            db.execute(text("UPDATE counter SET n = :n WHERE id = 1"), {"n": n + 1})

    return serve(visit, lambda: row(env))


def row_a_visit(env: Any) -> Flask:
    """A row for each visit, and a count of rows: nothing is changed, so nothing is overwritten."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS visits (at DOUBLE PRECISION)"))

    def visit() -> None:
        with env.database.begin() as db:
            db.execute(text("INSERT INTO visits VALUES (:now)"), {"now": time.time()})

    def total() -> int:
        with env.database.connect() as db:
            return db.execute(text("SELECT count(*) FROM visits")).scalar_one()

    return serve(visit, total)


def field_a_copy(env: Any) -> Flask:
    """A field for each copy in one hash that outlives them all, added up by whoever is asked."""
    return serve(
        lambda: env.redis.hincrby("visits", env.name, 1), lambda: sum(int(n) for n in env.redis.hvals("visits"))
    )


def upsert(env: Any) -> Flask:
    """One statement makes the row or counts in it."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))

    def visit() -> None:
        insert = "INSERT INTO counter VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = counter.n + 1"
        with env.database.begin() as db:
            db.execute(text(insert))

    def total() -> int:
        with env.database.connect() as db:
            return db.execute(text("SELECT coalesce(sum(n), 0) FROM counter")).scalar_one()

    return serve(visit, total)


def compare_and_set(env: Any) -> Flask:
    """Who lost the race looks again, as long as it takes."""
    table(env)

    def visit() -> None:
        changed = 0
        while not changed:
            n = row(env)
            with env.database.begin() as db:
                update = text("UPDATE counter SET n = :next WHERE n = :seen")
                changed = db.execute(update, {"next": n + 1, "seen": n}).rowcount

    return serve(visit, lambda: row(env))


def lock_that_ends(env: Any) -> Flask:
    """A lock in Redis that is given back by a dead holder, after a second."""

    def visit() -> None:
        with env.redis.lock("lock", timeout=1):
            env.redis.set("visits", number(env) + 1)

    return serve(visit, lambda: number(env))


STUB = (stub, "S01-LOST-VISIT")

WRONG = {
    "read_then_write": (read_then_write, "S01-LOST-VISIT"),
    "local_lock": (local_lock, "S01-LOST-VISIT"),
    "select_then_update": (select_then_update, "S01-LOST-VISIT"),
    "loaded_at_start": (loaded_at_start, "S01-LOST-VISIT"),
    "cached_reads": (cached_reads, "S01-LOST-VISIT"),
    "sum_of_the_first": (sum_of_the_first, "S01-LOST-VISIT"),
    "field_read_then_written": (field_read_then_written, "S01-LOST-VISIT"),
    "watched_too_late": (watched_too_late, "S01-LOST-VISIT"),
    "swallowed_watch_error": (swallowed_watch_error, "S01-LOST-VISIT"),
    "homemade_lock": (homemade_lock, "S01-LOST-VISIT"),
    "answered_first": (answered_first, "S01-LOST-VISIT"),
    "compared_once": (compared_once, "S01-LOST-VISIT"),
    "buffered": (buffered, "S01-LOST-VISIT"),
    "set_of_times": (set_of_times, "S01-LOST-VISIT"),
    "no_retry": (no_retry, "S01-UNANSWERED"),
    "sent_away": (sent_away, "S01-UNANSWERED"),
    "as_text": (as_text, "S01-UNANSWERED"),
    "lock_for_ever": (lock_for_ever, "S01-BLOCKED"),
    "lock_for_a_minute": (lock_for_a_minute, "S01-BLOCKED"),
    "zero_at_start": (zero_at_start, "S01-FORGOTTEN"),
    "table_at_start": (table_at_start, "S01-FORGOTTEN"),
    "sum_of_the_living": (sum_of_the_living, "S01-FORGOTTEN"),
    "kept_for_an_hour": (kept_for_an_hour, "S01-FORGOTTEN"),
    "every_request": (every_request, "S01-PHANTOM-VISIT"),
    "reads_back": (reads_back, "S01-PHANTOM-VISIT"),
    "counts_for_each_copy": (counts_for_each_copy, "S01-PHANTOM-VISIT"),
}

RIGHT = {
    "incr": incr,
    "lua": lua,
    "watch_and_retry": watch_and_retry,
    "update": update,
    "upsert": upsert,
    "compare_and_set": compare_and_set,
    "lock_that_ends": lock_that_ends,
    "locked_row": locked_row,
    "row_a_visit": row_a_visit,
    "field_a_copy": field_a_copy,
}

REPLAYED = "read_then_write"
