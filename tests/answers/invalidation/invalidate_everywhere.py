"""Answers to 11_3.invalidate_everywhere: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import redis
import sqlalchemy as sa
from flask import Flask, request
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

LIFE = 60
SELECT = sa.text("SELECT price FROM prices WHERE item = :item")
UPDATE = sa.text("UPDATE prices SET price = :price, version = version + 1 WHERE item = :item")


def read(env: Any, item: str) -> int:
    """Return the price in the database; the lab's own function, 50 ms of work included."""
    with env.database.connect() as db:
        price = db.execute(SELECT, {"item": item}).scalar_one()
    env.work(0.05)
    return price


def write(env: Any, item: str, price: int) -> None:
    """Change the price in the database."""
    with env.database.begin() as db:
        db.execute(UPDATE, {"item": item, "price": price})


def serve(get: Callable[[str], int], put: Callable[[str, int], None]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.get("/price/<item>")
    def show(item: str) -> Any:
        return {"price": get(item)}

    @app.put("/price/<item>")
    def change(item: str) -> Any:
        put(item, request.json["price"])
        return {}

    return app


class Held:
    """What one instance holds in memory, with an end time, and how many messages it has heard for each item."""

    def __init__(self, env: Any, life: float = LIFE) -> None:
        self.env, self.life = env, life
        self.prices: dict[str, tuple[int, float]] = {}
        self.heard: Counter[str] = Counter()

    def get(self, item: str) -> int:
        """Return a price, from memory where it may be, and keep it unless a message came while it was read."""
        price, until = self.prices.get(item, (0, 0.0))
        if time.monotonic() < until:
            return price
        heard, until = self.version(item), time.monotonic() + self.life
        price = read(self.env, item)
        if self.version(item) == heard:
            self.prices[item] = price, until
        return price

    def careless(self, item: str) -> int:
        """Return a price, and keep it whatever came while it was read."""
        price, until = self.prices.get(item, (0, 0.0))
        if time.monotonic() >= until:
            until = time.monotonic() + self.life
            price = read(self.env, item)
            self.prices[item] = price, until
        return price

    def version(self, item: str) -> int:
        """Return a number that is another after each message that concerns an item."""
        return self.heard[item] + self.heard["*"]

    def forget(self, item: str) -> None:
        """Drop one price, and whatever is being read of it just now."""
        self.heard[item] += 1
        self.prices.pop(item, None)

    def forget_all(self) -> None:
        """Drop everything: messages may have been missed."""
        self.heard["*"] += 1
        self.prices.clear()


def listening(env: Any, hear: Callable[[str], None], subscribed: Callable[[], None] = lambda: None) -> None:
    """Subscribe now, and let a thread hear what comes; it connects again when its connection is lost."""
    inbox = env.redis.pubsub()
    inbox.subscribe("prices")

    def listen() -> None:
        while True:
            try:
                message = inbox.get_message(timeout=30)
            except redis.RedisError:
                time.sleep(1)
                continue
            if message is not None and message["type"] == "message":
                hear(message["data"])
            elif message is not None:
                subscribed()

    threading.Thread(target=listen, daemon=True).start()


def commit_then_publish(env: Any, also: Callable[[str], None] = lambda item: None) -> Callable[[str, int], None]:
    """Return a writer that tells the others after its COMMIT."""

    def put(item: str, price: int) -> None:
        write(env, item, price)
        also(item)
        env.redis.publish("prices", item)

    return put


def stub(env: Any) -> Flask:
    """Each instance forgets its own changes alone."""
    prices = {}
    app = Flask("shop")

    @app.get("/price/<item>")
    def show(item):
        if item not in prices:
            prices[item] = read(env, item)
        return {"price": prices[item]}

    @app.put("/price/<item>")
    def change(item):
        write(env, item, request.json["price"])
        prices.pop(item, None)
        return {}

    return app


# -- wrong


def never_cached(env: Any) -> Flask:
    """Who throws the cache away: always fresh, and every request is the database's (an over-fix)."""
    return serve(lambda item: read(env, item), lambda item, price: write(env, item, price))


def ttl_of_a_second(env: Any) -> Flask:
    """Who has read that a short TTL needs no messages: fresh within a second, and the database is asked each second."""
    held = Held(env, life=0.9)
    return serve(held.get, lambda item, price: write(env, item, price))


def ttl_alone(env: Any) -> Flask:
    """Who lets a TTL do all of it: the price is right at last, a minute late."""
    held = Held(env)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        held.forget(item)

    return serve(held.get, put)


def shared_in_redis(env: Any) -> Flask:
    """Who moves the cache into Redis, where one DEL is heard by all: another design, with a call for each request."""

    def get(item: str) -> int:
        price = env.redis.get(f"price:{item}")
        if price is None:
            price = read(env, item)
            env.redis.set(f"price:{item}", price, ex=LIFE)
        return int(price)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.delete(f"price:{item}")

    return serve(get, put)


def asks_each_time(env: Any) -> Flask:
    """Who keeps the price in memory and compares a version in Redis at each request: right, and not from memory."""
    prices: dict[str, tuple[str | None, int]] = {}

    def get(item: str) -> int:
        version = env.redis.get(f"version:{item}")
        if item not in prices or prices[item][0] != version:
            prices[item] = version, read(env, item)
        return prices[item][1]

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.incr(f"version:{item}")

    return serve(get, put)


def work_queue(env: Any) -> Flask:
    """Who takes the queue that is there already: each message reaches one instance."""
    held = Held(env)

    def listen() -> None:
        while True:
            with suppress(redis.RedisError):
                _, item = env.redis.blpop("changed", timeout=3) or (None, None)
                if item:
                    held.forget(item)

    threading.Thread(target=listen, daemon=True).start()

    def put(item: str, price: int) -> None:
        write(env, item, price)
        held.forget(item)
        env.redis.rpush("changed", item)

    return serve(held.get, put)


def consumer_group(env: Any) -> Flask:
    """Who knows Streams: the instances share one consumer group, so each message is for one of them."""
    held = Held(env)
    with suppress(redis.ResponseError):
        env.redis.xgroup_create("changed", "shops", id="$", mkstream=True)

    def listen() -> None:
        while True:
            with suppress(redis.RedisError):
                for _, entries in env.redis.xreadgroup("shops", env.name, {"changed": ">"}, block=3000) or []:
                    for number, entry in entries:
                        held.forget(entry["item"])
                        env.redis.xack("changed", "shops", number)

    threading.Thread(target=listen, daemon=True).start()

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.xadd("changed", {"item": item}, maxlen=1000)

    return serve(held.get, put)


def no_end(env: Any) -> Flask:
    """Who trusts messages: what was published while the connection was broken is never heard."""
    held = Held(env, life=float("inf"))
    listening(env, held.forget)
    return serve(held.get, commit_then_publish(env))


def end_pushed_on(env: Any) -> Flask:
    """Who counts the TTL from the last use, as for a session: a price that is asked for does not end."""
    held = Held(env)
    listening(env, held.forget)

    def get(item: str) -> int:
        price = held.get(item)
        if item in held.prices:
            held.prices[item] = price, time.monotonic() + LIFE
        return price

    return serve(get, commit_then_publish(env))


def run_in_thread(env: Any) -> Flask:
    """Who takes redis-py's own thread as the manual shows it: it ends with the first ConnectionError."""
    held = Held(env)
    inbox = env.redis.pubsub()
    inbox.subscribe(prices=lambda message: held.forget(message["data"]))
    inbox.run_in_thread(sleep_time=1, daemon=True)
    return serve(held.get, commit_then_publish(env))


def error_outside_the_loop(env: Any) -> Flask:
    """Who catches the error around the loop: it is logged, and nobody listens any more."""
    held = Held(env)
    inbox = env.redis.pubsub(ignore_subscribe_messages=True)
    inbox.subscribe("prices")

    def listen() -> None:
        with suppress(redis.RedisError):
            for message in inbox.listen():
                held.forget(message["data"])

    threading.Thread(target=listen, daemon=True).start()
    return serve(held.get, commit_then_publish(env))


def new_inbox_not_subscribed(env: Any) -> Flask:
    """Who makes a new inbox after an error, and leaves the subscription behind in the old one."""
    held = Held(env)
    boxes = [env.redis.pubsub(ignore_subscribe_messages=True)]
    boxes[0].subscribe("prices")

    def listen() -> None:
        while True:
            try:
                message = boxes[0].get_message(timeout=5) if boxes[0].subscribed else time.sleep(1)
            except redis.RedisError:
                time.sleep(1)
                boxes[0] = env.redis.pubsub(ignore_subscribe_messages=True)
                continue
            if message:
                held.forget(message["data"])

    threading.Thread(target=listen, daemon=True).start()
    return serve(held.get, commit_then_publish(env))


def subscribes_with_the_first_change(env: Any) -> Flask:
    """Who starts the listener when it is first needed, at the first change that this instance makes."""
    held, started = Held(env), []
    publish = commit_then_publish(env, held.forget)

    def put(item: str, price: int) -> None:
        if not started:
            started.append(True)
            listening(env, held.forget)
        publish(item, price)

    return serve(held.get, put)


def subscribes_after_the_read(env: Any) -> Flask:
    """Who subscribes for an item after its first read: a change between the two is heard by nobody here."""
    held, inbox, started = Held(env), env.redis.pubsub(ignore_subscribe_messages=True), []

    def listen() -> None:
        while True:
            try:
                message = inbox.get_message(timeout=5)
            except redis.RedisError:
                time.sleep(1)
                continue
            if message:
                held.forget(message["data"])

    def get(item: str) -> int:
        price = held.get(item)
        if f"prices:{item}" not in map(str, inbox.channels):
            inbox.subscribe(f"prices:{item}")
            if not started:
                started.append(True)
                threading.Thread(target=listen, daemon=True).start()
        return price

    def put(item: str, price: int) -> None:
        write(env, item, price)
        held.forget(item)
        env.redis.publish(f"prices:{item}", item)

    return serve(get, put)


def keeps_what_it_read(env: Any) -> Flask:
    """Who does all of it but for one order: the message comes between the SELECT and the line that keeps its result."""
    held = Held(env)
    listening(env, held.forget)
    return serve(held.careless, commit_then_publish(env, held.forget))


def publishes_inside(env: Any) -> Flask:
    """Who publishes inside the transaction: whoever hears of it reads the old price, for it still is the price."""
    held = Held(env)
    listening(env, held.forget)

    def put(item: str, price: int) -> None:
        with env.database.begin() as db:
            db.execute(UPDATE, {"item": item, "price": price})
            env.redis.publish("prices", item)

    return serve(held.get, put)


class Base(DeclarativeBase):
    """The tables as SQLAlchemy's ORM knows them."""


class Price(Base):
    """A row of prices."""

    __tablename__ = "prices"
    item: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[int]
    version: Mapped[int]


def orm_put(env: Any, moment: str) -> Callable[[str, int], None]:
    """Return a writer whose ORM session publishes at an event: `after_flush` or `after_commit`."""

    def put(item: str, price: int) -> None:
        with Session(env.database) as session:

            @event.listens_for(session, moment)
            def tell(*_: Any) -> None:
                env.redis.publish("prices", item)

            row = session.get_one(Price, item)
            row.price = price
            session.commit()

    return put


def after_flush(env: Any) -> Flask:
    """Who hangs the message on the ORM's after_flush: the UPDATE is sent by then, and not committed."""
    held = Held(env)
    listening(env, held.forget)
    return serve(held.get, orm_put(env, "after_flush"))


def tells_first(env: Any) -> Flask:
    """Who publishes before the change, as one clears the table before setting it."""
    held = Held(env)
    listening(env, held.forget)

    def put(item: str, price: int) -> None:
        env.redis.publish("prices", item)
        write(env, item, price)

    return serve(held.get, put)


def price_in_the_message(env: Any) -> Flask:
    """Who sends the new price along to save the others a read: two changes overtake each other on the way."""
    held = Held(env)

    def hear(message: str) -> None:
        change = json.loads(message)
        held.forget(change["item"])
        held.prices[change["item"]] = change["price"], time.monotonic() + LIFE

    listening(env, hear)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.publish("prices", json.dumps({"item": item, "price": price}))

    return serve(held.get, put)


def keeps_its_own(env: Any) -> Flask:
    """Who keeps what it has just written, and does not hear itself: another has written since."""
    held = Held(env)

    def hear(message: str) -> None:
        sender, item = message.split(" ", 1)
        if sender != env.name:
            held.forget(item)

    listening(env, hear)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.publish("prices", f"{env.name} {item}")
        held.forget(item)
        held.prices[item] = price, time.monotonic() + LIFE

    return serve(held.get, put)


def flushes_everything(env: Any) -> Flask:
    """Who is on the safe side: one price changes, and every instance forgets all of them (an over-fix)."""
    held = Held(env)
    listening(env, lambda item: held.forget_all())
    return serve(held.get, commit_then_publish(env))


def looks_every_five_seconds(env: Any) -> Flask:
    """Who lets a job of every five seconds read the messages: up to five seconds late."""
    held, inbox = Held(env), env.redis.pubsub(ignore_subscribe_messages=True)
    inbox.subscribe("prices")

    @env.every(5)
    def look() -> None:
        while message := inbox.get_message(timeout=0.01):
            held.forget(message["data"])

    return serve(held.get, commit_then_publish(env, held.forget))


def never_committed(env: Any) -> Flask:
    """Who forgets the COMMIT: SQLAlchemy rolls back what is not committed, and everybody is told to read again."""
    held = Held(env)
    listening(env, held.forget)

    def put(item: str, price: int) -> None:
        with env.database.connect() as db:
            db.execute(UPDATE, {"item": item, "price": price})
        env.redis.publish("prices", item)

    return serve(held.get, put)


def counted_after_the_read(env: Any) -> Flask:
    """Who compares the count before and after, and takes both after the read: they are always the same."""
    held = Held(env)
    listening(env, held.forget)

    def get(item: str) -> int:
        price, until = held.prices.get(item, (0, 0.0))
        if time.monotonic() >= until:
            until = time.monotonic() + LIFE
            price, heard = read(env, item), held.heard[item]
            if held.heard[item] == heard:
                held.prices[item] = price, until
        return price

    return serve(get, commit_then_publish(env))


def counts_what_it_has(env: Any) -> Flask:
    """Who passes over messages about what is not in memory: it is just being read."""
    held = Held(env)
    listening(env, lambda item: held.forget(item) if item in held.prices else None)
    return serve(held.get, commit_then_publish(env))


def told_later(env: Any) -> Flask:
    """Who gathers messages for two seconds, to send fewer."""
    held = Held(env)
    listening(env, held.forget)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        held.forget(item)
        threading.Timer(2, env.redis.publish, ("prices", item)).start()

    return serve(held.get, put)


def two_minutes(env: Any) -> Flask:
    """Who doubles the end, since messages do the work: what was lost is old for twice as long."""
    held = Held(env, life=2 * LIFE)
    listening(env, held.forget)
    return serve(held.get, commit_then_publish(env))


def lru_cache_cleared(env: Any) -> Flask:
    """Who takes lru_cache, which can forget all or nothing (an over-fix)."""
    cached = lru_cache(maxsize=None)(lambda item: read(env, item))
    listening(env, lambda item: cached.cache_clear())
    return serve(cached, commit_then_publish(env))


# -- right


def one_count_for_all(env: Any) -> Flask:
    """One count for all items: now and then a price is not kept that might have been."""
    held, count = Held(env), [0]

    def hear(item: str) -> None:
        count[0] += 1
        held.prices.pop(item, None)

    listening(env, hear)

    def get(item: str) -> int:
        price, until = held.prices.get(item, (0, 0.0))
        if time.monotonic() >= until:
            before, until = count[0], time.monotonic() + LIFE
            price = read(env, item)
            if count[0] == before:
                held.prices[item] = price, until
        return price

    return serve(get, commit_then_publish(env))


def place_taken(env: Any) -> Flask:
    """Who reads takes the price's place first; a message clears it, and then there is nothing to put the price in."""
    places: dict[str, list[Any]] = {}
    listening(env, lambda item: places.pop(item, None))

    def get(item: str) -> int:
        place = places.get(item)
        if place is not None and place[0] is not None and time.monotonic() < place[1]:
            return int(place[0])
        mine = places[item] = [None, time.monotonic() + LIFE]
        price = read(env, item)
        if places.get(item) is mine:
            mine[0] = price
        return price

    return serve(get, commit_then_publish(env))


def a_channel_an_item(env: Any) -> Flask:
    """A channel for each item, and one pattern that hears them all, in a plain loop over `listen()`."""
    held = Held(env)
    inbox = env.redis.pubsub(ignore_subscribe_messages=True)
    inbox.psubscribe("price:*")

    def listen() -> None:
        while True:
            try:
                for message in inbox.listen():
                    held.forget(message["channel"].partition(":")[2])
            except redis.RedisError:
                time.sleep(1)

    threading.Thread(target=listen, daemon=True).start()

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.publish(f"price:{item}", "")

    return serve(held.get, put)


def counted(env: Any) -> Flask:
    """Messages for all, an end beside each price, and a count of messages that guards what is being read."""
    held = Held(env)
    listening(env, held.forget)
    return serve(held.get, commit_then_publish(env))


def flush_when_connected(env: Any) -> Flask:
    """The same, and everything is forgotten whenever a subscription begins, for messages may have been missed."""
    held = Held(env)
    listening(env, held.forget, held.forget_all)
    return serve(held.get, commit_then_publish(env, held.forget))


def after_commit(env: Any) -> Flask:
    """The ORM's after_commit publishes."""
    held = Held(env)
    listening(env, held.forget, held.forget_all)
    return serve(held.get, orm_put(env, "after_commit"))


def own_cursor_in_a_stream(env: Any) -> Flask:
    """A stream that each instance reads from where it stopped: what it missed is still there afterwards."""
    held = Held(env)
    entries = env.redis.xrevrange("changed", count=1)
    last = [entries[0][0] if entries else "0"]

    def listen() -> None:
        while True:
            try:
                found = env.redis.xread({"changed": last[0]}, block=3000)
            except redis.RedisError:
                time.sleep(1)
                continue
            for number, entry in found[0][1] if found else []:
                last[0] = number
                held.forget(entry["item"])

    threading.Thread(target=listen, daemon=True).start()

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.xadd("changed", {"item": item}, maxlen=1000)

    return serve(held.get, put)


def looks_twice_a_second(env: Any) -> Flask:
    """A job that compares one number a price, twice a second: no message, so none that is lost."""
    held = Held(env)
    seen: dict[str, str] = {}

    @env.every(0.5)
    def look() -> None:
        for item, version in env.redis.hgetall("versions").items():
            if seen.get(item) != version:
                seen[item] = version
                held.forget(item)

    def put(item: str, price: int) -> None:
        write(env, item, price)
        env.redis.hincrby("versions", item, 1)

    return serve(held.get, put)


def thread_with_a_handler(env: Any) -> Flask:
    """redis-py's own thread, told what to do with an error."""
    held = Held(env)
    inbox = env.redis.pubsub()
    inbox.subscribe(prices=lambda message: held.forget(message["data"]))

    def go_on(error: BaseException, *_: Any) -> None:
        time.sleep(1)

    inbox.run_in_thread(sleep_time=5, daemon=True, exception_handler=go_on)
    return serve(held.get, commit_then_publish(env))


def versioned_message(env: Any) -> Flask:
    """The price travels with its version, made in the UPDATE; an instance keeps it only over an older one."""
    prices: dict[str, tuple[int, int, float]] = {}
    returning = sa.text(UPDATE.text + " RETURNING version")
    select = sa.text("SELECT version, price FROM prices WHERE item = :item")

    def keep(item: str, version: int, price: int, until: float) -> None:
        if version >= prices.get(item, (0, 0, 0.0))[0]:
            prices[item] = version, price, until

    def hear(message: str) -> None:
        item, version, price = json.loads(message)
        keep(item, version, price, time.monotonic() + LIFE)

    listening(env, hear)

    def get(item: str) -> int:
        _, price, until = prices.get(item, (0, 0, 0.0))
        if time.monotonic() < until:
            return price
        until = time.monotonic() + LIFE
        with env.database.connect() as db:
            version, price = db.execute(select, {"item": item}).one()
        env.work(0.05)
        keep(item, version, price, until)
        return price

    def put(item: str, price: int) -> None:
        with env.database.begin() as db:
            version = db.execute(returning, {"item": item, "price": price}).scalar_one()
        env.redis.publish("prices", json.dumps([item, version, price]))

    return serve(get, put)


STUB = (stub, "S11_3-UNHEARD")

WRONG = {
    "never_committed": (never_committed, "S11_3-CONTRACT"),
    "never_cached": (never_cached, "S11_3-ASKS-DATABASE"),
    "ttl_of_a_second": (ttl_of_a_second, "S11_3-ASKS-DATABASE"),
    "shared_in_redis": (shared_in_redis, "S11_3-ASKS-REDIS"),
    "asks_each_time": (asks_each_time, "S11_3-ASKS-REDIS"),
    "ttl_alone": (ttl_alone, "S11_3-UNHEARD"),
    "work_queue": (work_queue, "S11_3-UNHEARD"),
    "consumer_group": (consumer_group, "S11_3-UNHEARD"),
    "looks_every_five_seconds": (looks_every_five_seconds, "S11_3-UNHEARD"),
    "subscribes_with_the_first_change": (subscribes_with_the_first_change, "S11_3-UNHEARD"),
    "flushes_everything": (flushes_everything, "S11_3-FLUSHED"),
    "no_end": (no_end, "S11_3-OLD-FOR-EVER"),
    "end_pushed_on": (end_pushed_on, "S11_3-OLD-FOR-EVER"),
    "run_in_thread": (run_in_thread, "S11_3-DEAF"),
    "error_outside_the_loop": (error_outside_the_loop, "S11_3-DEAF"),
    "new_inbox_not_subscribed": (new_inbox_not_subscribed, "S11_3-DEAF"),
    "subscribes_after_the_read": (subscribes_after_the_read, "S11_3-PUT-BACK"),
    "keeps_what_it_read": (keeps_what_it_read, "S11_3-PUT-BACK"),
    "publishes_inside": (publishes_inside, "S11_3-PUT-BACK"),
    "after_flush": (after_flush, "S11_3-PUT-BACK"),
    "tells_first": (tells_first, "S11_3-PUT-BACK"),
    "counted_after_the_read": (counted_after_the_read, "S11_3-PUT-BACK"),
    "counts_what_it_has": (counts_what_it_has, "S11_3-PUT-BACK"),
    "told_later": (told_later, "S11_3-UNHEARD"),
    "two_minutes": (two_minutes, "S11_3-OLD-FOR-EVER"),
    "lru_cache_cleared": (lru_cache_cleared, "S11_3-FLUSHED"),
    "price_in_the_message": (price_in_the_message, "S11_3-CROSSED"),
    "keeps_its_own": (keeps_its_own, "S11_3-CROSSED"),
}

RIGHT = {
    "counted": counted,
    "flush_when_connected": flush_when_connected,
    "after_commit": after_commit,
    "own_cursor_in_a_stream": own_cursor_in_a_stream,
    "looks_twice_a_second": looks_twice_a_second,
    "thread_with_a_handler": thread_with_a_handler,
    "versioned_message": versioned_message,
    "one_count_for_all": one_count_for_all,
    "place_taken": place_taken,
    "a_channel_an_item": a_channel_an_item,
}

REPLAYED = "keeps_what_it_read"
