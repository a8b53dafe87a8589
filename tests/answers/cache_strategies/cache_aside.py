"""Answers to 11_2.cache_aside: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask, request
from sqlalchemy import Engine, text

ENTRY, LIFE = "price:tea", 60

SELECT = "SELECT price FROM prices WHERE item = 'tea'"
UPDATE = "UPDATE prices SET price = :price, version = version + 1 WHERE item = 'tea'"


def serve(read: Callable[[], Any], write: Callable[[int], Any]) -> Flask:
    """Return an app with the two routes of the contract; `read` may return text."""
    app = Flask("shop")

    @app.get("/price/tea")
    def price() -> Any:
        return {"price": int(read())}

    @app.put("/price/tea")
    def change() -> Any:
        write(request.json["price"])
        return {}

    return app


def select(engine: Engine) -> int:
    """Return the price as it stands in the database."""
    with engine.connect() as db:
        return int(db.execute(text(SELECT)).scalar_one())


def update(engine: Engine, price: int) -> None:
    """Change the price in the database, and commit."""
    with engine.begin() as db:
        db.execute(text(UPDATE), {"price": price})


def aside(env: Any, write: Callable[[int], Any], engine: Engine | None = None) -> Flask:
    """Return a shop that reads as the textbook says, and changes a price by `write`."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            cached = select(engine or env.database)
            env.redis.set(ENTRY, cached, ex=LIFE)
        return cached

    return serve(read, write)


def stub(env: Any) -> Flask:
    """The textbook: a miss fills the cache, a change deletes the entry after its commit."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return aside(env, write)


# -- wrong: an old price after a change was acknowledged


def nobody_tells_the_cache(env: Any) -> Flask:
    """Who trusts in the time to live alone."""
    return aside(env, lambda price: update(env.database, price))


def delete_before_write(env: Any) -> Flask:
    """Who empties the cache first, so that it cannot be forgotten: a reader fills it again with the old price."""

    def write(price: int) -> None:
        env.redis.delete(ENTRY)
        update(env.database, price)

    return aside(env, write)


def delete_in_the_transaction(env: Any) -> Flask:
    """Who wants both or none and deletes before the COMMIT: until then every reader still finds the old price."""

    def write(price: int) -> None:
        with env.database.begin() as db:
            db.execute(text(UPDATE), {"price": price})
            env.redis.delete(ENTRY)

    return aside(env, write)


def delete_twice(env: Any) -> Flask:
    """Who has read of the delayed second delete: any reader who is slower than the delay still comes after it."""

    def write(price: int) -> None:
        env.redis.delete(ENTRY)
        update(env.database, price)
        time.sleep(0.5)
        env.redis.delete(ENTRY)

    return aside(env, write)


def set_after_write(env: Any) -> Flask:
    """Who writes through: two writers reach database and cache in different orders."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.set(ENTRY, price, ex=LIFE)

    return aside(env, write)


def set_before_commit(env: Any) -> Flask:
    """Who fills the cache inside the transaction: the row's lock puts the writers in order, and no reader."""

    def write(price: int) -> None:
        with env.database.begin() as db:
            db.execute(text(UPDATE), {"price": price})
            env.redis.set(ENTRY, price, ex=LIFE)

    return aside(env, write)


def set_with_leases(env: Any) -> Flask:
    """Who has heard of slow readers and takes their leases, but lets two writers set what each of them wrote."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.pipeline().set(ENTRY, price, ex=LIFE).delete("lease:tea").execute()

    return serve(leasing(env), write)


def fill_if_empty(env: Any) -> Flask:
    """Who lets readers fill with NX only: after the delete it is empty, and the slow reader is welcome."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            cached = select(env.database)
            env.redis.set(ENTRY, cached, ex=LIFE, nx=True)
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(read, write)


