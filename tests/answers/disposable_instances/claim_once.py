"""Answers to 02.claim_once: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

TABLE = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, owner TEXT, shipped INTEGER DEFAULT 0)"
CLAIM = "UPDATE orders SET owner = :me WHERE id = :id AND owner IS NULL"
DONE = "UPDATE orders SET shipped = 1 WHERE id = :id"


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own, and return its result."""
    with env.database.begin() as db:
        return db.execute(text(sql), values)


def send(env: Any, order: str, **more: Any) -> None:
    """Ship an order: this cannot be taken back."""
    env.mail.send(order, "Your order is on its way", **more)


def unshipped(env: Any) -> list[str]:
    """Return the orders that are not marked as shipped."""
    return list(run(env, "SELECT id FROM orders WHERE shipped = 0 ORDER BY id").scalars())


def unclaimed(env: Any) -> list[str]:
    """Return the orders that nobody has claimed."""
    return list(run(env, "SELECT id FROM orders WHERE owner IS NULL ORDER BY id").scalars())


def app_of(accept: Callable[[str], Any], ship: Callable[[], Any], still_open: Callable[[], list[str]]) -> Flask:
    """Return an app with the three routes of the contract."""
    app = Flask("shop")

    @app.post("/orders/<order>")
    def take(order: str) -> Any:
        accept(order)
        return {"accepted": order}

    @app.post("/ship")
    def poll() -> Any:
        ship()
        return {}

    @app.get("/open")
    def show() -> Any:
        return {"open": still_open()}

    return app


def on_table(env: Any, ship: Callable[[], Any]) -> Flask:
    """Return an app that keeps its orders in a table, and ships by `ship`."""
    run(env, TABLE)

    def accept(order: str) -> None:
        run(env, "INSERT INTO orders (id) VALUES (:id)", id=order)

    return app_of(accept, ship, lambda: unshipped(env))


def on_list(env: Any, ship: Callable[[], Any], still_open: Callable[[], list[str]]) -> Flask:
    """Return an app that keeps its orders in a list in Redis."""
    return app_of(lambda order: env.redis.rpush("orders", order), ship, still_open)


def stub(env: Any) -> Flask:
    """What is open is read, shipped and then marked."""
    app = Flask("shop")
    with env.database.begin() as db:
        table = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, owner TEXT, shipped INTEGER DEFAULT 0)"
        db.execute(text(table))

    def run(sql, **values):
        with env.database.begin() as db:
            return db.execute(text(sql), values)

    @app.post("/orders/<order>")
    def accept(order):
        run("INSERT INTO orders (id) VALUES (:id)", id=order)
        return {"accepted": order}

    @app.post("/ship")
    def ship():
        for order in run("SELECT id FROM orders WHERE owner IS NULL ORDER BY id").scalars().all():
            env.mail.send(to=order, subject="Your order is on its way")
            run("UPDATE orders SET owner = :me, shipped = 1 WHERE id = :id", id=order, me=env.name)
        return {}

    @app.get("/open")
    def still_open():
        return {"open": list(run("SELECT id FROM orders WHERE shipped = 0 ORDER BY id").scalars())}

    return app


# -- wrong: shipped twice


def select_then_update(env: Any) -> Flask:
    """Who claims before the work, without a condition: both take what both have read, the second one over it."""

    def ship() -> None:
        for order in unclaimed(env):
            run(env, "UPDATE orders SET owner = :me WHERE id = :id", id=order, me=env.name)
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def looked_again(env: Any) -> Flask:
    """Who looks once more before the claim: the moment between looking and taking is shorter, and still there."""

    def ship() -> None:
        for order in unclaimed(env):
            owner = run(env, "SELECT owner FROM orders WHERE id = :id", id=order).scalar_one()
            if owner is None:
                run(env, "UPDATE orders SET owner = :me WHERE id = :id", id=order, me=env.name)
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def no_rowcount(env: Any) -> Flask:
    """Who writes the right UPDATE and does not ask whether it changed anything."""

    def ship() -> None:
        for order in unclaimed(env):
            run(env, CLAIM, id=order, me=env.name)
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def local_lock(env: Any) -> Flask:
    """Who lets only one at a time poll, in each instance."""
    lock = threading.Lock()

    def ship() -> None:
        with lock:
            for order in unclaimed(env):
                send(env, order)
                run(env, "UPDATE orders SET owner = :me, shipped = 1 WHERE id = :id", id=order, me=env.name)

    return on_table(env, ship)


