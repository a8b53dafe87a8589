"""Answers to 10_1.who_migrates: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask, request
from sqlalchemy import Column, Integer, MetaData, Table, Text, text
from sqlalchemy.exc import DBAPIError

LOCK = 4711


def config(env: Any, **attributes: Any) -> Config:
    """Return what Alembic's commands take: the folder of this release, and the database of this instance."""
    made = Config(attributes={"engine": env.database, **attributes})
    made.set_main_option("script_location", env.vars["MIGRATIONS"])
    return made


def serve(env: Any, ready: Callable[[], bool] = lambda: True, live: Callable[[], bool] = lambda: True) -> Flask:
    """Return an app with the three routes of the contract."""
    app = Flask("shop")

    @app.get("/live")
    def alive() -> Any:
        return {"live": True} if live() else ({"live": False}, 503)

    @app.get("/ready")
    def is_ready() -> Any:
        return {"ready": True} if ready() else ({"ready": False}, 503)

    @app.get("/totals")
    def totals() -> Any:
        with env.database.connect() as db:
            found = db.execute(text("SELECT customer, cents FROM totals ORDER BY customer"))
            return {"totals": [[row.customer, row.cents] for row in found]}

    return app


def aside(env: Any, migrate: Callable[[], Any]) -> Flask:
    """Return an app that migrates in a thread, and is ready when that is done."""
    done = threading.Event()

    def work() -> None:
        migrate()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    return serve(env, done.is_set)


def current(env: Any) -> str | None:
    """Return the revision at which the database is."""
    with env.database.connect() as db:
        return MigrationContext.configure(db).get_current_revision()


def head(env: Any) -> str | None:
    """Return the last revision of this release."""
    return ScriptDirectory.from_config(config(env)).get_current_head()


def upgrade(env: Any, **attributes: Any) -> None:
    """Migrate, unless a newer release has been here: Alembic does not know its revision."""
    with contextlib.suppress(CommandError):
        command.upgrade(config(env, **attributes), "head")


def stub(env: Any) -> Flask:
    """Each instance migrates when it starts, as on the day when there was one of them."""
    command.upgrade(config(env), "head")
    return serve(env)


# -- wrong: more than one migrates


def all_in_threads(env: Any) -> Flask:
    """Who has heard of probes, and moves the stub's line into a thread: now all do it in threads."""
    return aside(env, lambda: upgrade(env))


def error_swallowed(env: Any) -> Flask:
    """Who saw DuplicateTable in the log and takes it for "somebody else has done it": all have done it, one has won."""

    def migrate() -> None:
        with contextlib.suppress(DBAPIError):
            upgrade(env)

    return aside(env, migrate)


def drawn_delay(env: Any) -> Flask:
    """Who lets each instance sleep for a moment of its own, so that one comes first: it is not done by then."""

    def migrate() -> None:
        time.sleep(random.uniform(0, 5))
        if current(env) == "0001":
            upgrade(env)

    return aside(env, migrate)


def looked_before(env: Any) -> Flask:
    """Who migrates only where it is needed: all of them look, and all of them see that it is."""

    def migrate() -> None:
        if current(env) == "0001":
            upgrade(env)

    return aside(env, migrate)


def locked_look(env: Any) -> Flask:
    """Who looks under a lock, and gives it back before the work."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            needed = MigrationContext.configure(db).get_current_revision() == "0001"
        if needed:
            upgrade(env)

    return aside(env, migrate)


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: a lock in the memory of each."""
    lock = threading.Lock()

    def migrate() -> None:
        with lock:
            upgrade(env)

    return aside(env, migrate)


def short_lease(env: Any) -> Flask:
    """Who gives the lock in Redis the usual five seconds: the migration takes longer, and a second one begins."""

    def migrate() -> None:
        with contextlib.suppress(redis.exceptions.LockError, DBAPIError), env.redis.lock("migration", timeout=5):
            upgrade(env)

    return aside(env, migrate)


def at_each_probe(env: Any) -> Flask:
    """Who migrates where the platform asks whether all is ready: each question is answered too late and begins anew."""

    def ready() -> bool:
        upgrade(env)
        return True

    return serve(env, ready)


def lease_that_fits(env: Any) -> Flask:
    """Who makes the lease a little longer than the migration: an owner that stands still outlives it."""

    def migrate() -> None:
        with contextlib.suppress(redis.exceptions.LockError), env.redis.lock("migration", timeout=12, sleep=0.5):
            upgrade(env)

    return aside(env, migrate)


