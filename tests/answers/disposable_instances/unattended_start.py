"""Answers to 02.unattended_start: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

logger = logging.getLogger("shop")
CURRENCIES = ("EUR", "USD")


def serve(env: Any, ready: Callable[[], bool] = lambda: True) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.get("/ready")
    def tell() -> Any:
        return {"ready": True} if ready() else ({"ready": False}, 503)

    @app.post("/orders")
    def order() -> Any:
        with env.database.begin() as db:
            db.execute(text("INSERT INTO orders (item) VALUES ('tea')"))
        return {"ordered": "tea"}

    return app


def ask(env: Any) -> None:
    """Ask the database for nothing in particular; raises OperationalError where it is not there."""
    with env.database.connect() as db:
        db.execute(text("SELECT 1"))


def complaints(env: Any) -> list[str]:
    """Return what is wrong with the settings."""
    found = []
    if env.vars.get("CURRENCY") not in CURRENCIES:
        found.append(f"CURRENCY is {env.vars.get('CURRENCY')!r}, not EUR or USD")
    items = env.vars.get("MAX_ITEMS", "")
    if not (items.isdecimal() and 1 <= int(items) <= 100):
        found.append(f"MAX_ITEMS is {items!r}, not a number from 1 to 100")
    if "@" not in env.vars.get("MAIL_FROM", ""):
        found.append(f"MAIL_FROM is {env.vars.get('MAIL_FROM')!r}, not an address")
    return found


def check(env: Any) -> None:
    """Raise with everything that is wrong with the settings."""
    if found := complaints(env):
        raise ValueError("; ".join(found))


def wait(env: Any, seconds: float = 2.0) -> None:
    """Ask the database until it answers, and say so."""
    while True:
        try:
            return ask(env)
        except OperationalError as error:
            logger.warning("waiting for the database: %s", error)
            time.sleep(seconds)


def stub(env: Any) -> Flask:
    """Settings are used as they come, and the database has to be there."""
    app = Flask("shop")
    currency = env.vars["CURRENCY"]
    max_items = int(env.vars["MAX_ITEMS"])
    mail_from = env.vars["MAIL_FROM"]
    db = env.database.connect()

    @app.get("/ready")
    def ready():
        return {"ready": True}

    @app.post("/orders")
    def order():
        db.execute(text("INSERT INTO orders (item) VALUES ('tea')"))
        db.commit()
        return {"currency": currency, "at most": max_items, "from": mail_from}

    return app


# -- wrong: it ends


def asks_first(env: Any) -> Flask:
    """Who asks before something important begins: nobody is there to press y."""
    check(env)
    if input("Connect to the production database? [y/N] ") != "y":
        sys.exit("cancelled")
    wait(env)
    return serve(env)


def gives_up_at_once(env: Any) -> Flask:
    """Who says what is missing, clearly, and leaves: at the next start of the whole house all instances leave."""
    check(env)
    try:
        ask(env)
    except OperationalError:
        logger.critical("the database is not there")
        sys.exit(1)
    return serve(env)


def ten_tries(env: Any) -> Flask:
    """Who tries ten times, a second apart: a database that starts takes longer than that."""
    check(env)
    for _ in range(10):
        try:
            ask(env)
            return serve(env)
        except OperationalError as error:
            logger.warning("waiting for the database: %s", error)
            time.sleep(1)
    raise SystemExit("the database did not come")


def waits_for_the_port_only(env: Any) -> Flask:
    """Who catches Python's own ConnectionError: the driver's is another class."""
    check(env)
    while True:
        try:
            ask(env)
            return serve(env)
        except ConnectionError:
            logger.warning("waiting for the database")
            time.sleep(1)


# -- wrong: ready too early, or too late


def swallowed(env: Any) -> Flask:
    """Who lets no error of the start through: the instance is up, and every order is a 500."""
    check(env)
    with contextlib.suppress(OperationalError):
        ask(env)
    logger.warning("started, with or without a database")
    return serve(env)


def always_ready(env: Any) -> Flask:
    """Who lets a thread wait for the database, and says «ready» all the same: the process is there, is it not?"""
    check(env)
    threading.Thread(target=wait, args=(env,), daemon=True).start()
    return serve(env)


def cold_start(env: Any) -> Flask:
    """Who gives the database a minute and a half before asking: a fixed pause is too short or too long, or both."""
    check(env)
    logger.warning("waiting for the database")
    time.sleep(90)
    wait(env)
    return serve(env)


def doubling_for_ever(env: Any) -> Flask:
    """Who doubles the pause after each refusal, without an upper limit: it sleeps when the database comes."""
    check(env)
    pause = 1.0
    while True:
        try:
            ask(env)
            return serve(env)
        except OperationalError as error:
            logger.warning("waiting for the database: %s", error)
            time.sleep(pause)
            pause *= 2


def leader_first(env: Any) -> Flask:
    """Who lets the first instance prepare everything, and the others wait for it, dead or alive."""
    check(env)
    wait(env)
    if env.name == "shop-1":
        env.redis.set("prepared", 1)
    while not env.redis.exists("prepared"):
        logger.warning("waiting for shop-1")
        time.sleep(1)
    return serve(env)


def one_at_a_time(env: Any) -> Flask:
    """Who lets one instance start at a time, under a lock without an end: who dies while starting keeps it."""
    check(env)
    while not env.redis.set("starting", env.name, nx=True):
        logger.warning("waiting for another instance to start")
        time.sleep(1)
    wait(env)
    env.redis.delete("starting")
    return serve(env)


# -- wrong: it says nothing


def silent(env: Any) -> Flask:
    """Who waits as long as it takes and tells nobody."""
    check(env)
    while True:
        with contextlib.suppress(OperationalError):
            ask(env)
            return serve(env)
        time.sleep(2)


def at_level_info(env: Any) -> Flask:
    """Who tells it at a level that nobody has switched on: without a configuration, logging begins at WARNING."""
    check(env)
    while True:
        try:
            ask(env)
            return serve(env)
        except OperationalError as error:
            logger.info("waiting for the database: %s", error)
            time.sleep(2)


# -- wrong: settings


def defaults(env: Any) -> Flask:
    """Who means well: what is wrong is replaced by something that works, and the shop takes euros for dollars."""
    if complaints(env):
        logger.warning("using the defaults")
    wait(env)
    return serve(env)


def not_looked_at(env: Any) -> Flask:
    """Who reads settings where they are needed: the first customer finds out."""
    app = serve(env, lambda: False)

    def order() -> Any:
        check(env)
        wait(env)
        return {}

    def ready() -> Any:
        try:
            ask(env)
            return {}
        except OperationalError as error:
            logger.warning("waiting for the database: %s", error)
            return {}, 503

    app.view_functions["tell"] = ready
    app.view_functions["order"] = order
    return app


def first_one_only(env: Any) -> Flask:
    """Who raises at the first wrong setting: each release finds the next one."""
    for found in complaints(env):
        raise ValueError(found)
    wait(env)
    return serve(env)


def says_that_something_is_wrong(env: Any) -> Flask:
    """Who checks everything, and keeps to himself what it was."""
    if complaints(env):
        sys.exit("The configuration is invalid.")
    wait(env)
    return serve(env)


def names_them_all(env: Any) -> Flask:
    """Who answers any mistake with the list of all settings: the reader may look for it himself."""
    if complaints(env):
        raise ValueError("Check CURRENCY, MAX_ITEMS and MAIL_FROM.")
    wait(env)
    return serve(env)


def database_before_settings(env: Any) -> Flask:
    """Who waits for the database first: what is wrong with the settings comes out when it is there."""
    wait(env)
    check(env)
    return serve(env)


def retries_everything(env: Any) -> Flask:
    """Who puts the loop around the whole start: no pause makes a number of «ten»."""
    while True:
        try:
            check(env)
            ask(env)
            return serve(env)
        except Exception as error:
            logger.warning("starting: %s", error)
            time.sleep(2)


def only(env: Any, *found: str) -> Flask:
    """Return a shop that raises with these complaints, if there are any, and else waits for the database."""
    if any(found):
        raise ValueError("; ".join(filter(None, found)))
    wait(env)
    return serve(env)


def present_is_enough(env: Any) -> Flask:
    """Who looks whether an address is there, and not whether it is one."""
    there = "MAIL_FROM" in env.vars
    return only(env, *[found for found in complaints(env) if not (there and found.startswith("MAIL_FROM"))])


def no_upper_limit(env: Any) -> Flask:
    """Who looks at the lower limit alone."""
    items = env.vars.get("MAX_ITEMS", "")
    others = [found for found in complaints(env) if not found.startswith("MAX_ITEMS")]
    return only(env, *others, "" if items.isdecimal() and int(items) > 0 else "MAX_ITEMS is no number from 1 to 100")


def any_case(env: Any) -> Flask:
    """Who is generous with small letters: every other service compares with EUR."""
    right = env.vars.get("CURRENCY", "").upper() in CURRENCIES
    return only(env, *[found for found in complaints(env) if not (right and found.startswith("CURRENCY"))])


def below_a_hundred(env: Any) -> Flask:
    """Who takes 100 for one too many: what was allowed ends the start."""
    return only(env, *complaints(env), "MAX_ITEMS is too large" if env.vars.get("MAX_ITEMS") == "100" else "")


def more_than_one(env: Any) -> Flask:
    """Who takes 1 for one too few."""
    return only(env, *complaints(env), "MAX_ITEMS is too small" if env.vars.get("MAX_ITEMS") == "1" else "")


def complains_and_stays(env: Any) -> Flask:
    """Who says what is wrong, all of it, and waits for somebody to mend it."""
    for found in complaints(env):
        logger.error(found)
    while complaints(env):
        time.sleep(5)
    wait(env)
    return serve(env)


def schema_first(env: Any) -> Flask:
    """Who makes a table before the loop that waits for the database."""
    check(env)
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS settings (name TEXT)"))
    wait(env)
    return serve(env)


# -- right


def waits_in_the_factory(env: Any) -> Flask:
    """Checks the settings, waits for the database, then begins to serve."""
    check(env)
    wait(env)
    return serve(env)


def asks_when_asked(env: Any) -> Flask:
    """Serves at once, and asks the database whenever the platform asks whether it is ready."""
    check(env)

    def ready() -> bool:
        try:
            ask(env)
            return True
        except OperationalError as error:
            logger.warning("waiting for the database: %s", error)
            return False

    return serve(env, ready)


def waits_in_a_thread(env: Any) -> Flask:
    """Serves at once; a thread waits for the database, and says when it is there."""
    check(env)
    there = threading.Event()

    def look() -> None:
        wait(env)
        there.set()

    threading.Thread(target=look, daemon=True).start()
    return serve(env, there.is_set)


def backoff_with_a_limit(env: Any) -> Flask:
    """Doubles its pause up to five seconds; all complaints in a group of errors."""
    if found := complaints(env):
        raise ExceptionGroup("settings", [ValueError(one) for one in found])
    pause = 0.5
    while True:
        try:
            ask(env)
            return serve(env)
        except OperationalError as error:
            logger.error("waiting for the database: %s", error)
            time.sleep(pause)
            pause = min(5.0, 2 * pause)


def logged_then_left(env: Any) -> Flask:
    """Every complaint is a line of the log, and the exit code says that it went wrong."""
    for found in complaints(env):
        logger.error(found)
    if complaints(env):
        sys.exit(78)
    wait(env)
    return serve(env)


def leaves_with_a_text(env: Any) -> Flask:
    """sys.exit with a text is an error with a text."""
    if found := complaints(env):
        sys.exit("\n".join(found))
    wait(env)
    return serve(env)


STUB = (stub, "S02-EXITED")

WRONG = {
    "asks_first": (asks_first, "S02-EXITED"),
    "gives_up_at_once": (gives_up_at_once, "S02-EXITED"),
    "ten_tries": (ten_tries, "S02-EXITED"),
    "waits_for_the_port_only": (waits_for_the_port_only, "S02-EXITED"),
    "swallowed": (swallowed, "S02-READY-TOO-EARLY"),
    "always_ready": (always_ready, "S02-READY-TOO-EARLY"),
    "cold_start": (cold_start, "S02-NOT-READY"),
    "doubling_for_ever": (doubling_for_ever, "S02-NOT-READY"),
    "leader_first": (leader_first, "S02-NOT-READY"),
    "one_at_a_time": (one_at_a_time, "S02-NOT-READY"),
    "silent": (silent, "S02-SILENT"),
    "at_level_info": (at_level_info, "S02-SILENT"),
    "defaults": (defaults, "S02-STARTED-WRONG"),
    "not_looked_at": (not_looked_at, "S02-STARTED-WRONG"),
    "first_one_only": (first_one_only, "S02-NOT-NAMED"),
    "says_that_something_is_wrong": (says_that_something_is_wrong, "S02-NOT-NAMED"),
    "names_them_all": (names_them_all, "S02-BLAMED"),
    "database_before_settings": (database_before_settings, "S02-KEPT-WAITING"),
    "present_is_enough": (present_is_enough, "S02-STARTED-WRONG"),
    "no_upper_limit": (no_upper_limit, "S02-STARTED-WRONG"),
    "any_case": (any_case, "S02-STARTED-WRONG"),
    "below_a_hundred": (below_a_hundred, "S02-EXITED"),
    "more_than_one": (more_than_one, "S02-BLAMED"),
    "complains_and_stays": (complains_and_stays, "S02-KEPT-WAITING"),
    "schema_first": (schema_first, "S02-EXITED"),
    "retries_everything": (retries_everything, "S02-KEPT-WAITING"),
}

RIGHT = {
    "waits_in_the_factory": waits_in_the_factory,
    "asks_when_asked": asks_when_asked,
    "waits_in_a_thread": waits_in_a_thread,
    "backoff_with_a_limit": backoff_with_a_limit,
    "logged_then_left": logged_then_left,
    "leaves_with_a_text": leaves_with_a_text,
}

REPLAYED = "leader_first"
