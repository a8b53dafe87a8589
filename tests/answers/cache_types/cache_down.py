"""Answers to 11_1.cache_down: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

import redis
from flask import Flask, request
from sqlalchemy import text

AWAY = redis.RedisError


def load(env: Any, item: str) -> int:
    """Return the price as it stands in the database."""
    with env.database.connect() as db:
        return db.execute(text("SELECT price FROM prices WHERE item = :item"), {"item": item}).scalar_one()


def store(env: Any, item: str) -> None:
    """Write a new price to the database."""
    with env.database.begin() as db:
        values = {"item": item, "price": request.json["price"]}
        db.execute(text("UPDATE prices SET price = :price WHERE item = :item"), values)


def serve(env: Any, find: Callable[[str], Any], forget: Callable[[str], Any]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.get("/price/<item>")
    def show(item: str) -> Any:
        return {"item": item, "price": int(find(item))}

    @app.put("/price/<item>")
    def change(item: str) -> Any:
        store(env, item)
        forget(item)
        return {"item": item}

    return app


def stub(env: Any) -> Flask:
    """Cache-aside, and not a word about an outage."""
    app = Flask("shop")

    def load(item):
        with env.database.connect() as db:
            return db.execute(text("SELECT price FROM prices WHERE item = :item"), {"item": item}).scalar_one()

    @app.get("/price/<item>")
    def show(item):
        price = env.redis.get(f"price:{item}")
        if price is None:
            price = load(item)
            env.redis.set(f"price:{item}", price, ex=60)
        return {"item": item, "price": int(price)}

    @app.put("/price/<item>")
    def change(item):
        with env.database.begin() as db:
            values = {"item": item, "price": request.json["price"]}
            db.execute(text("UPDATE prices SET price = :price WHERE item = :item"), values)
        env.redis.delete(f"price:{item}")
        return {"item": item}

    return app


# -- the parts of an answer


class Breaker:
    """Calls Redis, and leaves it alone for a while after it has failed."""

    def __init__(self, seconds: float = 10.0, errors: Any = AWAY) -> None:
        self.seconds, self.errors, self.closed_at = seconds, errors, -inf

    def __call__(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what Redis says, or None."""
        if time.monotonic() < self.closed_at:
            return None
        try:
            return command(*arguments, **options)
        except self.errors:
            self.closed_at = time.monotonic() + self.seconds
            return None