# -- wrong: ready before the schema is


def ready_at_once(env: Any) -> Flask:
    """Who has a thread and a lock, and forgets what /ready is for."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    aside(env, migrate)
    return serve(env)


def loser_goes_on(env: Any) -> Flask:
    """Who tries the lock, and where somebody else has it takes the matter for settled."""

    def migrate() -> None:
        with env.database.begin() as db:
            if db.execute(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": LOCK}).scalar_one():
                upgrade(env, connection=db)

    return aside(env, migrate)


def nobody_commits(env: Any) -> Flask:
    """Who takes the lock on the connection that migrates, and leaves it without a COMMIT: all is rolled back."""

    def migrate() -> None:
        with env.database.connect() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    return aside(env, migrate)


def claimed_by_stamp(env: Any) -> Flask:
    """Who claims the migration by writing its number first: now it says that what has not begun is done."""
    with env.database.begin() as db:
        claim = "UPDATE alembic_version SET version_num = '0002' WHERE version_num = '0001'"
        mine = db.execute(text(claim)).rowcount

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("CREATE TABLE totals (customer TEXT NOT NULL, cents INTEGER)"))
            db.execute(text("INSERT INTO totals SELECT customer, sum(cents) FROM orders GROUP BY customer"))

    if mine:
        migrate()
    return serve(env, lambda: (current(env) or "") >= "0002")


def at_the_first_request(env: Any) -> Flask:
    """Who starts fast, and migrates when somebody comes: whoever comes first waits, and the probe says ready."""
    app = serve(env)

    @app.before_request
    def migrate() -> None:
        if request.path == "/totals" and current(env) == "0001":
            with env.database.begin() as db:
                db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
                upgrade(env, connection=db)

    return app


# -- wrong: killed while it waits


def in_the_factory(env: Any) -> Flask:
    """Who has the right lock, and waits for it in the factory: no probe is answered for as long as it takes."""
    with env.database.begin() as db:
        db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
        upgrade(env, connection=db)
    return serve(env)


def one_probe_for_both(env: Any) -> Flask:
    """Who answers /live as /ready: "not yet" is then said to whoever kills for it."""
    done = threading.Event()

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)
        done.set()

    threading.Thread(target=migrate, daemon=True).start()
    return serve(env, done.is_set, done.is_set)


def first_one_blocks(env: Any) -> Flask:
    """Who lets the others wait in a thread, and the one who migrates do it at once: it is the one that dies."""
    db = env.database.connect()
    if db.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": LOCK}).scalar_one():
        upgrade(env)
        db.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": LOCK})
        db.close()
    return serve(env, lambda: (current(env) or "") >= "0002")


# -- wrong: somebody is never ready


def lock_in_the_pool(env: Any) -> Flask:
    """Who takes a lock of the session and closes the connection, which goes back to the pool and keeps the lock."""

    def migrate() -> None:
        with env.database.connect() as db:
            db.execute(text("SELECT pg_advisory_lock(:n)"), {"n": LOCK})
            upgrade(env)

    return aside(env, migrate)


def impatient(env: Any) -> Flask:
    """Who sets lock_timeout, as one should, and not more than it takes: the waiter's thread ends with an error."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SET LOCAL lock_timeout = '5s'"))
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    return aside(env, migrate)


def exits_when_busy(env: Any) -> Flask:
    """Who ends the process where somebody else migrates, and leaves the rest to the platform's restarts."""

    def migrate() -> None:
        with env.database.begin() as db:
            if not db.execute(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": LOCK}).scalar_one():
                os._exit(1)
            upgrade(env, connection=db)

    return aside(env, migrate)


# -- wrong: who dies in the migration is never replaced


def named_one(env: Any) -> Flask:
    """Who appoints one of them by its name: if that one dies, nobody does it."""

    def migrate() -> None:
        if env.name == "shop-1":
            upgrade(env)
        while (current(env) or "") < "0002":
            time.sleep(2)

    return aside(env, migrate)


def flag_in_redis(env: Any) -> Flask:
    """Who elects a leader with SET NX, without an expiry: a dead leader leads on."""

    def migrate() -> None:
        if env.redis.set("migration", env.name, nx=True):
            upgrade(env)
        while (current(env) or "") < "0002":
            time.sleep(2)

    return aside(env, migrate)


def long_lease(env: Any) -> Flask:
    """Who knows that a migration takes long, and makes the lease an hour: after a death the fleet waits it out."""

    def migrate() -> None:
        with env.redis.lock("migration", timeout=3600, sleep=1):
            upgrade(env)

    return aside(env, migrate)


def row_of_a_lock_table(env: Any) -> Flask:
    """Who builds the lock as Liquibase does, a row that is deleted at the end: somebody has to delete it by hand."""
    with contextlib.suppress(DBAPIError), env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER PRIMARY KEY, owner TEXT)"))

    def take() -> int:
        with env.database.begin() as db:
            insert = "INSERT INTO migration_lock VALUES (1, :owner) ON CONFLICT DO NOTHING"
            return db.execute(text(insert), {"owner": env.name}).rowcount

    def migrate() -> None:
        while not take():
            time.sleep(2)
        upgrade(env)
        with env.database.begin() as db:
            db.execute(text("DELETE FROM migration_lock"))

    return aside(env, migrate)