def modulo_of_the_first(env: Any) -> Flask:
    """Who divides the orders by the number of instances at the start: the others have counted otherwise."""
    env.redis.sadd("fleet", env.name)
    fleet = sorted(env.redis.smembers("fleet"))
    mine, count = fleet.index(env.name), len(fleet)

    def ship() -> None:
        for order in unshipped(env):
            if crc32(order.encode()) % count == mine:
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def owner_of_the_same_name(env: Any) -> Flask:
    """Who goes on with what has this instance's name on it, and both instances are called after their service."""
    me = env.name.rsplit("-", 1)[0]

    def ship() -> None:
        for order in unclaimed(env):
            run(env, CLAIM, id=order, me=me)
        for order in run(env, "SELECT id FROM orders WHERE owner = :me AND shipped = 0", me=me).scalars().all():
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def exists_then_set(env: Any) -> Flask:
    """Who claims in Redis in two commands: not there, then there, for both."""

    def ship() -> None:
        for order in unshipped(env):
            if not env.redis.exists(f"claim:{order}"):
                env.redis.set(f"claim:{order}", env.name)
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def claim_ends(env: Any) -> Flask:
    """Who lets a claim end after half a minute: whoever died after the mail has shipped it, and so has the next."""

    def ship() -> None:
        for order in unshipped(env):
            if env.redis.set(f"claim:{order}", env.name, nx=True, ex=30):
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def transaction_around_the_mail(env: Any) -> Flask:
    """Who trusts the transaction: whoever dies before COMMIT rolls back the mark, and not the mail."""

    def ship() -> None:
        while True:
            with env.database.begin() as db:
                row = "SELECT id FROM orders WHERE shipped = 0 ORDER BY id LIMIT 1 FOR UPDATE"
                order = db.execute(text(row)).scalar_one_or_none()
                if order is None:
                    return
                send(env, order)
                db.execute(text(DONE), {"id": order})

    return on_table(env, ship)


def set_free_at_start(env: Any) -> Flask:
    """Who clears up at the start: what was claimed and not shipped belongs to the dead, or to a sibling at work."""
    app = conditional_update(env)
    run(env, "UPDATE orders SET owner = NULL WHERE shipped = 0")
    return app


def one_lock_for_all(env: Any) -> Flask:
    """Who lets one poller work at a time, under a lock with an end: the order in a dead hand is shipped again."""

    def ship() -> None:
        if not env.redis.set("poller", env.name, nx=True, ex=30):
            return
        for order in unshipped(env):
            send(env, order)
            run(env, DONE, id=order)
        env.redis.delete("poller")

    return on_table(env, ship)


def key_given_back(env: Any) -> Flask:
    """Who gives the key back when the order is shipped: a sibling with an older list finds it free."""

    def ship() -> None:
        for order in unshipped(env):
            if env.redis.set(f"claim:{order}", env.name, nx=True):
                send(env, order)
                run(env, DONE, id=order)
                env.redis.delete(f"claim:{order}")

    return on_table(env, ship)


def what_has_my_name(env: Any) -> Flask:
    """Who goes on with what has this instance's name on it, as after a restart: its other poll is at work on it."""
    mine = "(owner IS NULL OR owner = :me)"

    def ship() -> None:
        for order in run(env, f"SELECT id FROM orders WHERE shipped = 0 AND {mine}", me=env.name).scalars().all():
            claim = f"UPDATE orders SET owner = :me WHERE id = :id AND shipped = 0 AND {mine}"
            if run(env, claim, id=order, me=env.name).rowcount:
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def subquery_without_a_lock(env: Any) -> Flask:
    """Who lets the UPDATE pick by a subquery: what that has found stays found while the UPDATE waits for the row."""
    free = "SELECT id FROM orders WHERE owner IS NULL ORDER BY id LIMIT 1"

    def ship() -> None:
        claim = f"UPDATE orders SET owner = :me WHERE id = ({free}) RETURNING id"
        while order := run(env, claim, me=env.name).scalar_one_or_none():
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


