"""Answers to 08.once_per_period: the stub, what people really write, and what is right."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

HOUR = 60 * 60


def hourly(env: Any, wake: Callable[[], Any]) -> Flask:
    """Return an app whose timer wakes it each hour."""
    env.every(HOUR)(wake)
    return Flask("shop")


def mail(env: Any) -> None:
    """Do the job: gather for a second, then mail every customer."""
    env.work(1)
    for customer in env.vars["CUSTOMERS"].split():
        env.mail.send(customer, "Your digest")


def slot() -> int:
    """Return the number of the hour, the same on all clocks."""
    return int(time.time() // HOUR)


def stub(env: Any) -> Flask:
    """Whoever wakes does it."""
    return hourly(env, lambda: mail(env))


# -- wrong: twice


def get_then_set(env: Any) -> Flask:
    """Who looks first and then writes: both see that nobody has, and both write."""

    def wake() -> None:
        key = f"digest:{slot()}"
        if env.redis.get(key) is None:
            env.redis.set(key, env.name, ex=2 * HOUR)
            mail(env)

    return hourly(env, wake)


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each instance has one of its own."""
    lock, done = threading.Lock(), set()

    def wake() -> None:
        with lock:
            if slot() not in done:
                done.add(slot())
                mail(env)

    return hourly(env, wake)


def random_sleep(env: Any) -> Flask:
    """Who spreads the instances over half a minute, so that they do not meet: now and then they do."""

    def wake() -> None:
        time.sleep(random.randint(0, 30))
        key = f"digest:{slot()}"
        if not env.redis.exists(key):
            env.redis.set(key, env.name, ex=2 * HOUR)
            mail(env)

    return hourly(env, wake)


