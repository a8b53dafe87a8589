"""Answers to 08.outlive_the_lease: the stub, what people really write, and what is right."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from redis.exceptions import LockError
from sqlalchemy import text

ROUND = 10 * 60
LEASE = 5 * 60

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
ACQUIRE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return redis.call('INCR', KEYS[2]) end
return 0
"""


def rounds(env: Any, job: Callable[[], Any]) -> Flask:
    """Return an app that does the job every ten minutes."""
    env.every(ROUND)(job)
    return Flask("shop")


def fetch(env: Any) -> int:
    """Ask the warehouse for its list, which takes two minutes."""
    return int(env.http.get("http://warehouse/stock", timeout=300).json()["pieces"])


def write(env: Any, pieces: int) -> None:
    """Write whatever comes."""
    with env.database.begin() as db:
        db.execute(text("UPDATE stock SET pieces = :p WHERE id = 1"), {"p": pieces})


def write_fenced(env: Any, pieces: int, token: int) -> None:
    """Write, unless somebody with a newer token has written."""
    update = text("UPDATE stock SET pieces = :p, token = :t WHERE id = 1 AND token < :t")
    with env.database.begin() as db:
        db.execute(update, {"p": pieces, "t": token})


def stub(env: Any) -> Flask:
    """A lease, as lab 2 left it: it ends by itself, and nobody tells its holder."""

    def job() -> None:
        if env.redis.set("lease", env.name, nx=True, ex=LEASE):
            write(env, fetch(env))
            env.redis.delete("lease")

    return rounds(env, job)


def leased(env: Any, write: Callable[[int, int], Any], *, lease: int = LEASE, draw_late: bool = False) -> Flask:
    """Do it under a lease with an owner's mark, draw a token, and give back what is still one's own."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        if not env.redis.set("lease", mine, nx=True, ex=lease):
            return
        token = 0 if draw_late else env.redis.incr("lease:token")
        pieces = fetch(env)
        write(pieces, env.redis.incr("lease:token") if draw_late else token)
        release(keys=["lease"], args=[mine])

    return rounds(env, job)


# -- wrong: an old list overwrites a newer one


def own_release_only(env: Any) -> Flask:
    """Who gives back only what is its own, and takes that for safety: the write comes first."""
    return leased(env, lambda pieces, token: write(env, pieces))


def library_lock(env: Any) -> Flask:
    """Who takes redis-py's Lock: it complains at the release, when the old list is written."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if lock.acquire():
            write(env, fetch(env))
            with suppress(LockError):
                lock.release()

    return rounds(env, job)


def looked_before_writing(env: Any) -> Flask:
    """Who asks once more whether the lock is still its own, then writes: it falls asleep in between."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if not lock.acquire():
            return
        pieces = fetch(env)
        if lock.owned():
            write(env, pieces)
            with suppress(LockError):
                lock.release()

    return rounds(env, job)


def token_not_compared(env: Any) -> Flask:
    """Who draws a token and writes it into the row: it stands there, and nobody compares it."""

    def put(pieces: int, token: int) -> None:
        with env.database.begin() as db:
            db.execute(text("UPDATE stock SET pieces = :p, token = :t WHERE id = 1"), {"p": pieces, "t": token})

    return leased(env, put)


def compared_in_python(env: Any) -> Flask:
    """Who reads the row's token and compares it in Python: between the look and the write it falls asleep."""

    def put(pieces: int, token: int) -> None:
        with env.database.connect() as db:
            newest = db.execute(text("SELECT token FROM stock WHERE id = 1")).scalar_one()
        if newest < token:
            with env.database.begin() as db:
                db.execute(text("UPDATE stock SET pieces = :p, token = :t WHERE id = 1"), {"p": pieces, "t": token})

    return leased(env, put)


def drawn_late(env: Any) -> Flask:
    """Who draws the token when it is needed, just before the write: the oldest list gets the newest number."""
    return leased(env, lambda pieces, token: write_fenced(env, pieces, token), draw_late=True)


def heartbeat(env: Any) -> Flask:
    """Who renews the lease from a thread, so that it never ends under its holder: the thread sleeps as well."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=100, blocking=False, thread_local=False)
        if not lock.acquire():
            return
        over = threading.Event()

        def renew() -> None:
            while not over.wait(45):
                with suppress(LockError):
                    lock.reacquire()

        threading.Thread(target=renew).start()
        write(env, fetch(env))
        over.set()
        with suppress(LockError):
            lock.release()

    return rounds(env, job)


def newer_by_value(env: Any) -> Flask:
    """Who takes the larger number for the newer one: stock also falls, and then the old number is the larger."""

    def put(pieces: int, token: int) -> None:
        with env.database.begin() as db:
            db.execute(text("UPDATE stock SET pieces = :p WHERE id = 1 AND pieces < :p"), {"p": pieces})

    return leased(env, put)


# -- wrong: a lock that is another's is deleted


def fenced_and_deleted(env: Any) -> Flask:
    """Who has the fence right and deletes the lock as in the stub: it may be another's by now."""

    def job() -> None:
        if env.redis.set("lease", env.name, nx=True, ex=LEASE):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)
            env.redis.delete("lease")

    return rounds(env, job)