# -- wrong: no way back


def knows_no_newer(env: Any) -> Flask:
    """Who has all of it right for a release that goes forward: on the way back Alembic does not know where it is."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            command.upgrade(config(env, connection=db), "head")

    return aside(env, migrate)


def exactly_mine(env: Any) -> Flask:
    """Who is ready at exactly this release's revision: a database that is further on is never good enough."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    aside(env, migrate)
    return serve(env, lambda: current(env) == head(env))


def stamped_back(env: Any) -> Flask:
    """Who found `stamp --purge` on the internet for "Can't locate revision": it makes the database say 0002."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            try:
                command.upgrade(config(env, connection=db), "head")
            except CommandError:
                command.stamp(config(env, connection=db), "head", purge=True)

    return aside(env, migrate)


# -- wrong: who stops takes the schema along


def down_at_stop(env: Any) -> Flask:
    """Who wants to leave everything as it was found: others are still using it."""

    @env.on_stop
    def tidy() -> None:
        command.downgrade(config(env), "0001")

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    return aside(env, migrate)


# -- wrong: without Alembic


def created_if_missing(env: Any) -> Flask:
    """Who makes what is missing and fills it, at every start: each instance fills it once more."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS totals (customer TEXT NOT NULL, cents INTEGER)"))
        db.execute(text("INSERT INTO totals SELECT customer, sum(cents) FROM orders GROUP BY customer"))
    return serve(env)


def created_once(env: Any) -> Flask:
    """Who fills it only where it is empty, under a lock: right today, and nobody can tell which changes it has had."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            db.execute(text("CREATE TABLE IF NOT EXISTS totals (customer TEXT NOT NULL, cents INTEGER)"))
            if not db.execute(text("SELECT count(*) FROM totals")).scalar_one():
                db.execute(text("INSERT INTO totals SELECT customer, sum(cents) FROM orders GROUP BY customer"))

    return aside(env, migrate)


def made_anew(env: Any) -> Flask:
    """Who starts with drop_all() and create_all(), as in the tests: the orders were in there, too."""
    tables = MetaData()
    Table("orders", tables, Column("id", Integer, primary_key=True), Column("customer", Text), Column("cents", Integer))
    Table("totals", tables, Column("customer", Text, nullable=False), Column("cents", Integer))
    with env.database.begin() as db:
        tables.drop_all(db)
        tables.create_all(db)
    return serve(env)


# -- right


def advisory_lock(env: Any) -> Flask:
    """A lock of the transaction that migrates, in a thread; an unknown revision is a newer one's."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
            upgrade(env, connection=db)

    return aside(env, migrate)


def session_lock(env: Any) -> Flask:
    """A lock of a session, given back before its connection goes back to the pool."""

    def migrate() -> None:
        with env.database.connect() as db:
            db.execute(text("SELECT pg_advisory_lock(:n)"), {"n": LOCK})
            try:
                upgrade(env)
            finally:
                db.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": LOCK})

    return aside(env, migrate)


