"""Answers to 08.survive_the_crash: the stub, what people really write, and what is right."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from redis.exceptions import LockError, ResponseError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

LOOK = 5 * 60
DAY = 24 * 60 * 60


def from_nine(env: Any, job: Callable[[str], Any]) -> Flask:
    """Return an app that looks every five minutes, and from nine o'clock on calls the job with the day."""

    @env.every(LOOK)
    def look() -> None:
        now = datetime.now(UTC)
        if now.hour >= 9:
            job(f"{now:%Y-%m-%d}")

    return Flask("shop")


def customers(env: Any) -> list[str]:
    """Return who is to be reminded."""
    return str(env.vars["CUSTOMERS"]).split()


def send(env: Any, day: str) -> None:
    """Mail every customer, under an id of day and customer."""
    for customer in customers(env):
        env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")


def send_without_ids(env: Any, day: str) -> None:
    """Mail every customer."""
    for customer in customers(env):
        env.mail.send(customer, "Your reminder")


def leased(env: Any, day: str, work: Callable[[Any, str], Any]) -> None:
    """Take a lease, look whether the day is done, work, mark the day, give the lease back."""
    if not env.redis.set("lease", env.name, nx=True, ex=60):
        return
    if not env.redis.exists(f"done:{day}"):
        work(env, day)
        env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
    env.redis.delete("lease")


def stub(env: Any) -> Flask:
    """The claim of lab 1: marked before the work, and nobody asks what became of it."""

    def job(day: str) -> None:
        if env.redis.set(f"reminders:{day}", env.name, nx=True, ex=2 * DAY):
            send_without_ids(env, day)

    return from_nine(env, job)


# -- wrong: somebody is left out


def marked_before(env: Any) -> Flask:
    """Who adds the ids and keeps the claim: the day is taken for done as soon as somebody has begun."""

    def job(day: str) -> None:
        if env.redis.set(f"reminders:{day}", env.name, nx=True, ex=2 * DAY):
            send(env, day)

    return from_nine(env, job)


def lock_without_end(env: Any) -> Flask:
    """Who gives the lock back in `finally`: a killed process runs no `finally`, and the lock has no end."""

    def job(day: str) -> None:
        if env.redis.exists(f"done:{day}") or not env.redis.set("lock", env.name, nx=True):
            return
        try:
            if not env.redis.exists(f"done:{day}"):
                send(env, day)
                env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
        finally:
            env.redis.delete("lock")

    return from_nine(env, job)


def library_lock_without_end(env: Any) -> Flask:
    """Who takes redis-py's lock as it comes: its timeout is None."""

    def job(day: str) -> None:
        with suppress(LockError), env.redis.lock("reminders", blocking=False):
            if not env.redis.exists(f"done:{day}"):
                send(env, day)
                env.redis.set(f"done:{day}", env.name, ex=2 * DAY)

    return from_nine(env, job)


def expiry_apart(env: Any) -> Flask:
    """Who gives the lock its end in the next line: an instance dies between the lines."""

    def job(day: str) -> None:
        if env.redis.exists(f"done:{day}") or not env.redis.setnx("lock", env.name):
            return
        env.redis.expire("lock", 60)
        if not env.redis.exists(f"done:{day}"):
            send(env, day)
            env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
        env.redis.delete("lock")

    return from_nine(env, job)


def lease_of_an_hour(env: Any) -> Flask:
    """Who is generous with the lease: the day's work is taken over an hour later."""

    def job(day: str) -> None:
        if env.redis.set("lease", env.name, nx=True, ex=60 * 60):
            if not env.redis.exists(f"done:{day}"):
                send(env, day)
                env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
            env.redis.delete("lease")

    return from_nine(env, job)


def table(env: Any, columns: str) -> None:
    """Make the table of runs, if nobody has made it."""
    with env.database.begin() as db:
        db.execute(text(f"CREATE TABLE IF NOT EXISTS runs (day TEXT PRIMARY KEY, {columns})"))


def row_before_the_work(env: Any) -> Flask:
    """Who inserts a row with the status «running»: it runs for ever, as far as the row is concerned."""
    table(env, "status TEXT")

    def job(day: str) -> None:
        try:
            with env.database.begin() as db:
                db.execute(text("INSERT INTO runs VALUES (:d, 'running')"), {"d": day})
        except IntegrityError:
            return
        send(env, day)
        with env.database.begin() as db:
            db.execute(text("UPDATE runs SET status = 'done' WHERE day = :d"), {"d": day})

    return from_nine(env, job)