def get_compare_delete(env: Any) -> Flask:
    """Who looks whose lock it is and then deletes it: two commands, and it falls asleep in between."""

    def job() -> None:
        if env.redis.set("lease", env.name, nx=True, ex=LEASE):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)
            if env.redis.get("lease") == env.name:
                env.redis.delete("lease")

    return rounds(env, job)


def one_name_for_all(env: Any) -> Flask:
    """Who compares the owner in Lua, and writes the same owner into every lock: it is always its own."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        if env.redis.set("lease", "locked", nx=True, ex=LEASE):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)
            release(keys=["lease"], args=["locked"])

    return rounds(env, job)


# -- wrong: two at once, without any fault


def lease_too_short(env: Any) -> Flask:
    """Who gives the lease a minute for a job of two: it ends in the middle, and nobody renews it."""
    return leased(env, lambda pieces, token: write_fenced(env, pieces, token), lease=60)


def fence_alone(env: Any) -> Flask:
    """Who sees that the fence makes it safe, and saves the lock: safe it is, and all ask the warehouse at once."""

    def job() -> None:
        token = env.redis.incr("lease:token")
        write_fenced(env, fetch(env), token)

    return rounds(env, job)


def get_then_set(env: Any) -> Flask:
    """Who takes the lock in two steps: two take it."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        if env.redis.exists("lease"):
            return
        mine = uuid.uuid4().hex
        env.redis.set("lease", mine, ex=LEASE)
        token = env.redis.incr("lease:token")
        write_fenced(env, fetch(env), token)
        release(keys=["lease"], args=[mine])

    return rounds(env, job)


def lease_table(env: Any) -> None:
    """Make a table with one lease, if nobody has made it."""
    with env.database.begin() as db:
        db.execute(
            text(
                "CREATE TABLE IF NOT EXISTS lease "
                "(id INTEGER PRIMARY KEY, until DOUBLE PRECISION NOT NULL, token BIGINT NOT NULL)"
            )
        )
        db.execute(text("INSERT INTO lease VALUES (1, 0, 0) ON CONFLICT DO NOTHING"))


def row_by_own_clock(env: Any) -> Flask:
    """Who keeps the lease in a row and reckons its end by the own clock: a slow clock's lease is over at once."""
    lease_table(env)
    take = text("UPDATE lease SET until = :until, token = token + 1 WHERE until < :now RETURNING token")

    def job() -> None:
        now = time.time()
        with env.database.begin() as db:
            token = db.execute(take, {"now": now, "until": now + LEASE}).scalar()
        if token is not None:
            write_fenced(env, fetch(env), token)
            with env.database.begin() as db:
                db.execute(text("UPDATE lease SET until = 0 WHERE token = :t"), {"t": token})

    return rounds(env, job)


# -- wrong: it stops


def lock_without_end(env: Any) -> Flask:
    """Who lets no lease end, so that nobody can outlive it (an over-fix): nobody outlives its holder either."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        if env.redis.set("lease", mine, nx=True):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)
            release(keys=["lease"], args=[mine])

    return rounds(env, job)


def lease_of_an_hour(env: Any) -> Flask:
    """Who makes the lease longer than any sleep (an over-fix): after a crash the list is an hour old."""
    return leased(env, lambda pieces, token: write_fenced(env, pieces, token), lease=60 * 60)


def counter_that_ends(env: Any) -> Flask:
    """Who lets the counter of tokens end with the lease: it starts over, and every write is an old one."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        if env.redis.set("lease", mine, nx=True, ex=LEASE):
            token = env.redis.incr("lease:token")
            env.redis.expire("lease:token", LEASE)
            write_fenced(env, fetch(env), token)
            release(keys=["lease"], args=[mine])

    return rounds(env, job)


def clock_as_token(env: Any) -> Flask:
    """Who takes the time for a token: the clock of one instance is slow, and its writes are all refused."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        if env.redis.set("lease", mine, nx=True, ex=LEASE):
            token = int(time.time())
            write_fenced(env, fetch(env), token)
            release(keys=["lease"], args=[mine])

    return rounds(env, job)


def never_twice(env: Any) -> Flask:
    """Who refuses to write once anybody has (an over-fix): token = 0 is true one time."""

    def put(pieces: int, token: int) -> None:
        with env.database.begin() as db:
            db.execute(
                text("UPDATE stock SET pieces = :p, token = :t WHERE id = 1 AND token = 0"), {"p": pieces, "t": token}
            )

    return leased(env, put)


# -- right


def fenced(env: Any) -> Flask:
    """A lease with an owner, a token drawn before the list is asked for, a row that compares it."""
    return leased(env, lambda pieces, token: write_fenced(env, pieces, token))


def drawn_with_the_lease(env: Any) -> Flask:
    """Lease and token in one script: the order of the tokens is the order of the holders."""
    acquire, release = env.redis.register_script(ACQUIRE), env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        token = acquire(keys=["lease", "lease:token"], args=[mine, LEASE])
        if token:
            write_fenced(env, fetch(env), token)
            release(keys=["lease"], args=[mine])

    return rounds(env, job)


def library_lock_and_token(env: Any) -> Flask:
    """redis-py's Lock for the lock, a counter beside it for the order."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if not lock.acquire():
            return
        token = env.redis.incr("lease:token")
        write_fenced(env, fetch(env), token)
        with suppress(LockError):
            lock.release()

    return rounds(env, job)