def lock_released(env: Any) -> Flask:
    """Who takes the lock properly and gives it back properly, after a second: a sibling is five seconds late."""

    def wake() -> None:
        if env.redis.set("digest", env.name, nx=True, ex=HOUR // 2):
            mail(env)
            env.redis.delete("digest")

    return hourly(env, wake)


def library_lock(env: Any) -> Flask:
    """Who takes redis-py's own lock: it lets them in one after the other, and each does the whole job."""

    def wake() -> None:
        with env.redis.lock("digest", timeout=60):
            mail(env)

    return hourly(env, wake)


def skipped_if_locked(env: Any) -> Flask:
    """Who does not wait for that lock: better, and the sibling five seconds late still finds it free."""

    def wake() -> None:
        lock = env.redis.lock("digest", timeout=60, blocking=False)
        if lock.acquire():
            mail(env)
            lock.release()

    return hourly(env, wake)


def advisory_lock(env: Any) -> Flask:
    """Who takes PostgreSQL's advisory lock: it ends with the session, and then it is free."""

    def wake() -> None:
        with env.database.connect() as db:
            if db.execute(text("SELECT pg_try_advisory_lock(9)")).scalar_one():
                mail(env)
                db.execute(text("SELECT pg_advisory_unlock(9)"))

    return hourly(env, wake)


def table(env: Any, key: str = "") -> None:
    """Make the table of runs, if nobody has made it."""
    with env.database.begin() as db:
        db.execute(text(f"CREATE TABLE IF NOT EXISTS runs (slot INTEGER {key}, owner TEXT)"))


def select_then_insert(env: Any) -> Flask:
    """Who trusts the transaction: neither sees the other's row, and nothing forbids a second one."""
    table(env)

    def wake() -> None:
        with env.database.begin() as db:
            if db.execute(text("SELECT 1 FROM runs WHERE slot = :s"), {"s": slot()}).first():
                return
            db.execute(text("INSERT INTO runs VALUES (:s, :o)"), {"s": slot(), "o": env.name})
        mail(env)

    return hourly(env, wake)


def inserted_unless_there(env: Any) -> Flask:
    """Look and write in one statement: it reads as one step, and neither finds a row that is not committed yet."""
    table(env)
    claim = "INSERT INTO runs (slot, owner) SELECT :s, :o WHERE NOT EXISTS (SELECT 1 FROM runs WHERE slot = :s)"

    def wake() -> None:
        with env.database.begin() as db:
            claimed = db.execute(text(claim), {"s": slot(), "o": env.name}).rowcount
        if claimed:
            mail(env)

    return hourly(env, wake)


def to_the_second(env: Any) -> Flask:
    """Who names the slot by the moment of waking: five seconds later is another slot."""

    def wake() -> None:
        key = f"digest:{datetime.now():%Y-%m-%dT%H:%M:%S}"
        if env.redis.set(key, env.name, nx=True, ex=HOUR):
            mail(env)

    return hourly(env, wake)


def ids_at_plain_smtp(env: Any) -> Flask:
    """Who leaves it to the mail server: a Message-ID names a letter, and this server delivers it again."""

    def wake() -> None:
        for customer in env.vars["CUSTOMERS"].split():
            env.mail.send(customer, "Your digest", message_id=f"{slot()}-{customer}")

    return hourly(env, wake)


def short_claim(env: Any) -> Flask:
    """Who lets the mark of the hour end after ten seconds, long enough for the job: a pause is longer."""

    def wake() -> None:
        if env.redis.set(f"digest:{slot()}", env.name, nx=True, ex=10):
            mail(env)

    return hourly(env, wake)


def marked_after(env: Any) -> Flask:
    """Who marks the hour when the work is done: meanwhile the other one has begun."""

    def wake() -> None:
        key = f"digest:{slot()}"
        if not env.redis.exists(key):
            mail(env)
            env.redis.set(key, env.name, nx=True, ex=2 * HOUR)

    return hourly(env, wake)


def every_minute(env: Any) -> Flask:
    """Who looks every minute in place of every hour: it may well be right, and is not what was asked and checked."""

    @env.every(60)
    def look() -> None:
        if env.redis.set(f"digest:{slot()}", env.name, nx=True, ex=2 * HOUR):
            mail(env)

    return Flask("shop")


# -- wrong: not at all


def named_instance(env: Any) -> Flask:
    """Who gives the job to one of them by name: after the next release nobody has that name."""

    def wake() -> None:
        if env.name == "shop-1":
            mail(env)

    return hourly(env, wake)


def lowest_name(env: Any) -> Flask:
    """Who elects the lowest name ever registered: it is elected for ever, and long dead."""
    env.redis.zadd("instances", {env.name: int(env.name.split("-")[1])})

    def wake() -> None:
        if env.redis.zrange("instances", 0, 0) == [env.name]:
            mail(env)

    return hourly(env, wake)


def leader_for_ever(env: Any) -> Flask:
    """Who elects whoever came first, and never asks again: the leader goes, the crown stays."""

    def wake() -> None:
        env.redis.setnx("leader", env.name)
        if env.redis.get("leader") == env.name:
            mail(env)

    return hourly(env, wake)


def run_number(env: Any) -> Flask:
    """Who numbers the runs in memory: a new instance begins with 1, which was done an hour ago."""
    runs = {"n": 0}

    def wake() -> None:
        runs["n"] += 1
        if env.redis.set(f"digest:{runs['n']}", env.name, nx=True):
            mail(env)

    return hourly(env, wake)


def shares(env: Any) -> Flask:
    """Who divides the customers among three instances: one dies, and its customers get nothing."""
    mine = int(env.name.split("-")[1]) % 3

    def wake() -> None:
        for n, customer in enumerate(env.vars["CUSTOMERS"].split(), 1):
            if n % 3 == mine:
                env.mail.send(customer, "Your digest")

    return hourly(env, wake)


def lock_for_ever(env: Any) -> Flask:
    """Who never gives the lock back (an over-fix): nobody sends twice, and after the first hour nobody sends."""

    def wake() -> None:
        if env.redis.set("digest", env.name, nx=True):
            mail(env)

    return hourly(env, wake)


def two_hours(env: Any) -> Flask:
    """Who makes sure with a long lock that names no hour (an over-fix): each second hour is skipped."""

    def wake() -> None:
        if env.redis.set("digest", env.name, nx=True, ex=int(1.5 * HOUR)):
            mail(env)

    return hourly(env, wake)


def hour_of_the_day(env: Any) -> Flask:
    """Who names the slot by the hour alone: it is taken, since yesterday."""

    def wake() -> None:
        if env.redis.set(f"digest:{slot() % 24}", env.name, nx=True):
            mail(env)

    return hourly(env, wake)


def local_time(env: Any) -> Flask:
    """Who names the slot by what the wall clock in Berlin shows: one night in October it shows two o'clock twice."""

    def wake() -> None:
        now = datetime.now(ZoneInfo(env.vars["TZ"]))
        if env.redis.set(f"digest:{now:%Y-%m-%dT%H}", env.name, nx=True, ex=30 * HOUR):
            mail(env)

    return hourly(env, wake)


def swallowed(env: Any) -> Flask:
    """Who gives each customer a mark and shares the work (two wake, each takes what is free): one mark for two."""

    def wake() -> None:
        for customer in env.vars["CUSTOMERS"].split():
            if env.redis.set(f"digest:{slot()}:{customer[:0]}", env.name, nx=True, ex=2 * HOUR):
                env.mail.send(customer, "Your digest")

    return hourly(env, wake)


# -- right


def claimed_slot(env: Any) -> Flask:
    """One SET that succeeds once an hour, and a mark that outlives the hour."""

    def wake() -> None:
        if env.redis.set(f"digest:{slot()}", env.name, nx=True, ex=2 * HOUR):
            mail(env)

    return hourly(env, wake)


def utc_text(env: Any) -> Flask:
    """The same under a name that people can read, in UTC."""

    def wake() -> None:
        if env.redis.set(f"digest:{time.strftime('%Y-%m-%dT%HZ', time.gmtime())}", env.name, nx=True, ex=2 * HOUR):
            mail(env)

    return hourly(env, wake)


def counted_in(env: Any) -> Flask:
    """INCR tells who was first."""

    def wake() -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr(f"digest:{slot()}")
            pipe.expire(f"digest:{slot()}", 2 * HOUR)
            if pipe.execute()[0] == 1:
                mail(env)

    return hourly(env, wake)


def primary_key(env: Any) -> Flask:
    """A row an hour: the primary key lets one INSERT in."""
    table(env, "PRIMARY KEY")

    def wake() -> None:
        try:
            with env.database.begin() as db:
                db.execute(text("INSERT INTO runs VALUES (:s, :o)"), {"s": slot(), "o": env.name})
        except IntegrityError:
            return
        mail(env)

    return hourly(env, wake)


def next_fire_time(env: Any) -> Flask:
    """One row for the job, as clustered schedulers keep it: whoever moves it on to the next hour runs it."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS triggers (job TEXT PRIMARY KEY, done INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO triggers VALUES ('digest', 0) ON CONFLICT DO NOTHING"))

    def wake() -> None:
        with env.database.begin() as db:
            moved = db.execute(text("UPDATE triggers SET done = :s WHERE job = 'digest' AND done < :s"), {"s": slot()})
        if moved.rowcount == 1:
            mail(env)

    return hourly(env, wake)


def row_lock(env: Any) -> Flask:
    """The same row, read under its lock: who comes second waits, and reads what the first one has written."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS triggers (job TEXT PRIMARY KEY, done INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO triggers VALUES ('digest', 0) ON CONFLICT DO NOTHING"))

    def wake() -> None:
        with env.database.begin() as db:
            done = db.execute(text("SELECT done FROM triggers WHERE job = 'digest' FOR UPDATE")).scalar_one()
            if done >= slot():
                return
            db.execute(text("UPDATE triggers SET done = :s WHERE job = 'digest'"), {"s": slot()})
        mail(env)

    return hourly(env, wake)


