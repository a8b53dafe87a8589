"""Answers to 10.pool_size: the stub, what people really write, and what is right."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from flask import Flask
from sqlalchemy import exc, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

PRICE = "SELECT cents FROM items WHERE name = :item"
DISCOUNT = "SELECT discount FROM items WHERE name = :item"


def engine_of(env: Any, size: int, **options: Any) -> sqlalchemy.Engine:
    """Return an engine with a pool of that many connections."""
    return sqlalchemy.create_engine(env.database.url, pool_size=size, max_overflow=0, **options)


def numbers(env: Any) -> tuple[int, int]:
    """Return how many connections there are for this app, and how many processes share them at most."""
    n = {name: int(value) for name, value in env.vars.items()}
    there = n["DB_MAX_CONNECTIONS"] - n["DB_SUPERUSER_RESERVED"] - n["DB_OPERATORS"]
    return there, n["INSTANCES"] + n["SURGE"] + n["DRAINING"]


def fair(env: Any) -> int:
    """Return this instance's share."""
    there, processes = numbers(env)
    return there // processes


def ask(engine: Any, sql: str, item: str) -> int:
    """Ask one question, on a connection that is given back at once."""
    with engine.connect() as db:
        return db.execute(text(sql), {"item": item}).scalar_one()


def there(env: Any, item: str) -> int:
    """Ask the warehouse how many there are."""
    return env.http.get(f"http://warehouse/{item}").json()["there"]


def serve(env: Any, offer: Callable[[str], tuple[int, int]]) -> Flask:
    """Return an app with the route of the contract."""
    app = Flask("shop")

    @app.get("/offers/<item>")
    def show(item: str) -> Any:
        cents, left = offer(item)
        return {"cents": cents, "there": left}

    return app


def three_steps(env: Any, engine: Any) -> Flask:
    """Return an app that holds a connection for each query alone."""

    def offer(item: str) -> tuple[int, int]:
        cents = ask(engine, PRICE, item)
        left = there(env, item)
        return cents - ask(engine, DISCOUNT, item), left

    return serve(env, offer)


def stub(env: Any) -> Flask:
    """The library's defaults, and one connection for the whole request."""
    app, engine = Flask("shop"), env.database

    @app.get("/offers/<item>")
    def offer(item: str) -> Any:
        with engine.connect() as db:
            cents = db.execute(text("SELECT cents FROM items WHERE name = :item"), {"item": item}).scalar_one()
            there = env.http.get(f"http://warehouse/{item}").json()["there"]
            discount = db.execute(text("SELECT discount FROM items WHERE name = :item"), {"item": item}).scalar_one()
        return {"cents": cents - discount, "there": there}

    return app


# -- wrong: more than there are


def library_defaults(env: Any) -> Flask:
    """Who never thought of it: five connections and ten more, in each instance."""
    return three_steps(env, env.database)


def no_pool(env: Any) -> Flask:
    """Who wants no pool to tune: each query opens a connection, as many at once as there are requests."""
    return three_steps(env, sqlalchemy.create_engine(env.database.url, poolclass=NullPool))