def unbroken(command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what Redis says, or None: each time it is asked anew."""
    with contextlib.suppress(AWAY):
        return command(*arguments, **options)


class Local:
    """Prices that one thread of this instance reads at a time, and that are good for some seconds."""

    def __init__(self, env: Any, seconds: float) -> None:
        self.env, self.seconds = env, seconds
        self.lock = threading.Lock()
        self.prices: dict[str, tuple[int, float]] = {}

    def __call__(self, item: str) -> int:
        """Return a price, at most `seconds` old."""
        with self.lock:
            price, until = self.prices.get(item, (0, -inf))
            if time.monotonic() >= until:
                until = time.monotonic() + self.seconds
                price = load(self.env, item)
                self.prices[item] = price, until
            return price


def build(env: Any, ask: Any, fallback: Callable[[str], int], seconds: int = 55) -> Flask:
    """Return an app that asks Redis through `ask`, and `fallback` where it says nothing."""

    def find(item: str) -> Any:
        price = ask(env.redis.get, f"price:{item}")
        if price is None:
            price = fallback(item)
            ask(env.redis.set, f"price:{item}", price, ex=seconds)
        return price

    return serve(env, find, lambda item: ask(env.redis.delete, f"price:{item}"))


# -- right


def breaker(env: Any) -> Flask:
    """A circuit breaker before Redis; behind it prices are read by one thread and kept for 5 s."""
    return build(env, Breaker(), Local(env, 5))


def breaker_of_two_seconds(env: Any) -> Flask:
    """A breaker that is quick to try again, and prices that are kept for a moment more than a second."""
    return build(env, Breaker(2), Local(env, 1.2), 58)


def local_in_front(env: Any) -> Flask:
    """Two levels at all times: 10 s in the instance, behind that 45 s in Redis, together less than a minute."""
    ask = Breaker(8)
    locks: dict[str, threading.Lock] = {}
    known: dict[str, tuple[Any, float]] = {}

    def shared(item: str) -> Any:
        return ask(env.redis.get, f"price:{item}")

    def find(item: str) -> Any:
        price, until = known.get(item, (None, -inf))
        if time.monotonic() < until:
            return price
        price = shared(item)
        if price is not None:
            known[item] = price, time.monotonic() + 10
            return price
        with locks.setdefault(item, threading.Lock()):
            price, until = known.get(item, (None, -inf))
            if time.monotonic() >= until:
                price, now = load(env, item), time.monotonic()
                known[item] = price, now + 10
        ask(env.redis.set, f"price:{item}", price, ex=40)
        return price

    def forget(item: str) -> None:
        known.pop(item, None)
        ask(env.redis.delete, f"price:{item}")

    return serve(env, find, forget)


def dated(env: Any) -> Flask:
    """Each entry says when it was read; the last one that an instance has seen will do while it is no minute old."""
    ask, lock = Breaker(), threading.Lock()
    seen: dict[str, tuple[int, float]] = {}

    def young(item: str) -> bool:
        return item in seen and time.time() - seen[item][1] < 50

    def find(item: str) -> int:
        entry = ask(env.redis.get, f"dated:{item}")
        if entry is not None:
            seen[item] = tuple(json.loads(entry))
        with lock:
            if entry is None and (time.monotonic() >= ask.closed_at or not young(item)):
                now = time.time()
                if not (item in seen and now - seen[item][1] < 2):
                    seen[item] = load(env, item), now
                fresh = json.dumps(seen[item])
            else:
                return seen[item][0]
        ask(env.redis.set, f"dated:{item}", fresh, ex=50)
        return seen[item][0]

    def forget(item: str) -> None:
        seen.pop(item, None)
        ask(env.redis.delete, f"dated:{item}")

    return serve(env, find, forget)


def deletes_until_done(env: Any) -> Flask:
    """The same, and a thread that goes on until a price that has changed is deleted."""
    app = breaker(env)

    def until_done(item: str) -> None:
        while True:
            try:
                return env.redis.delete(f"price:{item}")
            except AWAY:
                time.sleep(1)

    def change(item: str) -> Any:
        store(env, item)
        threading.Thread(target=until_done, args=(item,), daemon=True).start()
        return {"item": item}

    app.view_functions["change"] = change
    return app


def what_is_left(env: Any) -> Flask:
    """An instance keeps what Redis told it for as long as Redis would have, and shows it while Redis is away."""
    ask, lock = Breaker(), threading.Lock()
    kept: dict[str, tuple[Any, float]] = {}

    def find(item: str) -> Any:
        def both() -> Any:
            return env.redis.pipeline().get(f"price:{item}").pttl(f"price:{item}").execute()

        price, until = kept.get(item, (None, -inf))
        if time.monotonic() < min(until, ask.closed_at):
            return price
        price, left = ask(both) or (None, 0)
        if price is not None:
            kept[item] = price, time.monotonic() + left / 1000
            return price
        with lock:
            price, until = kept.get(item, (None, -inf))
            if time.monotonic() >= until:
                until = time.monotonic() + 5
                price = load(env, item)
                kept[item] = price, until
        ask(env.redis.set, f"price:{item}", price, ex=50)
        return price

    def forget(item: str) -> None:
        kept.pop(item, None)
        ask(env.redis.delete, f"price:{item}")

    return serve(env, find, forget)


# -- wrong


def straight_to_the_database(env: Any) -> Flask:
    """Who catches the error and reads the database: all that Redis has kept from it comes at once."""
    return build(env, Breaker(), lambda item: load(env, item))


def unlocked(env: Any) -> Flask:
    """Who keeps prices in the instance, without a lock: eight threads find nothing, eight read."""
    known: dict[str, tuple[int, float]] = {}

    def fallback(item: str) -> int:
        price, until = known.get(item, (0, -inf))
        if time.monotonic() >= until:
            price = load(env, item)
            known[item] = price, time.monotonic() + 5
        return price

    return build(env, Breaker(), fallback)


def lock_without_memory(env: Any) -> Flask:
    """Who lets one thread read at a time and keeps nothing: they read one after the other."""
    return build(env, Breaker(), Local(env, 0))


def no_breaker(env: Any) -> Flask:
    """Who forgets that Redis may be silent: each visitor takes a worker for 5 s, and there are eight."""
    return build(env, unbroken, Local(env, 5))


def lock_around_everything(env: Any) -> Flask:
    """Who holds the lock while Redis is asked: visitors wait 5 s one after the other."""
    ask, lock, local = unbroken, threading.Lock(), Local(env, 5)
    inner = build(env, ask, local)
    show = inner.view_functions["show"]

    def one_at_a_time(item: str) -> Any:
        with lock:
            return show(item)

    inner.view_functions["show"] = one_at_a_time
    return inner


def connection_only(env: Any) -> Flask:
    """Who catches ConnectionError: silence is a TimeoutError."""
    return build(env, Breaker(errors=redis.ConnectionError), Local(env, 5))


def builtin_error(env: Any) -> Flask:
    """Who catches Python's ConnectionError and TimeoutError: redis-py's are others of the same names."""
    return build(env, Breaker(errors=(ConnectionError, TimeoutError)), Local(env, 5))


def set_forgotten(env: Any) -> Flask:
    """Who protects the GET, as the ticket says: the SET that follows it fails as well."""
    ask, local = Breaker(), Local(env, 5)

    def find(item: str) -> Any:
        price = ask(env.redis.get, f"price:{item}")
        if price is None:
            price = local(item)
            env.redis.set(f"price:{item}", price, ex=55)
        return price

    return serve(env, find, lambda item: ask(env.redis.delete, f"price:{item}"))


def says_503(env: Any) -> Flask:
    """Who says 503 while Redis is away, as for a session store (an over-fix): a cache holds nothing of its own."""
    app = stub(env)
    app.register_error_handler(AWAY, lambda error: ({"error": "try again"}, 503, {"Retry-After": "5"}))
    return app


def delete_forgotten(env: Any) -> Flask:
    """Who protects the reads: the write is in the database, and its author is told that it failed."""
    app = breaker(env)

    def change(item: str) -> Any:
        store(env, item)
        env.redis.delete(f"price:{item}")
        return {"item": item}

    app.view_functions["change"] = change
    return app


def no_write_without_delete(env: Any) -> Flask:
    """Who refuses to write what cannot be invalidated (an over-fix): the shop is closed while its cache is away."""
    app = breaker(env)

    def change(item: str) -> Any:
        try:
            env.redis.delete(f"price:{item}")
        except AWAY:
            return {"error": "try again"}, 503
        store(env, item)
        return {"item": item}

    app.view_functions["change"] = change
    return app


def last_known(env: Any) -> Flask:
    """Who shows the last price that the instance has seen until Redis is back: nobody says how old it is."""
    ask, local = Breaker(), Local(env, 5)
    seen: dict[str, Any] = {}

    def find(item: str) -> Any:
        price = ask(env.redis.get, f"price:{item}")
        if price is None and (item not in seen or time.monotonic() >= ask.closed_at):
            price = local(item)
            ask(env.redis.set, f"price:{item}", price, ex=55)
        if price is not None and time.monotonic() >= ask.closed_at:
            seen[item] = price
        return seen.setdefault(item, price)

    return serve(env, find, lambda item: ask(env.redis.delete, f"price:{item}"))


def two_minutes(env: Any) -> Flask:
    """Who gives each level its minute: in a row they are two."""
    ask, local = Breaker(), Local(env, 5)
    seen: dict[str, tuple[Any, float]] = {}

    def find(item: str) -> Any:
        price, until = seen.get(item, (None, -inf))
        if time.monotonic() >= until:
            price = ask(env.redis.get, f"price:{item}")
            if price is None:
                price = local(item)
                ask(env.redis.set, f"price:{item}", price, ex=60)
            seen[item] = price, time.monotonic() + 60
        return price

    def forget(item: str) -> None:
        seen.pop(item, None)
        ask(env.redis.delete, f"price:{item}")

    return serve(env, find, forget)


def copies_in_a_row(env: Any) -> Flask:
    """Who keeps what was read for 50 s, to spare the database, and hands it on to Redis as if it were new."""
    return build(env, Breaker(), Local(env, 50))


def ping_first(env: Any) -> Flask:
    """Who asks whether Redis is there before each call: that is one more call to wait for."""

    def ask(command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return command(*arguments, **options) if unbroken(env.redis.ping) else None

    return build(env, ask, Local(env, 5))


def five_strikes(env: Any) -> Flask:
    """Who opens the breaker after five failures, as libraries do: eight workers have waited for it by then."""
    ask, failures = Breaker(), [0]

    def careful(command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if time.monotonic() < ask.closed_at:
            return None
        try:
            found = command(*arguments, **options)
        except AWAY:
            failures[0] += 1
            if failures[0] >= 5:
                ask.closed_at = time.monotonic() + ask.seconds
            return None
        failures[0] = 0
        return found

    return build(env, careful, Local(env, 5))


def no_end(env: Any) -> Flask:
    """Who trusts the DELETE and sets no lifetime: the one that is lost in an outage leaves the old price for good."""
    ask, local = Breaker(), Local(env, 5)

    def find(item: str) -> Any:
        price = ask(env.redis.get, f"price:{item}")
        if price is None:
            price = local(item)
            ask(env.redis.set, f"price:{item}", price)
        return price

    return serve(env, find, lambda item: ask(env.redis.delete, f"price:{item}"))


def memory_alone(env: Any) -> Flask:
    """Who takes Redis out, since it makes trouble (an over-fix): each instance reads for itself."""
    local = Local(env, 5)
    return serve(env, local, lambda item: None)


def for_ever_open(env: Any) -> Flask:
    """Who opens the breaker and has no way to close it: Redis is back, and nobody notices."""
    return build(env, Breaker(inf), Local(env, 5))


def ten_minutes_open(env: Any) -> Flask:
    """Who opens it for ten minutes, for a quiet log: half a minute of outage is ten of load."""
    return build(env, Breaker(600), Local(env, 5))


def one_key(env: Any) -> Flask:
    """Who keeps one price in the instance: the last item that was read is every item's."""
    ask, lock = Breaker(), threading.Lock()
    kept: list[Any] = [0, -inf]

    def fallback(item: str) -> int:
        with lock:
            if time.monotonic() >= kept[1]:
                kept[:] = load(env, item), time.monotonic() + 5
            return kept[0]

    return build(env, ask, fallback)


def retries(env: Any) -> Flask:
    """Who tries three times before giving up, as for a lost packet: a silent Redis takes 15 s a visitor."""

    def ask(command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        for _ in range(3):
            try:
                return command(*arguments, **options)
            except AWAY:
                time.sleep(0.1)
        return None

    return build(env, ask, Local(env, 5))


STUB = (stub, "S11_1-UNANSWERED")

WRONG = {
    "builtin_error": (builtin_error, "S11_1-UNANSWERED"),
    "set_forgotten": (set_forgotten, "S11_1-UNANSWERED"),
    "says_503": (says_503, "S11_1-UNANSWERED"),
    "connection_only": (connection_only, "S11_1-DEAD-SITE"),
    "no_breaker": (no_breaker, "S11_1-DEAD-SITE"),
    "lock_around_everything": (lock_around_everything, "S11_1-DEAD-SITE"),
    "retries": (retries, "S11_1-DEAD-SITE"),
    "ping_first": (ping_first, "S11_1-DEAD-SITE"),
    "five_strikes": (five_strikes, "S11_1-DEAD-SITE"),
    "straight_to_the_database": (straight_to_the_database, "S11_1-DEAD-DATABASE"),
    "unlocked": (unlocked, "S11_1-DEAD-DATABASE"),
    "lock_without_memory": (lock_without_memory, "S11_1-DEAD-DATABASE"),
    "delete_forgotten": (delete_forgotten, "S11_1-WRITE-REFUSED"),
    "no_write_without_delete": (no_write_without_delete, "S11_1-WRITE-REFUSED"),
    "last_known": (last_known, "S11_1-TOO-OLD"),
    "two_minutes": (two_minutes, "S11_1-TOO-OLD"),
    "no_end": (no_end, "S11_1-TOO-OLD"),
    "copies_in_a_row": (copies_in_a_row, "S11_1-TOO-OLD"),
    "memory_alone": (memory_alone, "S11_1-NOT-SHARED"),
    "for_ever_open": (for_ever_open, "S11_1-NOT-BACK"),
    "ten_minutes_open": (ten_minutes_open, "S11_1-NOT-BACK"),
    "one_key": (one_key, "S11_1-CONTRACT"),
}

RIGHT = {
    "breaker": breaker,
    "breaker_of_two_seconds": breaker_of_two_seconds,
    "local_in_front": local_in_front,
    "dated": dated,
    "deletes_until_done": deletes_until_done,
    "what_is_left": what_is_left,
}

REPLAYED = "unlocked"