def short_tombstone(env: Any) -> Flask:
    """Who blocks fills for five seconds after a change: a reader may stand still for longer."""
    return tombstone(env, seconds=5)


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each instance has one of its own."""
    lock = threading.Lock()

    def read() -> Any:
        with lock:
            cached = env.redis.get(ENTRY)
            if cached is None:
                cached = select(env.database)
                env.redis.set(ENTRY, cached, ex=LIFE)
            return cached

    def write(price: int) -> None:
        with lock:
            update(env.database, price)
            env.redis.delete(ENTRY)

    return serve(read, write)


def redis_lock(env: Any, timeout: float | None = 5) -> Flask:
    """Who takes a lock in Redis: it ends while a reader stands still, and the reader goes on all the same."""

    def lock() -> Any:
        return env.redis.lock("lock:tea", timeout=timeout)

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            with lock():
                cached = select(env.database)
                env.redis.set(ENTRY, cached, ex=LIFE)
        return cached

    def write(price: int) -> None:
        with lock():
            update(env.database, price)
            env.redis.delete(ENTRY)

    return serve(read, write)


def lease_checked_in_python(env: Any) -> Flask:
    """Who looks at the lease, and then stores: between the two the writer takes it away."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            token = secrets.token_hex(8)
            env.redis.set("lease:tea", token, ex=10)
            cached = select(env.database)
            if env.redis.get("lease:tea") == token:
                env.redis.set(ENTRY, cached, ex=50)
        return cached

    return serve(read, taking_leases(env))


def lease_kept_by_writer(env: Any) -> Flask:
    """Who deletes the entry and forgets the lease, which is what the slow reader has."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(leasing(env), write)


def lease_taken_last(env: Any) -> Flask:
    """Who deletes first the entry, then the lease: in between a reader with an old price may still store it."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)
        env.redis.delete("lease:tea")

    return serve(leasing(env), write)


def lease_taken_before_commit(env: Any) -> Flask:
    """Who takes the leases away first: a reader who begins before the COMMIT has a new one, and the old price."""

    def write(price: int) -> None:
        env.redis.delete("lease:tea", ENTRY)
        update(env.database, price)

    return serve(leasing(env), write)


def lease_after_the_read(env: Any) -> Flask:
    """Who asks the database and then for the lease: the lease says nothing about what was read before it."""
    fill = env.redis.register_script(LEASED_FILL)

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            cached, token = select(env.database), secrets.token_hex(8)
            env.redis.set("lease:tea", token, ex=10)
            fill(keys=[ENTRY, "lease:tea"], args=[token, cached, 50])
        return cached

    return serve(read, taking_leases(env))


def same_token_for_all(env: Any) -> Flask:
    """Who marks that somebody is loading, not who: the reader from before finds the mark of the one from after."""
    fill = env.redis.register_script(LEASED_FILL)

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            env.redis.set("lease:tea", "loading", ex=10)
            cached = select(env.database)
            fill(keys=[ENTRY, "lease:tea"], args=["loading", cached, 50])
        return cached

    return serve(read, taking_leases(env))


def version_in_the_entry(env: Any) -> Flask:
    """Who deletes the entry, and its version with it: the slow reader finds nothing newer than what he brings."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(newest_wins(env), write)


def version_counted_too_early(env: Any) -> Flask:
    """Who counts the version up before the COMMIT: a reader in between stores the old price under the new number."""

    def write(price: int) -> None:
        env.redis.incr("version:tea")
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(counting(env), write)


def version_for_ten_seconds(env: Any) -> Flask:
    """Who lets the version end ten seconds after a change: the slow reader finds none, as he did at first."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.incr("version:tea")
        env.redis.expire("version:tea", 10)
        env.redis.delete(ENTRY)

    return serve(counting(env), write)


def entry_in_memory(env: Any) -> Flask:
    """Who keeps prices in the instance's memory: the other one never hears of a change."""
    prices: dict[str, Any] = {}

    def read() -> Any:
        if "tea" not in prices:
            prices["tea"] = select(env.database)
        return prices["tea"]

    def write(price: int) -> None:
        update(env.database, price)
        prices["tea"] = price

    return serve(read, write)