def waits_for_its_owner(env: Any) -> Flask:
    """Who resumes what it has begun itself: the owner does not come back."""

    def job(day: str) -> None:
        env.redis.set(f"owner:{day}", env.name, nx=True, ex=2 * DAY)
        if env.redis.get(f"owner:{day}") == env.name and not env.redis.exists(f"done:{day}"):
            send(env, day)
            env.redis.set(f"done:{day}", 1, ex=2 * DAY)

    return from_nine(env, job)


def swallowed(env: Any) -> Flask:
    """Who does not let one bad letter stop the others, and calls it done: the mail server was down."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            with suppress(OSError):
                env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")

    return from_nine(env, lambda day: leased(env, day, work))


def ticked_off_before(env: Any) -> Flask:
    """Who notes each customer before sending, so that nobody gets two: a crash in between, and one gets none."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            if env.redis.sadd(f"sent:{day}", customer):
                env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")

    return from_nine(env, lambda day: leased(env, day, work))


def marked_in_finally(env: Any) -> Flask:
    """Who writes the mark of the day in `finally`: also when the mail server refused."""

    def job(day: str) -> None:
        if not env.redis.set("lease", env.name, nx=True, ex=60):
            return
        try:
            if not env.redis.exists(f"done:{day}"):
                send(env, day)
        finally:
            env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
            env.redis.delete("lease")

    return from_nine(env, job)


# -- wrong: somebody gets two


def restarted_without_ids(env: Any) -> Flask:
    """Who has the lease right and starts from the top: those who had their letter get another."""
    return from_nine(env, lambda day: leased(env, day, send_without_ids))


def id_a_try(env: Any) -> Flask:
    """Who gives each letter a fresh id, as every mail library does: to the server they are two letters."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            env.mail.send(customer, "Your reminder", message_id=str(uuid.uuid4()))

    return from_nine(env, lambda day: leased(env, day, work))


def id_of_the_sender(env: Any) -> Flask:
    """Who makes the id unique with the instance's name: whoever takes over has another name."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            env.mail.send(customer, "Your reminder", message_id=f"{env.name}/{day}/{customer}")

    return from_nine(env, lambda day: leased(env, day, work))


def ticked_off_after(env: Any) -> Flask:
    """Who notes each customer after sending: it died between the letter and the note."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            if not env.redis.sismember(f"sent:{day}", customer):
                env.mail.send(customer, "Your reminder")
                env.redis.sadd(f"sent:{day}", customer)

    return from_nine(env, lambda day: leased(env, day, work))


def in_a_transaction(env: Any) -> Flask:
    """Who sends within the transaction that marks the day: the rollback takes the row back, and no letter."""
    table(env, "owner TEXT")

    def job(day: str) -> None:
        with suppress(IntegrityError), env.database.begin() as db:
            db.execute(text("INSERT INTO runs VALUES (:d, :o)"), {"d": day, "o": env.name})
            send_without_ids(env, day)

    return from_nine(env, job)


def tried_again(env: Any) -> Flask:
    """Who tries again at a timeout: the first letter had gone, only its reply was lost."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            for attempt in (1, 2, 3):
                try:
                    env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}/{attempt}")
                    break
                except TimeoutError:
                    continue

    return from_nine(env, lambda day: leased(env, day, work))


# -- wrong: the work is done again, or never again


def ids_alone(env: Any) -> Flask:
    """Who trusts the ids and saves the lease: nobody gets two, and every instance does all of the work."""

    def job(day: str) -> None:
        if not env.redis.exists(f"done:{day}"):
            send(env, day)
            env.redis.set(f"done:{day}", 1, ex=2 * DAY)

    return from_nine(env, job)


def looked_too_early(env: Any) -> Flask:
    """Who looks whether it is done, then takes the lease: in between the other one has finished."""

    def job(day: str) -> None:
        if env.redis.exists(f"done:{day}"):
            return
        if env.redis.set("lease", env.name, nx=True, ex=60):
            send(env, day)
            env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
            env.redis.delete("lease")

    return from_nine(env, job)


def never_marked(env: Any) -> Flask:
    """Who has a lease and no mark: every five minutes all letters are handed over again."""

    def job(day: str) -> None:
        if env.redis.set("lease", env.name, nx=True, ex=60):
            send(env, day)
            env.redis.delete("lease")

    return from_nine(env, job)