def surge_forgotten(env: Any) -> Flask:
    """Who divides by the number of instances in the deployment's manifest: in a rollout there are two more."""
    there, _ = numbers(env)
    return three_steps(env, engine_of(env, there // int(env.vars["INSTANCES"])))


def draining_forgotten(env: Any) -> Flask:
    """Who counts the surge, and not the one that is about to stop: it keeps its connections to its end."""
    there, processes = numbers(env)
    return three_steps(env, engine_of(env, there // (processes - 1)))


def todays_fleet(env: Any) -> Flask:
    """Who works it out once, for three instances, and writes the result down: the next fleet has eight."""
    return three_steps(env, engine_of(env, 4))


def overflow_forgotten(env: Any) -> Flask:
    """Who sets pool_size, and leaves max_overflow at the library's ten."""
    return three_steps(env, sqlalchemy.create_engine(env.database.url, pool_size=fair(env)))


def retried_when_refused(env: Any) -> Flask:
    """Who tries again where the database refuses: the pages come, and the operators do not get in."""

    def patiently(sql: str, item: str) -> int:
        while True:
            try:
                return ask(env.database, sql, item)
            except exc.OperationalError:
                time.sleep(0.2)

    def offer(item: str) -> tuple[int, int]:
        cents, left = patiently(PRICE, item), there(env, item)
        return cents - patiently(DISCOUNT, item), left

    return serve(env, offer)


def rounded_up(env: Any) -> Flask:
    """Who rounds up, as one does with people and buses."""
    there, processes = numbers(env)
    return three_steps(env, engine_of(env, math.ceil(there / processes)))


def engine_a_request(env: Any) -> Flask:
    """Who makes the engine where it is needed: each request leaves a pool of its own behind."""

    def offer(item: str) -> tuple[int, int]:
        engine = engine_of(env, 1)
        cents, left = ask(engine, PRICE, item), there(env, item)
        return cents - ask(engine, DISCOUNT, item), left

    return serve(env, offer)


# -- wrong: nothing is left for others


def every_last_one(env: Any) -> Flask:
    """Who takes what `SHOW max_connections` says: nobody is left to look, or to migrate."""
    _, processes = numbers(env)
    return three_steps(env, engine_of(env, int(env.vars["DB_MAX_CONNECTIONS"]) // processes))


def operators_forgotten(env: Any) -> Flask:
    """Who leaves the superuser's three alone, and believes that these are the reserve."""
    there, processes = numbers(env)
    return three_steps(env, engine_of(env, (there + int(env.vars["DB_OPERATORS"])) // processes))


# -- wrong: who waits


def pool_of_one(env: Any) -> Flask:
    """Who plays safe (an over-fix): one connection an instance, and everybody in a row."""
    return three_steps(env, engine_of(env, 1))


def one_at_a_time(env: Any) -> Flask:
    """Who lets one request at a time through (an over-fix): a lock around the whole page."""
    lock, app = threading.Lock(), three_steps(env, engine_of(env, fair(env)))
    inner = app.view_functions["show"]

    def show(item: str) -> Any:
        with lock:
            return inner(item)

    app.view_functions["show"] = show
    return app


def held_across_the_call(env: Any) -> Flask:
    """Who opens a session for the request, as the framework's extension does: it is held while others are asked."""
    engine = engine_of(env, fair(env))

    def offer(item: str) -> tuple[int, int]:
        with engine.connect() as db:
            cents = db.execute(text(PRICE), {"item": item}).scalar_one()
            left = there(env, item)
            return cents - db.execute(text(DISCOUNT), {"item": item}).scalar_one(), left

    return serve(env, offer)


def two_checkouts(env: Any) -> Flask:
    """Who asks the second question by a helper with a connection of its own, while he holds the first."""
    engine = engine_of(env, fair(env))

    def offer(item: str) -> tuple[int, int]:
        left = there(env, item)
        with engine.connect() as db:
            cents = db.execute(text(PRICE), {"item": item}).scalar_one()
            return cents - ask(engine, DISCOUNT, item), left

    return serve(env, offer)


def gives_up_at_once(env: Any) -> Flask:
    """Who sets the pool's timeout next to nothing, so that nobody waits: they get an error instead."""
    return three_steps(env, engine_of(env, fair(env), pool_timeout=0.01))


def never_given_back(env: Any) -> Flask:
    """Who connects and does not close: the pool is empty after four requests."""
    engine, kept = engine_of(env, fair(env), pool_timeout=3), []

    def offer(item: str) -> tuple[int, int]:
        kept.append(engine.connect())
        cents = kept[-1].execute(text(PRICE), {"item": item}).scalar_one()
        return cents - 50, there(env, item)

    return serve(env, offer)


# -- wrong: the contract


def discount_forgotten(env: Any) -> Flask:
    """Who saves a query, and with it the discount."""
    engine = engine_of(env, fair(env))
    return serve(env, lambda item: (ask(engine, PRICE, item), there(env, item)))


# -- right


def a_fair_share(env: Any) -> Flask:
    """What there is, divided by the most processes at once; a connection for as long as a query lasts."""
    return three_steps(env, engine_of(env, fair(env)))


def some_overflow(env: Any) -> Flask:
    """Half of the share is kept open, the other half is opened when needed."""
    size = max(1, fair(env) // 2)
    options = {"pool_size": size, "max_overflow": fair(env) - size}
    return three_steps(env, sqlalchemy.create_engine(env.database.url, **options, pool_timeout=1))


def one_query(env: Any) -> Flask:
    """Both numbers in one query: half the time on the connection."""
    engine = engine_of(env, fair(env))
    price = "SELECT cents - discount FROM items WHERE name = :item"
    return serve(env, lambda item: (ask(engine, price, item), there(env, item)))


def a_gate(env: Any) -> Flask:
    """The library's pool behind a semaphore: no more connections than may pass the gate."""
    gate = threading.BoundedSemaphore(fair(env))

    def careful(sql: str, item: str) -> int:
        with gate:
            return ask(env.database, sql, item)

    def offer(item: str) -> tuple[int, int]:
        cents, left = careful(PRICE, item), there(env, item)
        return cents - careful(DISCOUNT, item), left

    return serve(env, offer)


def session_committed(env: Any) -> Flask:
    """An ORM session for the whole request, which gives its connection back with each commit."""
    engine = engine_of(env, fair(env))

    def offer(item: str) -> tuple[int, int]:
        with Session(engine) as session:
            cents = session.execute(text(PRICE), {"item": item}).scalar_one()
            session.commit()
            left = there(env, item)
            return cents - session.execute(text(DISCOUNT), {"item": item}).scalar_one(), left

    return serve(env, offer)


def no_pool_and_a_gate(env: Any) -> Flask:
    """A connection for each query, and a semaphore that counts them."""
    engine = sqlalchemy.create_engine(env.database.url, poolclass=NullPool)
    gate = threading.BoundedSemaphore(fair(env))

    def offer(item: str) -> tuple[int, int]:
        with gate:
            cents = ask(engine, "SELECT cents - discount FROM items WHERE name = :item", item)
        return cents, there(env, item)

    return serve(env, offer)


STUB = (stub, "S10-TOO-MANY")

WRONG = {
    "library_defaults": (library_defaults, "S10-TOO-MANY"),
    "no_pool": (no_pool, "S10-TOO-MANY"),
    "surge_forgotten": (surge_forgotten, "S10-TOO-MANY"),
    "draining_forgotten": (draining_forgotten, "S10-NO-RESERVE"),
    "todays_fleet": (todays_fleet, "S10-TOO-MANY"),
    "overflow_forgotten": (overflow_forgotten, "S10-TOO-MANY"),
    "every_last_one": (every_last_one, "S10-NO-RESERVE"),
    "operators_forgotten": (operators_forgotten, "S10-NO-RESERVE"),
    "pool_of_one": (pool_of_one, "S10-WAITED"),
    "one_at_a_time": (one_at_a_time, "S10-WAITED"),
    "held_across_the_call": (held_across_the_call, "S10-WAITED"),
    "two_checkouts": (two_checkouts, "S10-WAITED"),
    "gives_up_at_once": (gives_up_at_once, "S10-WAITED"),
    "never_given_back": (never_given_back, "S10-WAITED"),
    "discount_forgotten": (discount_forgotten, "S10-CONTRACT"),
    "retried_when_refused": (retried_when_refused, "S10-NO-RESERVE"),
    "rounded_up": (rounded_up, "S10-NO-RESERVE"),
    "engine_a_request": (engine_a_request, "S10-TOO-MANY"),
}

RIGHT = {
    "a_fair_share": a_fair_share,
    "some_overflow": some_overflow,
    "one_query": one_query,
    "a_gate": a_gate,
    "session_committed": session_committed,
    "no_pool_and_a_gate": no_pool_and_a_gate,
}

REPLAYED = "held_across_the_call"