def tried_again(env: Any) -> Flask:
    """Who does not get the lock asks again in a while, and holds no connection meanwhile."""

    def attempt() -> bool:
        with env.database.begin() as db:
            mine = db.execute(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": LOCK}).scalar_one()
            if mine:
                upgrade(env, connection=db)
            return bool(mine)

    def migrate() -> None:
        while not attempt():
            time.sleep(2)

    return aside(env, migrate)


def version_row(env: Any) -> Flask:
    """Alembic's own row is the lock: whoever reads it FOR UPDATE waits until the one before has committed."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("SELECT version_num FROM alembic_version FOR UPDATE"))
            upgrade(env, connection=db)

    return aside(env, migrate)


def version_table(env: Any) -> Flask:
    """The whole of Alembic's table is the lock, which also works while it is empty."""

    def migrate() -> None:
        with env.database.begin() as db:
            db.execute(text("LOCK TABLE alembic_version IN EXCLUSIVE MODE"))
            upgrade(env, connection=db)

    return aside(env, migrate)


def asked_each_time(env: Any) -> Flask:
    """The database itself is asked whether all is ready; the lock ends with a connection outside the pool."""

    def migrate() -> None:
        with env.database.connect() as db:
            db.execute(text("SELECT pg_advisory_lock(:n)"), {"n": LOCK})
            upgrade(env)
            db.invalidate()

    threading.Thread(target=migrate, daemon=True).start()
    return serve(env, lambda: (current(env) or "") >= (head(env) or ""))


def impatient_and_again(env: Any) -> Flask:
    """A lock_timeout, and whoever gives up comes again."""

    def attempt() -> bool:
        try:
            with env.database.begin() as db:
                db.execute(text("SET LOCAL lock_timeout = '2s'"))
                db.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK})
                upgrade(env, connection=db)
        except DBAPIError as error:
            if error.orig.sqlstate != "55P03":
                raise
            return False
        return True

    def migrate() -> None:
        while not attempt():
            time.sleep(0.5)

    return aside(env, migrate)


STUB = (stub, "S10_1-TWICE")

WRONG = {
    "all_in_threads": (all_in_threads, "S10_1-TWICE"),
    "error_swallowed": (error_swallowed, "S10_1-TWICE"),
    "drawn_delay": (drawn_delay, "S10_1-TWICE"),
    "looked_before": (looked_before, "S10_1-TWICE"),
    "locked_look": (locked_look, "S10_1-TWICE"),
    "local_lock": (local_lock, "S10_1-TWICE"),
    "short_lease": (short_lease, "S10_1-TWICE"),
    "at_each_probe": (at_each_probe, "S10_1-TWICE"),
    "ready_at_once": (ready_at_once, "S10_1-TOO-EARLY"),
    "loser_goes_on": (loser_goes_on, "S10_1-TOO-EARLY"),
    "nobody_commits": (nobody_commits, "S10_1-TOO-EARLY"),
    "claimed_by_stamp": (claimed_by_stamp, "S10_1-TOO-EARLY"),
    "at_the_first_request": (at_the_first_request, "S10_1-TOO-EARLY"),
    "in_the_factory": (in_the_factory, "S10_1-PROBE-KILLED"),
    "one_probe_for_both": (one_probe_for_both, "S10_1-PROBE-KILLED"),
    "first_one_blocks": (first_one_blocks, "S10_1-PROBE-KILLED"),
    "lock_in_the_pool": (lock_in_the_pool, "S10_1-NOT-READY"),
    "impatient": (impatient, "S10_1-NOT-READY"),
    "named_one": (named_one, "S10_1-BLOCKED"),
    "flag_in_redis": (flag_in_redis, "S10_1-BLOCKED"),
    "long_lease": (long_lease, "S10_1-BLOCKED"),
    "row_of_a_lock_table": (row_of_a_lock_table, "S10_1-BLOCKED"),
    "knows_no_newer": (knows_no_newer, "S10_1-NO-WAY-BACK"),
    "exactly_mine": (exactly_mine, "S10_1-NO-WAY-BACK"),
    "stamped_back": (stamped_back, "S10_1-NO-WAY-BACK"),
    "down_at_stop": (down_at_stop, "S10_1-UNDONE"),
    "created_if_missing": (created_if_missing, "S10_1-WRONG-TOTALS"),
    "created_once": (created_once, "S10_1-UNRECORDED"),
    "made_anew": (made_anew, "S10_1-LOST-ROWS"),
    "lease_that_fits": (lease_that_fits, "S10_1-TWICE"),
    "exits_when_busy": (exits_when_busy, "S10_1-NOT-READY"),
}

RIGHT = {
    "advisory_lock": advisory_lock,
    "session_lock": session_lock,
    "tried_again": tried_again,
    "version_row": version_row,
    "version_table": version_table,
    "asked_each_time": asked_each_time,
    "impatient_and_again": impatient_and_again,
}

REPLAYED = "claimed_by_stamp"