# -- wrong: not shipped


def only_the_first(env: Any) -> Flask:
    """Who makes one instance the shipper, by its name: when it is gone, nobody ships."""

    def ship() -> None:
        if env.name == "shop-1":
            claim_and_ship(env)

    return on_table(env, ship)


def claims_all(env: Any) -> Flask:
    """Who saves statements: all that is open gets an owner at once, and all of it dies with that owner."""

    def ship() -> None:
        run(env, "UPDATE orders SET owner = :me WHERE owner IS NULL", me=env.name)
        for order in run(env, "SELECT id FROM orders WHERE owner = :me AND shipped = 0", me=env.name).scalars().all():
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def lock_without_end(env: Any) -> Flask:
    """Who lets one poller work at a time, under a lock that only its holder takes away."""

    def ship() -> None:
        if not env.redis.set("poller", env.name, nx=True):
            return
        claim_and_ship(env)
        env.redis.delete("poller")

    return on_table(env, ship)


def waits_for_the_lock(env: Any) -> Flask:
    """Who waits for the other poller, also for one that is dead."""

    def ship() -> None:
        with env.redis.lock("poller"):
            claim_and_ship(env)

    return on_table(env, ship)


def claims_two(env: Any) -> Flask:
    """Who claims two at a time: whoever dies takes two along."""

    def ship() -> None:
        me = str(uuid.uuid4())
        while mine := [order for order in unclaimed(env)[:2] if run(env, CLAIM, id=order, me=me).rowcount]:
            for order in mine:
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def one_a_poll(env: Any) -> Flask:
    """Who ships one order a poll, to be on the safe side: the rest waits for polls that do not come."""

    def ship() -> None:
        for order in unclaimed(env)[:1]:
            if run(env, CLAIM, id=order, me=env.name).rowcount:
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


# -- wrong: vanished


def in_memory(env: Any) -> Flask:
    """Who keeps the orders in the process."""
    orders: list[str] = []

    def ship() -> None:
        while orders:
            send(env, orders.pop(0))

    return app_of(orders.append, ship, lambda: orders)


def accepted_in_a_thread(env: Any) -> Flask:
    """Who answers first and lets a thread write the order down, in a second or so."""
    app = conditional_update(env)

    def take(order: str) -> Any:
        values = {"id": order}
        threading.Timer(0.5, run, (env, "INSERT INTO orders (id) VALUES (:id)"), values).start()
        return {"accepted": order}

    app.view_functions["take"] = take
    return app


def popped(env: Any) -> Flask:
    """Who takes orders out of the list: one for each, and nowhere to be found if its taker dies."""

    def ship() -> None:
        while order := env.redis.lpop("orders"):
            send(env, order)

    return on_list(env, ship, lambda: env.redis.lrange("orders", 0, -1))


def deleted(env: Any) -> Flask:
    """Who claims by deleting the row: the winner knows that it has won, and nobody else that there was anything."""

    def ship() -> None:
        for order in unshipped(env):
            if run(env, "DELETE FROM orders WHERE id = :id", id=order).rowcount:
                send(env, order)

    return on_table(env, ship)


def marked_before(env: Any) -> Flask:
    """Who marks as shipped before shipping, so that nobody ships twice: whoever dies between has shipped nothing."""

    def ship() -> None:
        for order in unshipped(env):
            if run(env, f"{DONE} AND shipped = 0", id=order).rowcount:
                send(env, order)

    return on_table(env, ship)


def open_means_unclaimed(env: Any) -> Flask:
    """Who shows as open what nobody has claimed: the order in a dead hand is neither shipped nor to be seen."""
    app = conditional_update(env)
    app.view_functions["show"] = lambda: {"open": unclaimed(env)}
    return app


# -- wrong: never done, or no answer