def id_without_a_day(env: Any) -> Flask:
    """Who names the letter by its customer: tomorrow's is dropped as a repeat of today's."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            env.mail.send(customer, "Your reminder", message_id=f"reminder/{customer}")

    return from_nine(env, lambda day: leased(env, day, work))


def done_for_ever(env: Any) -> Flask:
    """Who marks that it is done, and not which day (an over-fix): Tuesday is done on Monday."""

    def job(day: str) -> None:
        if not env.redis.set("lease", env.name, nx=True, ex=60):
            return
        if not env.redis.exists("done"):
            send(env, day)
            env.redis.set("done", 1)
        env.redis.delete("lease")

    return from_nine(env, job)


def at_midnight(env: Any) -> Flask:
    """Who forgets nine o'clock: a new day begins at midnight, and so do its letters."""

    @env.every(LOOK)
    def look() -> None:
        leased(env, f"{datetime.now(UTC):%Y-%m-%d}", send)

    return Flask("shop")


def every_minute(env: Any) -> Flask:
    """Who looks every minute, to be sure: another timer than the one that is checked."""

    @env.every(60)
    def look() -> None:
        now = datetime.now(UTC)
        if now.hour >= 9 and env.redis.set(f"reminders:{now:%Y-%m-%d}", env.name, nx=True, ex=2 * DAY):
            send(env, f"{now:%Y-%m-%d}")

    return Flask("shop")


# -- right


def lease_and_mark(env: Any) -> Flask:
    """A lease that ends by itself, a mark that comes last, ids that do not depend on who sends."""
    return from_nine(env, lambda day: leased(env, day, send))


def library_lock(env: Any) -> Flask:
    """The same with redis-py's lock, which has an end here and is not waited for."""

    def job(day: str) -> None:
        lock = env.redis.lock("reminders", timeout=120, blocking=False)
        if not lock.acquire():
            return
        if not env.redis.exists(f"done:{day}"):
            send(env, day)
            env.redis.set(f"done:{day}", env.name, ex=2 * DAY)
        with suppress(LockError):
            lock.release()

    return from_nine(env, job)


def one_key(env: Any) -> Flask:
    """One key a day, which says working for a minute and then done for two days."""

    def job(day: str) -> None:
        if env.redis.set(f"reminders:{day}", "working", nx=True, ex=60):
            send(env, day)
            env.redis.set(f"reminders:{day}", "done", ex=2 * DAY)

    return from_nine(env, job)


def leased_row(env: Any) -> Flask:
    """A row a day with a lease in it: one UPDATE takes it if it is neither done nor leased."""
    table(env, "leased_until DOUBLE PRECISION NOT NULL, done INTEGER NOT NULL")
    take = text("UPDATE runs SET leased_until = :until WHERE day = :d AND done = 0 AND leased_until < :now")

    def job(day: str) -> None:
        now = time.time()
        with env.database.begin() as db:
            db.execute(text("INSERT INTO runs VALUES (:d, 0, 0) ON CONFLICT DO NOTHING"), {"d": day})
            mine = db.execute(take, {"d": day, "now": now, "until": now + 60}).rowcount
        if mine:
            send(env, day)
            with env.database.begin() as db:
                db.execute(text("UPDATE runs SET done = 1 WHERE day = :d"), {"d": day})

    return from_nine(env, job)


@contextmanager
def advisory(env: Any, number: int) -> Iterator[bool]:
    """Hold PostgreSQL's advisory lock, which ends with the session: also with that of somebody who died."""
    with env.database.connect() as db:
        held = db.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": number}).scalar_one()
        yield held
        if held:
            db.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})


def advisory_lock(env: Any) -> Flask:
    """A lock without an end of its own, at a server that notices who dies, and a mark in Redis."""

    def job(day: str) -> None:
        with advisory(env, 9) as held:
            if held and not env.redis.exists(f"done:{day}"):
                send(env, day)
                env.redis.set(f"done:{day}", env.name, ex=2 * DAY)

    return from_nine(env, job)


def open_transaction(env: Any) -> Flask:
    """The row is inserted, the letters go, the row is committed: the others wait at the primary key."""
    table(env, "owner TEXT")

    def job(day: str) -> None:
        with suppress(IntegrityError), env.database.begin() as db:
            db.execute(text("INSERT INTO runs VALUES (:d, :o)"), {"d": day, "o": env.name})
            send(env, day)

    return from_nine(env, job)


def row_a_letter(env: Any) -> Flask:
    """An outbox: a row a letter; one UPDATE leases all that are neither sent nor leased, and each is ticked off."""
    with env.database.begin() as db:
        db.execute(
            text(
                "CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, customer TEXT NOT NULL, "
                "leased_until DOUBLE PRECISION NOT NULL, sent INTEGER NOT NULL)"
            )
        )
    add = text("INSERT INTO outbox VALUES (:id, :customer, 0, 0) ON CONFLICT DO NOTHING")
    take = text("UPDATE outbox SET leased_until = :until WHERE sent = 0 AND leased_until < :now RETURNING id, customer")

    def job(day: str) -> None:
        now = time.time()
        with env.database.begin() as db:
            db.execute(add, [{"id": f"{day}/{customer}", "customer": customer} for customer in customers(env)])
            mine = db.execute(take, {"now": now, "until": now + 60}).all()
        for key, customer in mine:
            env.mail.send(customer, "Your reminder", message_id=key)
            with env.database.begin() as db:
                db.execute(text("UPDATE outbox SET sent = 1 WHERE id = :i"), {"i": key})

    return from_nine(env, job)