def replica_read(env: Any) -> Flask:
    """Who fills from the replica to spare the primary: it has not heard of the change yet."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY, "lease:tea")

    return serve(leasing(env, engine=env.replica), write)


def watched_entry(env: Any) -> Flask:
    """Who watches the entry itself: it is not there, and deleting what is not there changes nothing."""
    return watching(env, ENTRY, lambda: env.redis.delete(ENTRY))


def watched_after_the_read(env: Any) -> Flask:
    """Who begins to watch when there is something to store: the change has come before that."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            end = int(time.time()) + LIFE
            cached = select(env.database)
            with env.redis.pipeline() as pipe, contextlib.suppress(redis.WatchError):
                pipe.watch("version:tea")
                pipe.multi()
                pipe.set(ENTRY, cached, exat=end)
                pipe.execute()
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.pipeline().incr("version:tea").delete(ENTRY).execute()

    return serve(read, write)


def counted_after_the_delete(env: Any) -> Flask:
    """Who deletes, and then counts the version up: in between an old price comes in under the old number."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)
        env.redis.incr("version:tea")

    return serve(counting(env), write)


def looks_again(env: Any) -> Flask:
    """Who reads the row once more after storing it, and deletes what differs: for a moment it was told."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            end = int(time.time()) + LIFE
            cached = select(env.database)
            env.redis.set(ENTRY, cached, exat=end)
            if select(env.database) != cached:
                env.redis.delete(ENTRY)
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(read, write)


def deleted_in_the_background(env: Any) -> Flask:
    """Who answers at once and lets a thread delete: who asks meanwhile is told the old price."""
    delete = taking_leases_only(env)

    def write(price: int) -> None:
        update(env.database, price)
        threading.Thread(target=delete).start()

    return serve(leasing(env), write)


# -- wrong: a price that is too old


def no_end(env: Any) -> Flask:
    """Who deletes so well that no time to live seems needed: a change by hand is never seen."""
    return serve(leasing(env, life=0), taking_leases(env))


def longer_with_each_use(env: Any) -> Flask:
    """Who lets entries in use live on: a price that many ask for never ends."""
    load = leasing(env)

    def read() -> Any:
        return env.redis.getex(ENTRY, ex=LIFE) or load()

    return serve(read, taking_leases(env))


def counted_from_the_fill(env: Any) -> Flask:
    """Who counts the minute from the moment of storing: what was read seconds ago lives for seconds too long."""
    return serve(leasing(env, life=LIFE), taking_leases(env))


def with_times(lease: int, life: int) -> Callable[[Any], Flask]:
    """Return a factory whose leases and entries end after so many seconds, together more than a minute."""
    return lambda env: serve(leasing(env, lease=lease, life=life), taking_leases(env))


def lease_without_end(env: Any) -> Flask:
    """Who lets a lease wait for its reader: two minutes later it still opens, and the price is two minutes old."""
    return serve(leasing(env, lease=None), taking_leases(env))


def entry_for_an_hour(env: Any) -> Flask:
    """Who takes an hour, since changes delete the entry anyway: where the writer dies, nobody does."""
    return serve(leasing(env, life=3600), taking_leases(env))


# -- wrong: nothing is gained, or somebody else pays


def no_cache(env: Any) -> Flask:
    """Who gives up: always right, and as slow as before (an over-fix)."""
    return serve(lambda: select(env.database), lambda price: update(env.database, price))


def never_again(env: Any) -> Flask:
    """Who stops caching a price once it was changed (an over-fix)."""
    load = leasing(env)

    def read() -> Any:
        return select(env.database) if env.redis.exists("changed:tea") else load()

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.set("changed:tea", 1)

    return serve(read, write)


def not_after_a_change(env: Any) -> Flask:
    """Who fills nothing after a change until a minute without one: Lua, and a mark that nobody takes away."""
    load = leasing(env)

    def read() -> Any:
        return env.redis.get(ENTRY) or (select(env.database) if env.redis.get("lease:tea") == "off" else load())

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.set("lease:tea", "off")
        env.redis.delete(ENTRY)

    return serve(read, write)


def flush(env: Any) -> Flask:
    """Who empties all of Redis, leases too: right for the price, and Bob's cart is gone (an over-fix)."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.flushdb()

    return serve(leasing(env), write)


def lock_without_end(env: Any) -> Flask:
    """Who takes a lock that never ends: its holder dies, and nobody changes or reads this price again."""
    return redis_lock(env, timeout=None)


def row_lock_while_filling(env: Any) -> Flask:
    """Who keeps the row locked while filling: while one reader stands still, no price can be changed."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            with env.database.begin() as db:
                cached = db.execute(text(SELECT + " FOR UPDATE")).scalar_one()
                env.redis.set(ENTRY, cached, exat=int(time.time()) + LIFE)
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(read, write)