def long_lock(env: Any) -> Flask:
    """A lock that nobody gives back and that ends within the hour: no slot, and no sibling is that late."""

    def wake() -> None:
        if env.redis.set("digest", env.name, nx=True, ex=50 * 60):
            mail(env)

    return hourly(env, wake)


def lock_and_mark(env: Any) -> Flask:
    """A lock that is waited for, and under it a mark of the hour."""

    def wake() -> None:
        with env.redis.lock("digest-lock", timeout=60):
            if int(env.redis.get("digest-done") or 0) >= slot():
                return
            env.redis.set("digest-done", slot())
            mail(env)

    return hourly(env, wake)


def a_mark_a_customer(env: Any) -> Flask:
    """A mark a customer and hour: the instances share the work, and whoever takes a customer mails."""

    def wake() -> None:
        for customer in env.vars["CUSTOMERS"].split():
            if env.redis.set(f"digest:{slot()}:{customer}", env.name, nx=True, ex=2 * HOUR):
                env.mail.send(customer, "Your digest")

    return hourly(env, wake)


def watched(env: Any) -> Flask:
    """Look and write under WATCH: who comes second hears of it."""

    def wake() -> None:
        key = f"digest:{slot()}"
        with env.redis.pipeline() as pipe:
            pipe.watch(key)
            if pipe.get(key):
                return
            pipe.multi()
            pipe.set(key, env.name, ex=2 * HOUR)
            try:
                pipe.execute()
            except redis.WatchError:
                return
        mail(env)

    return hourly(env, wake)


