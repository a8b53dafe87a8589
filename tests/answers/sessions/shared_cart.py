"""Answers to 09.shared_cart: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import redis
import sqlalchemy as sa
from flask import Flask, request, session

HALF_AN_HOUR = 30 * 60


def serve(add: Callable[[str, str], list[str]], show: Callable[[str], list[str]]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.post("/cart/<item>")
    def post(item: str) -> Any:
        return {"cart": add(request.cookies["user"], item)}

    @app.get("/cart")
    def get() -> Any:
        return {"cart": show(request.cookies["user"])}

    return app


def stub(env: Any) -> Flask:
    """The cart is in the instance's own memory."""
    app = Flask("shop")
    carts = {}

    @app.post("/cart/<item>")
    def add(item):
        cart = carts.setdefault(request.cookies["user"], [])
        cart.append(item)
        return {"cart": cart}

    @app.get("/cart")
    def show():
        return {"cart": carts.get(request.cookies["user"], [])}

    return app


# -- wrong


def handed_over(env: Any) -> Flask:
    """Who trusts sticky routing: memory is saved on SIGTERM and read at the start, so releases lose nothing."""
    carts = {key.removeprefix("cart:"): json.loads(env.redis.get(key)) for key in env.redis.scan_iter("cart:*")}

    @env.on_stop
    def save() -> None:
        for user, cart in carts.items():
            env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)

    def add(user: str, item: str) -> list[str]:
        carts.setdefault(user, []).append(item)
        return carts[user]

    return serve(add, lambda user: carts.get(user, []))