# -- wrong, and less often seen


def timeout_is_sent(env: Any) -> Flask:
    """Who takes a timeout for «it has gone, only the reply was lost»: nobody knows, and this one never arrived."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            with suppress(TimeoutError):
                env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")

    return from_nine(env, lambda day: leased(env, day, work))


def mark_taken_back(env: Any) -> Flask:
    """Who takes the claim back where an error comes: a killed process handles none."""

    def job(day: str) -> None:
        if env.redis.set(f"reminders:{day}", env.name, nx=True, ex=2 * DAY):
            try:
                send(env, day)
            except Exception:
                env.redis.delete(f"reminders:{day}")
                raise

    return from_nine(env, job)


def popped(env: Any) -> Flask:
    """Who fills a list of the day's customers and pops them: whoever pops has the only copy, and dies."""

    def job(day: str) -> None:
        if env.redis.set(f"filled:{day}", env.name, nx=True, ex=2 * DAY):
            env.redis.rpush(f"todo:{day}", *customers(env))
        while customer := env.redis.lpop(f"todo:{day}"):
            env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")

    return from_nine(env, job)


def tries_in_a_row(env: Any) -> Flask:
    """Who tries three times and then goes on to the next: the outage is longer, and the day is marked."""

    def work(env: Any, day: str) -> None:
        for customer in customers(env):
            for _ in range(3):
                try:
                    env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")
                    break
                except OSError:
                    time.sleep(5)

    return from_nine(env, lambda day: leased(env, day, work))


def mark_ends_early(env: Any) -> Flask:
    """Who lets the mark of the day end after ten minutes: at twenty past, the day is not done."""

    def job(day: str) -> None:
        if env.redis.set("lease", env.name, nx=True, ex=60):
            if not env.redis.exists(f"done:{day}"):
                send(env, day)
                env.redis.set(f"done:{day}", env.name, ex=10 * 60)
            env.redis.delete("lease")

    return from_nine(env, job)


# -- right, and unusual


def lease_a_customer(env: Any) -> Flask:
    """A key a letter, which is a lease first and a mark afterwards: the instances share the work."""

    def job(day: str) -> None:
        for customer in customers(env):
            if env.redis.set(f"{day}/{customer}", "at it", nx=True, ex=60):
                env.mail.send(customer, "Your reminder", message_id=f"{day}/{customer}")
                env.redis.set(f"{day}/{customer}", "sent", ex=2 * DAY)

    return from_nine(env, job)


def on_a_stream(env: Any) -> Flask:
    """An entry a letter, under an id that it can have once; a group hands them out, and somebody claims them."""
    r = env.redis
    with suppress(ResponseError):
        r.xgroup_create("letters", "postmen", id="0", mkstream=True)

    def job(day: str) -> None:
        for number, customer in enumerate(customers(env)):
            with suppress(ResponseError):
                r.xadd("letters", {"to": customer, "day": day}, id=f"{day.replace('-', '')}-{number}")
        todo = r.xautoclaim("letters", "postmen", env.name, min_idle_time=60_000)[1]
        todo += [one for _, found in r.xreadgroup("postmen", env.name, {"letters": ">"}) for one in found]
        for entry, letter in todo:
            env.mail.send(letter["to"], "Your reminder", message_id=f"{letter['day']}/{letter['to']}")
            r.xack("letters", "postmen", entry)

    return from_nine(env, job)


def version_column(env: Any) -> Flask:
    """The lease in a row that is read first and written under its version: who was overtaken changes nothing."""
    table(env, "version INTEGER NOT NULL, until DOUBLE PRECISION NOT NULL, done INTEGER NOT NULL")
    take = text("UPDATE runs SET version = version + 1, until = :until WHERE day = :d AND version = :seen")

    def job(day: str) -> None:
        now = time.time()
        with env.database.begin() as db:
            db.execute(text("INSERT INTO runs VALUES (:d, 0, 0, 0) ON CONFLICT DO NOTHING"), {"d": day})
            row = db.execute(text("SELECT * FROM runs WHERE day = :d"), {"d": day}).one()
        if row.done or row.until > now:
            return
        with env.database.begin() as db:
            mine = db.execute(take, {"d": day, "until": now + 60, "seen": row.version}).rowcount
        if mine:
            send(env, day)
            with env.database.begin() as db:
                db.execute(text("UPDATE runs SET done = 1 WHERE day = :d"), {"d": day})

    return from_nine(env, job)