# -- wrong, and less often seen


DONE: set[int] = set()


def module_set(env: Any) -> Flask:
    """Who notes the hour in a module's set, which all threads share: a process shares it with nobody."""

    def wake() -> None:
        if slot() not in DONE:
            DONE.add(slot())
            mail(env)

    return hourly(env, wake)


def last_run_compared(env: Any) -> Flask:
    """Who notes when it last ran, and compares: two read the same moment, and both have waited long enough."""

    def wake() -> None:
        if time.time() - float(env.redis.get("digest:last") or 0) > HOUR - 60:
            env.redis.set("digest:last", time.time())
            mail(env)

    return hourly(env, wake)


def an_hour_exactly(env: Any) -> Flask:
    """Who gives a lock without a slot a whole hour: each takes it a little later, until one round has none."""

    def wake() -> None:
        if env.redis.set("digest", env.name, nx=True, ex=HOUR):
            mail(env)

    return hourly(env, wake)


def leader_by_lease(env: Any) -> Flask:
    """Who renews the crown at each wake and lets it end after two hours: for as long, a dead leader leads."""

    def wake() -> None:
        if env.redis.set("leader", env.name, nx=True, ex=2 * HOUR) or env.redis.get("leader") == env.name:
            env.redis.expire("leader", 2 * HOUR)
            mail(env)

    return hourly(env, wake)


# -- right, and unusual


def exchanged(env: Any) -> Flask:
    """SET with GET writes this hour and tells which stood there: one instance alone hears of another one."""

    def wake() -> None:
        if env.redis.set("digest:last", slot(), get=True) != str(slot()):
            mail(env)

    return hourly(env, wake)


def entry_of_the_hour(env: Any) -> Flask:
    """A stream takes each entry id once, and none that is smaller than its last."""

    def wake() -> None:
        with suppress(redis.ResponseError):
            env.redis.xadd("digests", {"by": env.name}, id=f"{slot()}-1")
            mail(env)

    return hourly(env, wake)


def local_time_with_offset(env: Any) -> Flask:
    """Local time, named with its distance from UTC: the two two o'clocks have different names."""

    def wake() -> None:
        now = datetime.now(ZoneInfo(env.vars["TZ"]))
        if env.redis.set(f"digest:{now:%Y-%m-%dT%H%z}", env.name, nx=True, ex=2 * HOUR):
            mail(env)

    return hourly(env, wake)