def read_modify_write(env: Any) -> Flask:
    """Who moves the dict to Redis line by line: it has an expiry, it survives every kill, one tab at a time."""

    def add(user: str, item: str) -> list[str]:
        cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
        cart.append(item)
        env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each instance has one of its own."""
    lock = threading.Lock()

    def add(user: str, item: str) -> list[str]:
        with lock:
            cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
            cart.append(item)
            env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def signed_cookie(env: Any) -> Flask:
    """Who uses Flask's own session: no store at all, and the two tabs overwrite each other's cookie."""
    app = Flask("shop")
    app.secret_key = "the same on all instances"
    app.config["PERMANENT_SESSION_LIFETIME"] = HALF_AN_HOUR

    @app.post("/cart/<item>")
    def add(item: str) -> Any:
        session.permanent = True
        session["cart"] = [*session.get("cart", []), item]
        return {"cart": session["cart"]}

    @app.get("/cart")
    def show() -> Any:
        return {"cart": session.get("cart", [])}

    return app


def watched_too_late(env: Any) -> Flask:
    """Who knows WATCH, and reads first: what changed before the WATCH is not noticed."""

    def add(user: str, item: str) -> list[str]:
        key = f"cart:{user}"
        with env.redis.pipeline() as pipe:
            while True:
                cart = [*json.loads(env.redis.get(key) or "[]"), item]
                try:
                    pipe.watch(key)
                    pipe.multi()
                    pipe.set(key, json.dumps(cart), ex=HALF_AN_HOUR)
                    pipe.execute()
                    return cart
                except redis.WatchError:
                    continue

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def swallowed_watch_error(env: Any) -> Flask:
    """Who silences the exception that production logged: the loser of the race is told that all is well."""

    def add(user: str, item: str) -> list[str]:
        key = f"cart:{user}"
        with env.redis.pipeline() as pipe:
            pipe.watch(key)
            cart = [*json.loads(pipe.get(key) or "[]"), item]
            pipe.multi()
            pipe.set(key, json.dumps(cart), ex=HALF_AN_HOUR)
            with suppress(redis.WatchError):  # somebody else was faster
                pipe.execute()
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def no_retry(env: Any) -> Flask:
    """Who uses WATCH as the manual shows it first, without the loop: the second tab gets a 500."""

    def add(user: str, item: str) -> list[str]:
        key = f"cart:{user}"
        with env.redis.pipeline() as pipe:
            pipe.watch(key)
            cart = [*json.loads(pipe.get(key) or "[]"), item]
            pipe.multi()
            pipe.set(key, json.dumps(cart), ex=HALF_AN_HOUR)
            pipe.execute()
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def rewritten_row(env: Any) -> Flask:
    """Who trusts the transaction: at READ COMMITTED two of them read the same row, and the second one wins."""
    carts = sa.Table(
        "carts",
        sa.MetaData(),
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("items", sa.String),
        sa.Column("expires", sa.Float),
    )
    carts.create(env.database, checkfirst=True)

    def use(user: str, *new: str) -> list[str]:
        now = time.time()
        with env.database.begin() as db:
            row = db.execute(sa.select(carts).where(carts.c.user == user, carts.c.expires > now)).first()
            cart = [*json.loads(row.items if row else "[]"), *new]
            db.execute(carts.delete().where(carts.c.user == user))
            db.execute(carts.insert().values(user=user, items=json.dumps(cart), expires=now + HALF_AN_HOUR))
        return cart

    return serve(use, use)


def touched_by_writing(env: Any) -> Flask:
    """Who adds atomically and renews the expiry by writing back what was read: looking loses what comes meanwhile."""

    def add(user: str, item: str) -> list[str]:
        key = f"cart:{user}"
        with env.redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(key)
                    cart = [*json.loads(pipe.get(key) or "[]"), item]
                    pipe.multi()
                    pipe.set(key, json.dumps(cart), ex=HALF_AN_HOUR)
                    pipe.execute()
                    return cart
                except redis.WatchError:
                    continue

    def show(user: str) -> list[str]:
        cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
        env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, show)


def cached_reads(env: Any) -> Flask:
    """Who saves a trip to Redis: writes are atomic and drop the cached cart, on the instance that writes."""

    @lru_cache(maxsize=1000)
    def show(user: str) -> list[str]:
        env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
        return env.redis.lrange(f"cart:{user}", 0, -1)

    def add(user: str, item: str) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.rpush(f"cart:{user}", item)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR)
            pipe.execute()
        show.cache_clear()
        return show(user)

    return serve(add, show)


def answered_first(env: Any) -> Flask:
    """Who wants fast pages: a thread writes the item after the answer, unless its instance is gone by then."""

    def write(user: str, item: str) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.rpush(f"cart:{user}", item)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR)
            pipe.execute()

    def add(user: str, item: str) -> list[str]:
        threading.Thread(target=write, args=(user, item)).start()
        return [item]

    def show(user: str) -> list[str]:
        env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
        return env.redis.lrange(f"cart:{user}", 0, -1)

    return serve(add, show)


def homemade_lock(env: Any) -> Flask:
    """Who builds the lock from two commands: both tabs look, both find it free, both take it."""

    def add(user: str, item: str) -> list[str]:
        while env.redis.exists(f"lock:{user}"):
            time.sleep(0.05)
        env.redis.set(f"lock:{user}", env.name, ex=2)
        cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
        cart.append(item)
        env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        env.redis.delete(f"lock:{user}")
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def no_expiry(env: Any) -> Flask:
    """Who has met the race and forgets the half hour: the push is atomic, the key stays for ever."""

    def add(user: str, item: str) -> list[str]:
        env.redis.rpush(f"cart:{user}", item)
        return env.redis.lrange(f"cart:{user}", 0, -1)

    return serve(add, lambda user: env.redis.lrange(f"cart:{user}", 0, -1))


def expiry_apart(env: Any) -> Flask:
    """Who sets the expiry in the next line: if the instance dies between the two, nothing ever ends that cart."""

    def add(user: str, item: str) -> list[str]:
        env.redis.rpush(f"cart:{user}", item)
        env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
        return env.redis.lrange(f"cart:{user}", 0, -1)

    def show(user: str) -> list[str]:
        env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
        return env.redis.lrange(f"cart:{user}", 0, -1)

    return serve(add, show)


def set_drops_the_ttl(env: Any) -> Flask:
    """Who gives the key its expiry when it is made: a later plain SET takes the expiry away again."""

    def add(user: str, item: str) -> list[str]:
        key = f"cart:{user}"
        env.redis.set(key, "[]", nx=True, ex=HALF_AN_HOUR)
        with env.redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(key)
                    cart = [*json.loads(pipe.get(key) or "[]"), item]
                    pipe.multi()
                    pipe.set(key, json.dumps(cart))
                    pipe.execute()
                    return cart
                except redis.WatchError:
                    continue

    return serve(add, lambda user: json.loads(env.redis.get(f"cart:{user}") or "[]"))


def expiry_from_first_use(env: Any) -> Flask:
    """Who sets the expiry only where there is none: Ada shops for longer than half an hour."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.rpush(f"cart:{user}", item)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR, nx=True)
            pipe.lrange(f"cart:{user}", 0, -1)
            return pipe.execute()[-1]

    return serve(add, lambda user: env.redis.lrange(f"cart:{user}", 0, -1))