def never_given_back(env: Any) -> Flask:
    """Nobody gives it back: the lease ends by itself before the next round."""

    def job() -> None:
        if env.redis.set("lease", env.name, nx=True, ex=8 * 60):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)

    return rounds(env, job)


def renewed(env: Any) -> Flask:
    """A short lease that a thread renews as long as the job runs: others take over sooner."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=100, blocking=False, thread_local=False)
        if not lock.acquire():
            return
        token, over = env.redis.incr("lease:token"), threading.Event()

        def renew() -> None:
            with suppress(LockError):
                while not over.wait(45):
                    lock.reacquire()

        threading.Thread(target=renew).start()
        write_fenced(env, fetch(env), token)
        over.set()
        with suppress(LockError):
            lock.release()

    return rounds(env, job)


def row_by_the_database_clock(env: Any) -> Flask:
    """The lease as a row: its end by the clock of the database, its token from the same UPDATE."""
    lease_table(env)
    now = "extract(epoch FROM now())"
    take = text(f"UPDATE lease SET until = {now} + {LEASE}, token = token + 1 WHERE until < {now} RETURNING token")

    def job() -> None:
        with env.database.begin() as db:
            token = db.execute(take).scalar()
        if token is not None:
            write_fenced(env, fetch(env), token)
            with env.database.begin() as db:
                db.execute(text("UPDATE lease SET until = 0 WHERE token = :t"), {"t": token})

    return rounds(env, job)


def version_of_the_row(env: Any) -> Flask:
    """A lock for efficiency; for safety the version of the row, read before the list is asked for."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if not lock.acquire():
            return
        with env.database.connect() as db:
            seen = db.execute(text("SELECT token FROM stock WHERE id = 1")).scalar_one()
        pieces = fetch(env)
        with env.database.begin() as db:
            db.execute(
                text("UPDATE stock SET pieces = :p, token = token + 1 WHERE id = 1 AND token = :t"),
                {"p": pieces, "t": seen},
            )
        with suppress(LockError):
            lock.release()

    return rounds(env, job)


STUB = (stub, "S08-STALE-WRITE")

WRONG = {
    "own_release_only": (own_release_only, "S08-STALE-WRITE"),
    "library_lock": (library_lock, "S08-STALE-WRITE"),
    "looked_before_writing": (looked_before_writing, "S08-STALE-WRITE"),
    "token_not_compared": (token_not_compared, "S08-STALE-WRITE"),
    "compared_in_python": (compared_in_python, "S08-STALE-WRITE"),
    "drawn_late": (drawn_late, "S08-STALE-WRITE"),
    "heartbeat": (heartbeat, "S08-STALE-WRITE"),
    "newer_by_value": (newer_by_value, "S08-STALE-WRITE"),
    "fenced_and_deleted": (fenced_and_deleted, "S08-FOREIGN-LOCK"),
    "get_compare_delete": (get_compare_delete, "S08-FOREIGN-LOCK"),
    "one_name_for_all": (one_name_for_all, "S08-FOREIGN-LOCK"),
    "lease_too_short": (lease_too_short, "S08-TWO-AT-ONCE"),
    "fence_alone": (fence_alone, "S08-TWO-AT-ONCE"),
    "get_then_set": (get_then_set, "S08-TWO-AT-ONCE"),
    "row_by_own_clock": (row_by_own_clock, "S08-TWO-AT-ONCE"),
    "lock_without_end": (lock_without_end, "S08-STOPPED"),
    "lease_of_an_hour": (lease_of_an_hour, "S08-STOPPED"),
    "counter_that_ends": (counter_that_ends, "S08-STOPPED"),
    "clock_as_token": (clock_as_token, "S08-STOPPED"),
    "never_twice": (never_twice, "S08-STOPPED"),
}

RIGHT = {
    "fenced": fenced,
    "drawn_with_the_lease": drawn_with_the_lease,
    "library_lock_and_token": library_lock_and_token,
    "never_given_back": never_given_back,
    "renewed": renewed,
    "row_by_the_database_clock": row_by_the_database_clock,
    "version_of_the_row": version_of_the_row,
}

REPLAYED = "get_compare_delete"