def skip_locked(env: Any) -> Flask:
    """The day's row stays locked while letters go: who dies lets go of it, and the mark commits last."""
    table(env, "done INTEGER NOT NULL")
    take = text("SELECT 1 FROM runs WHERE day = :d AND done = 0 FOR UPDATE SKIP LOCKED")

    def job(day: str) -> None:
        with env.database.begin() as db:
            db.execute(text("INSERT INTO runs VALUES (:d, 0) ON CONFLICT DO NOTHING"), {"d": day})
        with env.database.begin() as db:
            if db.execute(take, {"d": day}).first():
                send(env, day)
                db.execute(text("UPDATE runs SET done = 1 WHERE day = :d"), {"d": day})

    return from_nine(env, job)


def state_in_lua(env: Any) -> Flask:
    """One field a day, done or until when somebody is at it, by Redis' own clock."""
    take = env.redis.register_script("""
        local state, now = redis.call('HGET', 'runs', ARGV[1]), tonumber(redis.call('TIME')[1])
        if state == 'done' or state and tonumber(state) > now then return 0 end
        redis.call('HSET', 'runs', ARGV[1], now + 60)
        return 1
    """)

    def job(day: str) -> None:
        if take(args=[day]):
            send(env, day)
            env.redis.hset("runs", day, "done")

    return from_nine(env, job)


STUB = (stub, "S08-LEFT-OUT")

WRONG = {
    "marked_before": (marked_before, "S08-LEFT-OUT"),
    "every_minute": (every_minute, "S08-OTHER-TIMER"),
    "lock_without_end": (lock_without_end, "S08-LEFT-OUT"),
    "library_lock_without_end": (library_lock_without_end, "S08-LEFT-OUT"),
    "expiry_apart": (expiry_apart, "S08-LEFT-OUT"),
    "lease_of_an_hour": (lease_of_an_hour, "S08-LEFT-OUT"),
    "row_before_the_work": (row_before_the_work, "S08-LEFT-OUT"),
    "waits_for_its_owner": (waits_for_its_owner, "S08-LEFT-OUT"),
    "swallowed": (swallowed, "S08-LEFT-OUT"),
    "ticked_off_before": (ticked_off_before, "S08-LEFT-OUT"),
    "marked_in_finally": (marked_in_finally, "S08-LEFT-OUT"),
    "restarted_without_ids": (restarted_without_ids, "S08-SENT-TWICE"),
    "id_a_try": (id_a_try, "S08-SENT-TWICE"),
    "id_of_the_sender": (id_of_the_sender, "S08-SENT-TWICE"),
    "ticked_off_after": (ticked_off_after, "S08-SENT-TWICE"),
    "in_a_transaction": (in_a_transaction, "S08-SENT-TWICE"),
    "tried_again": (tried_again, "S08-SENT-TWICE"),
    "ids_alone": (ids_alone, "S08-DONE-TWICE"),
    "looked_too_early": (looked_too_early, "S08-DONE-TWICE"),
    "never_marked": (never_marked, "S08-DONE-TWICE"),
    "id_without_a_day": (id_without_a_day, "S08-NEXT-MORNING"),
    "done_for_ever": (done_for_ever, "S08-NEXT-MORNING"),
    "at_midnight": (at_midnight, "S08-NEXT-MORNING"),
    "timeout_is_sent": (timeout_is_sent, "S08-LEFT-OUT"),
    "mark_taken_back": (mark_taken_back, "S08-LEFT-OUT"),
    "popped": (popped, "S08-LEFT-OUT"),
    "tries_in_a_row": (tries_in_a_row, "S08-LEFT-OUT"),
    "mark_ends_early": (mark_ends_early, "S08-DONE-TWICE"),
}

RIGHT = {
    "lease_and_mark": lease_and_mark,
    "library_lock": library_lock,
    "one_key": one_key,
    "leased_row": leased_row,
    "advisory_lock": advisory_lock,
    "open_transaction": open_transaction,
    "row_a_letter": row_a_letter,
    "lease_a_customer": lease_a_customer,
    "on_a_stream": on_a_stream,
    "version_column": version_column,
    "skip_locked": skip_locked,
    "state_in_lua": state_in_lua,
}

REPLAYED = "expiry_apart"