def reading_is_no_use(env: Any) -> Flask:
    """Who renews the expiry where the cart changes: somebody who compares prices for half an hour loses it."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.rpush(f"cart:{user}", item)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR)
            pipe.lrange(f"cart:{user}", 0, -1)
            return pipe.execute()[-1]

    return serve(add, lambda user: env.redis.lrange(f"cart:{user}", 0, -1))


def one_lock_for_all(env: Any) -> Flask:
    """Who makes sure (an over-fix): one distributed lock around every cart; a dead holder stops the whole shop."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.lock("carts", timeout=10):
            cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
            cart.append(item)
            env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def lock_for_ever(env: Any) -> Flask:
    """Who locks each cart by itself and leaves redis-py's default: no timeout, so a dead holder holds for ever."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.lock(f"lock:{user}"):
            cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
            cart.append(item)
            env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def lock_for_readers_too(env: Any) -> Flask:
    """Who locks reading as well, without a timeout: after one kill Ada never sees her cart again."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.lock(f"lock:{user}"):
            env.redis.rpush(f"cart:{user}", item)
            env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
            return env.redis.lrange(f"cart:{user}", 0, -1)

    def show(user: str) -> list[str]:
        with env.redis.lock(f"lock:{user}"):
            env.redis.expire(f"cart:{user}", HALF_AN_HOUR)
            return env.redis.lrange(f"cart:{user}", 0, -1)

    return serve(add, show)


def one_key_for_all(env: Any) -> Flask:
    """Who tries it alone: the command is atomic and the key has no user in it."""

    def add(user: str, item: str) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.rpush("cart", item)
            pipe.expire("cart", HALF_AN_HOUR)
            pipe.lrange("cart", 0, -1)
            return pipe.execute()[-1]

    def show(user: str) -> list[str]:
        env.redis.expire("cart", HALF_AN_HOUR)
        return env.redis.lrange("cart", 0, -1)

    return serve(add, show)


def empty_is_404(env: Any) -> Flask:
    """Who reads the contract as a purist: no cart, no resource."""
    app = list_in_multi(env)

    @app.after_request
    def purist(response: Any) -> Any:
        if request.method == "GET" and response.get_json() == {"cart": []}:
            response.status_code = 404
        return response

    return app


# -- right


def list_in_multi(env: Any) -> Flask:
    """A Redis list a user: push, expiry and reading in one transaction."""

    def use(user: str, *items: str) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            if items:
                pipe.rpush(f"cart:{user}", *items)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR)
            pipe.lrange(f"cart:{user}", 0, -1)
            return pipe.execute()[-1]

    return serve(use, use)


def hash_in_multi(env: Any) -> Flask:
    """A Redis hash a user: one field an item, counted."""

    def use(user: str, item: str | None = None) -> list[str]:
        with env.redis.pipeline(transaction=True) as pipe:
            if item:
                pipe.hincrby(f"cart:{user}", item, 1)
            pipe.expire(f"cart:{user}", HALF_AN_HOUR)
            pipe.hgetall(f"cart:{user}")
            counts = pipe.execute()[-1]
        return [name for name, count in counts.items() for _ in range(int(count))]

    return serve(use, use)


def watch_and_retry(env: Any) -> Flask:
    """One JSON value, changed optimistically: WATCH, read, MULTI, and again where somebody came between."""

    def add(user: str, item: str) -> list[str]:
        def change(pipe: Any) -> list[str]:
            cart = [*json.loads(pipe.get(f"cart:{user}") or "[]"), item]
            pipe.multi()
            pipe.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
            return cart

        return env.redis.transaction(change, f"cart:{user}", value_from_callable=True)

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def lua(env: Any) -> Flask:
    """The same in a script, which Redis runs as one command."""
    use = env.redis.register_script("""
        if ARGV[2] then redis.call('RPUSH', KEYS[1], ARGV[2]) end
        redis.call('EXPIRE', KEYS[1], ARGV[1])
        return redis.call('LRANGE', KEYS[1], 0, -1)
    """)
    return serve(
        lambda user, item: use(keys=[f"cart:{user}"], args=[HALF_AN_HOUR, item]),
        lambda user: use(keys=[f"cart:{user}"], args=[HALF_AN_HOUR]),
    )