def never_marked(env: Any) -> Flask:
    """Who claims and ships, and forgets to say so."""

    def ship() -> None:
        for order in unclaimed(env):
            if run(env, CLAIM, id=order, me=env.name).rowcount:
                send(env, order)

    return on_table(env, ship)


def conflict_is_an_error(env: Any) -> Flask:
    """Who claims by a row that there may be once, and lets the database's error out: the other poller breaks off."""
    run(env, "CREATE TABLE IF NOT EXISTS claims (id TEXT PRIMARY KEY)")

    def ship() -> None:
        for order in unshipped(env):
            run(env, "INSERT INTO claims VALUES (:id)", id=order)
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


# -- right


def claim_and_ship(env: Any) -> None:
    """Claim one order after the other, and ship what was won."""
    for order in unclaimed(env):
        if run(env, CLAIM, id=order, me=env.name).rowcount == 1:
            send(env, order)
            run(env, DONE, id=order)


def conditional_update(env: Any) -> Flask:
    """The owner is set where there is none, and rowcount tells who was first."""
    return on_table(env, lambda: claim_and_ship(env))


def read_back(env: Any) -> Flask:
    """The same, and who won is read back from the row, under a name that no other poll has."""

    def ship() -> None:
        for order in unclaimed(env):
            me = str(uuid.uuid4())
            run(env, CLAIM, id=order, me=me)
            if run(env, "SELECT owner FROM orders WHERE id = :id", id=order).scalar_one() == me:
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def moved(env: Any) -> Flask:
    """LMOVE takes an order from one list to another, of this instance: it is in one of them at any moment."""

    def ship() -> None:
        while order := env.redis.lmove("orders", f"in-hand:{env.name}"):
            send(env, order)
            env.redis.lrem(f"in-hand:{env.name}", 1, order)

    def still_open() -> list[str]:
        keys = ["orders", *sorted(env.redis.scan_iter("in-hand:*"))]
        return [order for key in keys for order in env.redis.lrange(key, 0, -1)]

    return on_list(env, ship, still_open)


def key_an_order(env: Any) -> Flask:
    """SET NX, a key for each order: it is there for whoever came first."""

    def ship() -> None:
        for order in env.redis.lrange("orders", 0, -1):
            if env.redis.set(f"claim:{order}", env.name, nx=True):
                send(env, order)
                env.redis.lrem("orders", 1, order)

    return on_list(env, ship, lambda: env.redis.lrange("orders", 0, -1))


