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


# -- wrong, and less often seen


def writing(sql: str) -> Callable[[Any], Flask]:
    """Return an answer that is right but for the statement with which it writes `:p` under the token `:t`."""

    def answer(env: Any) -> Flask:
        def put(pieces: int, token: int) -> None:
            with env.database.begin() as db:
                db.execute(text(sql), {"p": pieces, "t": token})

        return leased(env, put)

    return answer


# Who compares the token and forgets to store it: nothing is ever newer than 0.
not_stored = writing("UPDATE stock SET pieces = :p WHERE id = 1 AND token < :t")

# Who wants the token to be another one than the row's: an old one is another one too.
another_token = writing("UPDATE stock SET pieces = :p, token = :t WHERE id = 1 AND token <> :t")

# Who wants the row to have the token just before: a holder dies with its own, and the row waits for it for ever.
predecessor = writing("UPDATE stock SET pieces = :p, token = :t WHERE id = 1 AND token = :t - 1")


def fence_in_redis(env: Any) -> Flask:
    """Who registers the token in Redis, in a script, and then writes to the database: the fence is not at the field."""
    register = env.redis.register_script("""
        if tonumber(redis.call('GET', 'fence') or 0) >= tonumber(ARGV[1]) then return 0 end
        redis.call('SET', 'fence', ARGV[1])
        return 1
    """)

    def put(pieces: int, token: int) -> None:
        if register(args=[token]):
            write(env, pieces)

    return leased(env, put)


def random_token(env: Any) -> Flask:
    """Who takes a random number for the token, as redis-py's Lock has one: it says who, and not who came later."""

    def put(pieces: int, token: int) -> None:
        write_fenced(env, pieces, uuid.uuid4().int >> 66)

    return leased(env, put)


def fetched_first(env: Any) -> Flask:
    """Who locks the write alone, to hold the lock for a moment only: all three ask the warehouse."""

    def job() -> None:
        pieces = fetch(env)
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if lock.acquire():
            write_fenced(env, pieces, env.redis.incr("lease:token"))
            lock.release()

    return rounds(env, job)


def longer_than_a_round(env: Any) -> Flask:
    """Who lets the lease end by itself, after eleven minutes: sooner or later a round finds it taken (an over-fix)."""

    def job() -> None:
        if env.redis.set("lease", env.name, nx=True, ex=11 * 60):
            token = env.redis.incr("lease:token")
            write_fenced(env, fetch(env), token)

    return rounds(env, job)


# -- right, and unusual


def read_for_update(env: Any) -> Flask:
    """The token is compared in Python, under the lock of its row: nobody writes between the look and the write."""

    def put(pieces: int, token: int) -> None:
        with env.database.begin() as db:
            if db.execute(text("SELECT token FROM stock WHERE id = 1 FOR UPDATE")).scalar_one() < token:
                db.execute(text("UPDATE stock SET pieces = :p, token = :t WHERE id = 1"), {"p": pieces, "t": token})

    return leased(env, put)


def registered_first(env: Any) -> Flask:
    """A random token, put into the row before the list is asked for: who finds another one there writes nothing."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine, token = uuid.uuid4().hex, uuid.uuid4().int >> 66
        if not env.redis.set("lease", mine, nx=True, ex=LEASE):
            return
        with env.database.begin() as db:
            db.execute(text("UPDATE stock SET token = :t WHERE id = 1"), {"t": token})
        pieces = fetch(env)
        with env.database.begin() as db:
            db.execute(text("UPDATE stock SET pieces = :p WHERE id = 1 AND token = :t"), {"p": pieces, "t": token})
        release(keys=["lease"], args=[mine])

    return rounds(env, job)


def owned_before_the_commit(env: Any) -> Flask:
    """Written, then asked whether the lease is still one's own, then committed: who sleeps holds the row's lock."""

    def job() -> None:
        lock = env.redis.lock("lease", timeout=LEASE, blocking=False)
        if not lock.acquire():
            return
        pieces = fetch(env)
        with env.database.begin() as db:
            db.execute(text("UPDATE stock SET pieces = :p WHERE id = 1"), {"p": pieces})
            if not lock.owned():
                db.rollback()
        with suppress(LockError):
            lock.release()

    return rounds(env, job)


def entry_id_as_token(env: Any) -> Flask:
    """A stream of holders: its entry ids only grow, whatever the clocks of instances say."""
    release = env.redis.register_script(RELEASE)

    def job() -> None:
        mine = uuid.uuid4().hex
        if env.redis.set("lease", mine, nx=True, ex=LEASE):
            moment, number = env.redis.xadd("holders", {"name": env.name}).split("-")
            write_fenced(env, fetch(env), int(moment) * 1000 + int(number))
            release(keys=["lease"], args=[mine])

    return rounds(env, job)


def row_locked_throughout(env: Any) -> Flask:
    """The row is locked while the list is fetched, and the others skip it: no lease, so nobody outlives one."""
    take = text("SELECT id FROM stock WHERE id = 1 FOR UPDATE SKIP LOCKED")

    def job() -> None:
        with env.database.begin() as db:
            if db.execute(take).first():
                db.execute(text("UPDATE stock SET pieces = :p WHERE id = 1"), {"p": fetch(env)})

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
    "not_stored": (not_stored, "S08-STALE-WRITE"),
    "another_token": (another_token, "S08-STALE-WRITE"),
    "fence_in_redis": (fence_in_redis, "S08-STALE-WRITE"),
    "random_token": (random_token, "S08-STOPPED"),
    "fetched_first": (fetched_first, "S08-TWO-AT-ONCE"),
    "predecessor": (predecessor, "S08-STOPPED"),
    "longer_than_a_round": (longer_than_a_round, "S08-STOPPED"),
}

RIGHT = {
    "fenced": fenced,
    "drawn_with_the_lease": drawn_with_the_lease,
    "library_lock_and_token": library_lock_and_token,
    "never_given_back": never_given_back,
    "renewed": renewed,
    "row_by_the_database_clock": row_by_the_database_clock,
    "version_of_the_row": version_of_the_row,
    "read_for_update": read_for_update,
    "registered_first": registered_first,
    "owned_before_the_commit": owned_before_the_commit,
    "entry_id_as_token": entry_id_as_token,
    "row_locked_throughout": row_locked_throughout,
}

REPLAYED = "get_compare_delete"