def lock_a_user(env: Any) -> Flask:
    """A lock a user with an end of its own: read-modify-write, one at a time, and nobody else waits."""

    @contextmanager
    def alone(user: str) -> Iterator[None]:
        with env.redis.lock(f"lock:{user}", timeout=2, sleep=0.05):
            yield

    def add(user: str, item: str) -> list[str]:
        with alone(user):
            cart = json.loads(env.redis.get(f"cart:{user}") or "[]")
            cart.append(item)
            env.redis.set(f"cart:{user}", json.dumps(cart), ex=HALF_AN_HOUR)
        return cart

    return serve(add, lambda user: json.loads(env.redis.getex(f"cart:{user}", ex=HALF_AN_HOUR) or "[]"))


def rows_in_database(env: Any) -> Flask:
    """A row an item, with an expiry that each use moves: the database does what it is made for."""
    items = sa.Table(
        "items",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user", sa.String),
        sa.Column("item", sa.String),
        sa.Column("expires", sa.Float),
    )
    items.create(env.database, checkfirst=True)

    def use(user: str, *new: str) -> list[str]:
        now = time.time()
        mine = items.c.user == user
        with env.database.begin() as db:
            db.execute(items.delete().where(mine, items.c.expires <= now))
            db.execute(items.update().where(mine).values(expires=now + HALF_AN_HOUR))
            for item in new:
                db.execute(items.insert().values(user=user, item=item, expires=now + HALF_AN_HOUR))
            return list(db.scalars(sa.select(items.c.item).where(mine).order_by(items.c.id)))

    return serve(use, use)


STUB = (stub, "S09-LOST-ITEM")

WRONG = {
    "handed_over": (handed_over, "S09-LOST-ITEM"),
    "read_modify_write": (read_modify_write, "S09-LOST-ITEM"),
    "local_lock": (local_lock, "S09-LOST-ITEM"),
    "signed_cookie": (signed_cookie, "S09-LOST-ITEM"),
    "watched_too_late": (watched_too_late, "S09-LOST-ITEM"),
    "rewritten_row": (rewritten_row, "S09-LOST-ITEM"),
    "swallowed_watch_error": (swallowed_watch_error, "S09-LOST-ITEM"),
    "touched_by_writing": (touched_by_writing, "S09-LOST-ITEM"),
    "cached_reads": (cached_reads, "S09-LOST-ITEM"),
    "answered_first": (answered_first, "S09-LOST-ITEM"),
    "homemade_lock": (homemade_lock, "S09-LOST-ITEM"),
    "no_retry": (no_retry, "S09-UNANSWERED"),
    "empty_is_404": (empty_is_404, "S09-UNANSWERED"),
    "no_expiry": (no_expiry, "S09-NEVER-GONE"),
    "expiry_apart": (expiry_apart, "S09-NEVER-GONE"),
    "set_drops_the_ttl": (set_drops_the_ttl, "S09-NEVER-GONE"),
    "expiry_from_first_use": (expiry_from_first_use, "S09-GONE-TOO-EARLY"),
    "reading_is_no_use": (reading_is_no_use, "S09-GONE-TOO-EARLY"),
    "one_lock_for_all": (one_lock_for_all, "S09-BLOCKED"),
    "lock_for_ever": (lock_for_ever, "S09-BLOCKED"),
    "lock_for_readers_too": (lock_for_readers_too, "S09-BLOCKED"),
    "one_key_for_all": (one_key_for_all, "S09-MIXED-UP"),
}

RIGHT = {
    "list_in_multi": list_in_multi,
    "hash_in_multi": hash_in_multi,
    "watch_and_retry": watch_and_retry,
    "lua": lua,
    "lock_a_user": lock_a_user,
    "rows_in_database": rows_in_database,
}

REPLAYED = "homemade_lock"