def unique_claim(env: Any) -> Flask:
    """A row of claims that there may be once; whoever is refused goes on to the next order."""
    run(env, "CREATE TABLE IF NOT EXISTS claims (id TEXT PRIMARY KEY)")

    def won(order: str) -> bool:
        try:
            run(env, "INSERT INTO claims VALUES (:id)", id=order)
            return True
        except IntegrityError:
            return False

    def ship() -> None:
        for order in unshipped(env):
            if won(order):
                send(env, order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def skip_locked(env: Any) -> Flask:
    """One statement finds the next free order and claims it; who is at it at this moment is skipped."""
    free = "SELECT id FROM orders WHERE owner IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"

    def claimed() -> Iterator[str]:
        while True:
            with env.database.begin() as db:
                order = db.execute(text(free)).scalar_one_or_none()
                if order is None:
                    return
                db.execute(text("UPDATE orders SET owner = :me WHERE id = :id"), {"id": order, "me": env.name})
            yield order

    def ship() -> None:
        for order in claimed():
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def lease_and_message_id(env: Any) -> Flask:
    """A claim that ends, and a mail server that drops what it has seen: the dead one's order is shipped, and once."""

    def ship() -> None:
        for order in unshipped(env):
            until = "UPDATE orders SET owner = :now WHERE id = :id AND (owner IS NULL OR owner < :late)"
            now = time.time()
            if run(env, until, id=order, now=f"{now:020.3f}", late=f"{now - 30:020.3f}").rowcount:
                send(env, order, message_id=order)
                run(env, DONE, id=order)

    return on_table(env, ship)


def claimed_by_subquery(env: Any) -> Flask:
    """One UPDATE picks the next free order and claims it; the subquery locks what it picks."""
    free = "SELECT id FROM orders WHERE owner IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"

    def ship() -> None:
        claim = f"UPDATE orders SET owner = :me WHERE id = ({free}) RETURNING id"
        while order := run(env, claim, me=env.name).scalar_one_or_none():
            send(env, order)
            run(env, DONE, id=order)

    return on_table(env, ship)


def consumer_group(env: Any) -> Flask:
    """A stream hands each entry to one reader of the group; it is there until it is acknowledged and deleted."""
    with contextlib.suppress(redis.ResponseError):  # another instance has made the group
        env.redis.xgroup_create("orders", "shippers", id="0", mkstream=True)

    def ship() -> None:
        while found := env.redis.xreadgroup("shippers", env.name, {"orders": ">"}, count=1):
            [(_, [(number, fields)])] = found
            send(env, fields["id"])
            env.redis.xack("orders", "shippers", number)
            env.redis.xdel("orders", number)

    def still_open() -> list[str]:
        return [fields["id"] for _, fields in env.redis.xrange("orders")]

    return app_of(lambda order: env.redis.xadd("orders", {"id": order}), ship, still_open)


STUB = (stub, "S02-SHIPPED-TWICE")

WRONG = {
    "select_then_update": (select_then_update, "S02-SHIPPED-TWICE"),
    "looked_again": (looked_again, "S02-SHIPPED-TWICE"),
    "no_rowcount": (no_rowcount, "S02-SHIPPED-TWICE"),
    "local_lock": (local_lock, "S02-SHIPPED-TWICE"),
    "owner_of_the_same_name": (owner_of_the_same_name, "S02-SHIPPED-TWICE"),
    "exists_then_set": (exists_then_set, "S02-SHIPPED-TWICE"),
    "claim_ends": (claim_ends, "S02-SHIPPED-TWICE"),
    "transaction_around_the_mail": (transaction_around_the_mail, "S02-SHIPPED-TWICE"),
    "set_free_at_start": (set_free_at_start, "S02-SHIPPED-TWICE"),
    "one_lock_for_all": (one_lock_for_all, "S02-SHIPPED-TWICE"),
    "subquery_without_a_lock": (subquery_without_a_lock, "S02-SHIPPED-TWICE"),
    "what_has_my_name": (what_has_my_name, "S02-SHIPPED-TWICE"),
    "key_given_back": (key_given_back, "S02-SHIPPED-TWICE"),
    "modulo_of_the_first": (modulo_of_the_first, "S02-NOT-SHIPPED"),
    "only_the_first": (only_the_first, "S02-NOT-SHIPPED"),
    "one_a_poll": (one_a_poll, "S02-NOT-SHIPPED"),
    "claims_all": (claims_all, "S02-STRANDED"),
    "claims_two": (claims_two, "S02-STRANDED"),
    "lock_without_end": (lock_without_end, "S02-STRANDED"),
    "waits_for_the_lock": (waits_for_the_lock, "S02-BLOCKED"),
    "in_memory": (in_memory, "S02-VANISHED"),
    "accepted_in_a_thread": (accepted_in_a_thread, "S02-VANISHED"),
    "popped": (popped, "S02-VANISHED"),
    "deleted": (deleted, "S02-VANISHED"),
    "marked_before": (marked_before, "S02-VANISHED"),
    "open_means_unclaimed": (open_means_unclaimed, "S02-VANISHED"),
    "never_marked": (never_marked, "S02-STILL-OPEN"),
    "conflict_is_an_error": (conflict_is_an_error, "S02-UNANSWERED"),
}

RIGHT = {
    "conditional_update": conditional_update,
    "read_back": read_back,
    "moved": moved,
    "key_an_order": key_an_order,
    "unique_claim": unique_claim,
    "skip_locked": skip_locked,
    "claimed_by_subquery": claimed_by_subquery,
    "consumer_group": consumer_group,
    "lease_and_message_id": lease_and_message_id,
}

REPLAYED = "no_rowcount"