# -- wrong: the change itself


def cache_first(env: Any) -> Flask:
    """Who changes the cache and lets a thread tell the database: it dies with its instance."""

    def write(price: int) -> None:
        env.redis.set(ENTRY, price, ex=LIFE)
        threading.Thread(target=lambda: (time.sleep(1), update(env.database, price))).start()

    return aside(env, write)


def busy(env: Any) -> Flask:
    """Who turns a writer away while another one writes (an over-fix)."""
    app = serve(leasing(env), taking_leases(env))

    @app.before_request
    def one_at_a_time() -> Any:
        if request.method == "PUT" and not env.redis.set("busy:tea", 1, nx=True, ex=5):
            return {"error": "somebody else changes this price"}, 409
        return None

    @app.after_request
    def done(response: Any) -> Any:
        if request.method == "PUT" and response.status_code == 200:
            env.redis.delete("busy:tea")
        return response

    return app


# -- right

LEASED_FILL = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2])
if tonumber(ARGV[3]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""


def leasing(env: Any, engine: Engine | None = None, lease: int | None = 10, life: int = LIFE - 10) -> Callable[[], Any]:
    """Return a reader that stores a price only while nobody has taken its lease away."""
    fill = env.redis.register_script(LEASED_FILL)

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            token = secrets.token_hex(8)
            env.redis.set("lease:tea", token, ex=lease)
            cached = select(engine or env.database)
            fill(keys=[ENTRY, "lease:tea"], args=[token, cached, life])
        return cached

    return read


def taking_leases_only(env: Any) -> Callable[[], Any]:
    """Return what takes entry and lease away in one command."""
    return lambda: env.redis.delete(ENTRY, "lease:tea")


def taking_leases(env: Any) -> Callable[[int], None]:
    """Return a writer that takes entry and lease away in one command, after its commit."""
    take = taking_leases_only(env)

    def write(price: int) -> None:
        update(env.database, price)
        take()

    return write


def lease(env: Any) -> Flask:
    """A token for each reader, which the writer takes away: Nishtala et al. 2013."""
    return serve(leasing(env), taking_leases(env))


def one_lease(env: Any) -> Flask:
    """The same, with one lease at a time: who gets none waits a moment and looks again."""
    fill = env.redis.register_script(LEASED_FILL)

    def read() -> Any:
        token = secrets.token_hex(8)
        while True:
            cached = env.redis.get(ENTRY)
            if cached is not None:
                return cached
            if env.redis.set("lease:tea", token, nx=True, ex=5):
                cached = select(env.database)
                fill(keys=[ENTRY, "lease:tea"], args=[token, cached, LIFE - 5])
                return cached
            time.sleep(0.2)

    return serve(read, taking_leases(env))


def lease_first(env: Any) -> Flask:
    """The same with two commands, in the right order: first nobody can fill, then nothing is left."""

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete("lease:tea")
        env.redis.delete(ENTRY)

    return serve(leasing(env), write)


COUNTED_FILL = """
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
return 1
"""


def counting(env: Any) -> Callable[[], Any]:
    """Return a reader that stores a price only if the version in Redis is still what it was before the read."""
    fill = env.redis.register_script(COUNTED_FILL)

    def read() -> Any:
        cached, version = env.redis.mget(ENTRY, "version:tea")
        if cached is None:
            end = int(time.time()) + LIFE
            cached = select(env.database)
            fill(keys=[ENTRY, "version:tea"], args=[version or "0", cached, end])
        return cached

    return read


def version(env: Any) -> Flask:
    """A number beside the entry that counts changes and never ends."""

    def write(price: int) -> None:
        update(env.database, price)
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.incr("version:tea").delete(ENTRY).execute()

    return serve(counting(env), write)


def tombstone(env: Any, seconds: int = LIFE) -> Flask:
    """A stone in place of the entry, which stands as long as anything read before it may live."""

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None or cached == "gone":
            end = int(time.time()) + LIFE
            price = select(env.database)
            if cached is None:
                env.redis.set(ENTRY, price, exat=end, nx=True)
            return price
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.set(ENTRY, "gone", ex=seconds)

    return serve(read, write)


NEWER = """
local cached = redis.call('GET', KEYS[1])
if cached and tonumber(cached:match('^%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'EXAT', ARGV[3])
return 1
"""


def newest_wins(env: Any) -> Callable[[], Any]:
    """Return a reader that stores a price with its version, unless a newer one is there."""
    fill = env.redis.register_script(NEWER)

    def read() -> Any:
        cached = env.redis.get(ENTRY)
        if cached is None:
            end = int(time.time()) + LIFE
            with env.database.connect() as db:
                found = db.execute(text("SELECT version, price FROM prices WHERE item = 'tea'")).one()
            fill(keys=[ENTRY], args=[found.version, found.price, end])
            return found.price
        return cached.partition(":")[2]

    return read


def compare_and_set(env: Any) -> Flask:
    """Write through with the row's version: Lua keeps the newest, and no reader's price outlives its minute."""
    fill = env.redis.register_script(NEWER)

    def write(price: int) -> None:
        end = int(time.time()) + LIFE
        with env.database.begin() as db:
            number = db.execute(text(UPDATE + " RETURNING version"), {"price": price}).scalar_one()
        fill(keys=[ENTRY], args=[number, price, end])

    return serve(newest_wins(env), write)


def watched(env: Any) -> Flask:
    """WATCH in place of Lua: the reader's transaction fails if a writer has touched the version since."""
    return watching(env, "version:tea", lambda: env.redis.pipeline().incr("version:tea").delete(ENTRY).execute())


def watching(env: Any, key: str, changed: Callable[[], Any]) -> Flask:
    """Return a shop whose readers store a price only if nobody has touched `key`; writers call `changed`."""

    def read() -> Any:
        with env.redis.pipeline() as pipe:
            pipe.watch(key)
            cached = pipe.get(ENTRY)
            if cached is None:
                end = int(time.time()) + LIFE
                cached = select(env.database)
                pipe.multi()
                pipe.set(ENTRY, cached, exat=end)
                with contextlib.suppress(redis.WatchError):
                    pipe.execute()
            return cached

    def write(price: int) -> None:
        update(env.database, price)
        changed()

    return serve(read, write)


def version_in_the_key(env: Any) -> Flask:
    """The number is part of the key: what a slow reader stores, it stores where nobody looks any more."""

    def read() -> Any:
        key = f"{ENTRY}:{env.redis.get('version:tea') or '0'}"
        cached = env.redis.get(key)
        if cached is None:
            end = int(time.time()) + LIFE
            cached = select(env.database)
            env.redis.set(key, cached, exat=end)
        return cached

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.incr("version:tea")

    return serve(read, write)


IN_PLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
return 1
"""


def lease_in_the_entry(env: Any) -> Flask:
    """The lease stands where the price will be, as in memcached: one key, and one DEL takes away either."""
    fill = env.redis.register_script(IN_PLACE)

    def read() -> Any:
        cached, token = env.redis.get(ENTRY), f"lease {secrets.token_hex(8)}"
        if cached is not None and not cached.startswith("lease"):
            return cached
        mine, end = env.redis.set(ENTRY, token, nx=True, ex=10), int(time.time()) + LIFE
        price = select(env.database)
        if mine:
            fill(keys=[ENTRY], args=[token, price, end])
        return price

    def write(price: int) -> None:
        update(env.database, price)
        env.redis.delete(ENTRY)

    return serve(read, write)


def dated_entry(env: Any) -> Flask:
    """The entry says when it was read, and readers pass over what is a minute old: no end has to be exact."""
    fill = env.redis.register_script(LEASED_FILL)

    def read() -> Any:
        entry = json.loads(env.redis.get(ENTRY) or "null")
        if entry and time.time() - entry["read"] < LIFE:
            return entry["price"]
        token, now = secrets.token_hex(8), time.time()
        env.redis.set("lease:tea", token, ex=30)
        price = select(env.database)
        fill(keys=[ENTRY, "lease:tea"], args=[token, json.dumps({"price": price, "read": now}), 300])
        return price

    return serve(read, taking_leases(env))


STUB = (stub, "S11_2-STALE")

WRONG = {
    "nobody_tells_the_cache": (nobody_tells_the_cache, "S11_2-STALE"),
    "delete_before_write": (delete_before_write, "S11_2-STALE"),
    "delete_in_the_transaction": (delete_in_the_transaction, "S11_2-STALE"),
    "delete_twice": (delete_twice, "S11_2-STALE"),
    "set_after_write": (set_after_write, "S11_2-STALE"),
    "set_before_commit": (set_before_commit, "S11_2-STALE"),
    "set_with_leases": (set_with_leases, "S11_2-STALE"),
    "fill_if_empty": (fill_if_empty, "S11_2-STALE"),
    "short_tombstone": (short_tombstone, "S11_2-STALE"),
    "local_lock": (local_lock, "S11_2-STALE"),
    "redis_lock": (redis_lock, "S11_2-STALE"),
    "lease_checked_in_python": (lease_checked_in_python, "S11_2-STALE"),
    "lease_kept_by_writer": (lease_kept_by_writer, "S11_2-STALE"),
    "lease_taken_last": (lease_taken_last, "S11_2-STALE"),
    "lease_taken_before_commit": (lease_taken_before_commit, "S11_2-STALE"),
    "lease_after_the_read": (lease_after_the_read, "S11_2-STALE"),
    "same_token_for_all": (same_token_for_all, "S11_2-STALE"),
    "version_in_the_entry": (version_in_the_entry, "S11_2-STALE"),
    "version_counted_too_early": (version_counted_too_early, "S11_2-STALE"),
    "version_for_ten_seconds": (version_for_ten_seconds, "S11_2-STALE"),
    "entry_in_memory": (entry_in_memory, "S11_2-STALE"),
    "replica_read": (replica_read, "S11_2-STALE"),
    "watched_entry": (watched_entry, "S11_2-STALE"),
    "watched_after_the_read": (watched_after_the_read, "S11_2-STALE"),
    "counted_after_the_delete": (counted_after_the_delete, "S11_2-STALE"),
    "looks_again": (looks_again, "S11_2-STALE"),
    "deleted_in_the_background": (deleted_in_the_background, "S11_2-STALE"),
    "no_end": (no_end, "S11_2-TOO-OLD"),
    "longer_with_each_use": (longer_with_each_use, "S11_2-TOO-OLD"),
    "counted_from_the_fill": (counted_from_the_fill, "S11_2-TOO-OLD"),
    "five_and_sixty": (with_times(5, 60), "S11_2-TOO-OLD"),
    "ten_and_fifty_five": (with_times(10, 55), "S11_2-TOO-OLD"),
    "fifteen_and_fifty": (with_times(15, 50), "S11_2-TOO-OLD"),
    "thirty_and_fifty": (with_times(30, 50), "S11_2-TOO-OLD"),
    "sixty_and_thirty": (with_times(60, 30), "S11_2-TOO-OLD"),
    "lease_without_end": (lease_without_end, "S11_2-TOO-OLD"),
    "entry_for_an_hour": (entry_for_an_hour, "S11_2-TOO-OLD"),
    "no_cache": (no_cache, "S11_2-NOT-CACHED"),
    "never_again": (never_again, "S11_2-NOT-CACHED"),
    "not_after_a_change": (not_after_a_change, "S11_2-NOT-CACHED"),
    "flush": (flush, "S11_2-OTHERS-LOST"),
    "lock_without_end": (lock_without_end, "S11_2-BLOCKED"),
    "row_lock_while_filling": (row_lock_while_filling, "S11_2-BLOCKED"),
    "cache_first": (cache_first, "S11_2-LOST-WRITE"),
    "busy": (busy, "S11_2-UNANSWERED"),
}

RIGHT = {
    "lease": lease,
    "one_lease": one_lease,
    "lease_first": lease_first,
    "version": version,
    "tombstone": tombstone,
    "compare_and_set": compare_and_set,
    "watched": watched,
    "version_in_the_key": version_in_the_key,
    "lease_in_the_entry": lease_in_the_entry,
    "dated_entry": dated_entry,
}

REPLAYED = "lease_taken_last"