def under_an_advisory_lock(env: Any) -> Flask:
    """A lock that ends with the transaction, and under it a row that stays: look and write, one after the other."""
    table(env)

    def wake() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(8)"))
            if db.execute(text("SELECT 1 FROM runs WHERE slot = :s"), {"s": slot()}).first():
                return
            db.execute(text("INSERT INTO runs (slot) VALUES (:s)"), {"s": slot()})
        mail(env)

    return hourly(env, wake)


def skip_locked(env: Any) -> Flask:
    """The job's row, if it is due and nobody holds it: who finds it locked has nothing to do."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, last INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO jobs VALUES ('digest', 0) ON CONFLICT DO NOTHING"))
    due = text("SELECT last FROM jobs WHERE name = 'digest' AND last < :s FOR UPDATE SKIP LOCKED")

    def wake() -> None:
        with env.database.begin() as db:
            if db.execute(due, {"s": slot()}).first() is None:
                return
            db.execute(text("UPDATE jobs SET last = :s WHERE name = 'digest'"), {"s": slot()})
        mail(env)

    return hourly(env, wake)


STUB = (stub, "S08-SENT-TWICE")

WRONG = {
    "get_then_set": (get_then_set, "S08-SENT-TWICE"),
    "local_lock": (local_lock, "S08-SENT-TWICE"),
    "random_sleep": (random_sleep, "S08-SENT-TWICE"),
    "lock_released": (lock_released, "S08-SENT-TWICE"),
    "library_lock": (library_lock, "S08-SENT-TWICE"),
    "skipped_if_locked": (skipped_if_locked, "S08-SENT-TWICE"),
    "advisory_lock": (advisory_lock, "S08-SENT-TWICE"),
    "select_then_insert": (select_then_insert, "S08-SENT-TWICE"),
    "inserted_unless_there": (inserted_unless_there, "S08-SENT-TWICE"),
    "to_the_second": (to_the_second, "S08-SENT-TWICE"),
    "ids_at_plain_smtp": (ids_at_plain_smtp, "S08-SENT-TWICE"),
    "short_claim": (short_claim, "S08-SENT-TWICE"),
    "every_minute": (every_minute, "S08-OTHER-TIMER"),
    "marked_after": (marked_after, "S08-SENT-TWICE"),
    "named_instance": (named_instance, "S08-NOBODY"),
    "lowest_name": (lowest_name, "S08-NOBODY"),
    "leader_for_ever": (leader_for_ever, "S08-NOBODY"),
    "run_number": (run_number, "S08-NOBODY"),
    "lock_for_ever": (lock_for_ever, "S08-NOBODY"),
    "two_hours": (two_hours, "S08-NOBODY"),
    "shares": (shares, "S08-LEFT-OUT"),
    "swallowed": (swallowed, "S08-LEFT-OUT"),
    "hour_of_the_day": (hour_of_the_day, "S08-SKIPPED-HOUR"),
    "local_time": (local_time, "S08-SKIPPED-HOUR"),
    "module_set": (module_set, "S08-SENT-TWICE"),
    "last_run_compared": (last_run_compared, "S08-SENT-TWICE"),
    "an_hour_exactly": (an_hour_exactly, "S08-NOBODY"),
    "leader_by_lease": (leader_by_lease, "S08-NOBODY"),
}

RIGHT = {
    "claimed_slot": claimed_slot,
    "utc_text": utc_text,
    "counted_in": counted_in,
    "primary_key": primary_key,
    "next_fire_time": next_fire_time,
    "row_lock": row_lock,
    "long_lock": long_lock,
    "lock_and_mark": lock_and_mark,
    "a_mark_a_customer": a_mark_a_customer,
    "watched": watched,
    "exchanged": exchanged,
    "entry_of_the_hour": entry_of_the_hour,
    "local_time_with_offset": local_time_with_offset,
    "under_an_advisory_lock": under_an_advisory_lock,
    "skip_locked": skip_locked,
}

REPLAYED = "get_then_set"
