"""Answers to 11_4.single_flight: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import math
import random
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from flask import Flask
from redis.exceptions import LockError
from sqlalchemy import text

FRESH, GRACE, LEASE, PATIENCE = 60, 60, 6, 5

Get = Callable[[str], Any]
Purge = Callable[[str], Any]
LATER = {"error": "try again"}, 503, {"Retry-After": "2"}


def routes(get: Callable[[str, str], Any], purge: Callable[[str, str], Any]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.get("/top/<market>/<category>")
    def top(market: str, category: str) -> Any:
        return get(market, category)

    @app.post("/purge/<market>/<category>")
    def drop(market: str, category: str) -> Any:
        purge(market, category)
        return {}

    return app


def load(env: Any, market: str, category: str) -> dict[str, Any]:
    """Ask the reports for a list: two seconds."""
    return dict(env.http.get(f"http://reports/top/{market}/{category}").raise_for_status().json())


def key_of(market: str, category: str) -> str:
    """Return a key whose parts cannot run into each other."""
    return f"top:{market}:{category}"


def stub(env: Any) -> Flask:
    """Cache-aside, as everybody begins."""

    def get(market: str, category: str) -> Any:
        key = f"top-{market}-{category}"
        found = env.redis.get(key)
        if found is None:
            found = json.dumps(load(env, market, category))
            env.redis.set(key, found, ex=60)
        return json.loads(found)

    return routes(get, lambda market, category: env.redis.flushdb())


# -- one design with parts that can be got wrong

STORE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
"""


BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Leased:
    """The right design: one key for the list and the moment it was asked for, and one for the lease."""

    fresh = FRESH
    keep = FRESH + GRACE
    lease = LEASE
    poll = 0.25

    def __init__(self, env: Any) -> None:
        self.env = env
        self.store = env.redis.register_script(STORE)
        self.back = env.redis.register_script(BACK)

    def key(self, market: str, category: str) -> str:
        """Return the key of a list."""
        return key_of(market, category)

    def lock(self, key: str) -> str:
        """Return the key of a list's lease."""
        return f"{key}:lease"

    def get(self, market: str, category: str) -> Any:
        """Show what is fresh; load as the one who won the lease; show what is old; else wait."""
        key = self.key(market, category)
        until = time.time() + PATIENCE
        while True:
            entry = json.loads(self.env.redis.get(key) or "null")
            age = time.time() - entry["asked"] if entry else math.inf
            if age < self.fresh:
                return entry["list"]
            token = self.win(key)
            if token:
                return self.fill(key, token, market, category)
            if age < self.keep:
                return entry["list"]
            if time.time() > until:
                return self.give_up()
            time.sleep(self.poll)

    def give_up(self) -> Any:
        """Answer somebody who has waited long enough."""
        return LATER

    def win(self, key: str) -> str:
        """Return a token where the lease is ours, else nothing."""
        token = uuid.uuid4().hex
        return token if self.env.redis.set(self.lock(key), token, nx=True, ex=self.lease) else ""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load a list and store it, if the lease is still ours."""
        asked = time.time()
        found = load(self.env, market, category)
        entry = json.dumps({"asked": asked, "list": found})
        self.store(keys=[key, self.lock(key)], args=[token, entry, int(self.keep * 1000)])
        return found

    def purge(self, market: str, category: str) -> None:
        """Drop a list, and whatever is being loaded for it."""
        key = self.key(market, category)
        self.env.redis.delete(key, self.lock(key))


def app_of(kind: type[Leased]) -> Callable[[Any], Flask]:
    """Return a factory that serves one design."""

    def shop(env: Any) -> Flask:
        design = kind(env)
        return routes(design.get, design.purge)

    return shop


# -- wrong: many load


def unprotected(env: Any) -> Flask:
    """Who has read about keys, and not yet about herds."""

    def get(market: str, category: str) -> Any:
        key = key_of(market, category)
        found = env.redis.get(key)
        if found is None:
            found = json.dumps(load(env, market, category))
            env.redis.set(key, found, ex=60)
        return json.loads(found)

    return routes(get, lambda market, category: env.redis.delete(key_of(market, category)))


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: one lock, and a second look inside it; each process has its own."""
    lock = threading.Lock()

    def get(market: str, category: str) -> Any:
        key = key_of(market, category)
        found = env.redis.get(key)
        if found is None:
            with lock:
                found = env.redis.get(key)
                if found is None:
                    found = json.dumps(load(env, market, category))
                    env.redis.set(key, found, ex=60)
        return json.loads(found)

    return routes(get, lambda market, category: env.redis.delete(key_of(market, category)))


class Looked(Leased):
    """Who takes the lease in two steps: look whether somebody has it, then write."""

    def win(self, key: str) -> str:
        """Look, then take."""
        if self.env.redis.exists(self.lock(key)):
            return ""
        token = uuid.uuid4().hex
        self.env.redis.set(self.lock(key), token, ex=self.lease)
        return token


class Short(Leased):
    """Who sets the lease to a second: long for Redis, short for a load."""

    lease = 1


class Extending(Leased):
    """Who puts the old list back with a new date, so that others take it for fresh, and then loads."""

    def get(self, market: str, category: str) -> Any:
        """Show what is fresh; the first to find an old one makes it look fresh for a while."""
        key = self.key(market, category)
        entry = json.loads(self.env.redis.get(key) or "null")
        if entry and time.time() - entry["asked"] < self.fresh:
            return entry["list"]
        if entry:
            again = {"asked": time.time() - self.fresh + self.lease, "list": entry["list"]}
            self.env.redis.set(key, json.dumps(again), ex=self.keep)
            asked = time.time()
            found = load(self.env, market, category)
            self.env.redis.set(key, json.dumps({"asked": asked, "list": found}), ex=self.keep)
            return found
        return super().get(market, category)


class Returned(Leased):
    """Who gives the lease back: another has found nothing a moment before, takes it now, and does not look again."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load, store, give the lease back."""
        found = super().fill(key, token, market, category)
        self.back(keys=[self.lock(key)], args=[token])
        return found


class Back(Returned):
    """Who gives the lease back and looks again after taking it: right, and one more call to Redis."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load only if nobody has done so since the last look."""
        entry = json.loads(self.env.redis.get(key) or "null")
        if entry and time.time() - entry["asked"] < self.fresh:
            self.back(keys=[self.lock(key)], args=[token])
            return entry["list"]
        return super().fill(key, token, market, category)


class ReturnedByAnybody(Back):
    """Who gives the lease back by deleting it, whoever has it by now."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load, store, delete the lease."""
        found = super().fill(key, token, market, category)
        self.env.redis.delete(self.lock(key))
        return found


class OnceMore(Leased):
    """Who gives up waiting and loads without a lease: when it is slow, everybody does so at once."""

    def get(self, market: str, category: str) -> Any:
        """Wait half a second for a list that takes two."""
        key = self.key(market, category)
        for _ in range(3):
            entry = json.loads(self.env.redis.get(key) or "null")
            age = time.time() - entry["asked"] if entry else math.inf
            if age < self.fresh:
                return entry["list"]
            token = self.win(key)
            if token:
                return self.fill(key, token, market, category)
            if age < self.keep:
                return entry["list"]
            time.sleep(self.poll)
        return load(self.env, market, category)


# -- wrong: nobody loads


class ForEver(Back):
    """Who takes a lock as on a laptop: it is given back, so why should it end?"""

    def win(self, key: str) -> str:
        """Take a lease without an end."""
        token = uuid.uuid4().hex
        return token if self.env.redis.set(self.lock(key), token, nx=True) else ""


class TwoSteps(Leased):
    """Who takes the lease and sets its end in two commands: whoever dies between them keeps it for ever."""

    def win(self, key: str) -> str:
        """Take, then set the end."""
        token = uuid.uuid4().hex
        if not self.env.redis.setnx(self.lock(key), token):
            return ""
        self.env.redis.expire(self.lock(key), self.lease)
        return token


class Long(Leased):
    """Who is on the safe side: half a minute for a load of two seconds."""

    lease = 30


def advisory_lock(env: Any) -> Flask:
    """Who lets the database's session hold the lock: it falls with a process that dies, not with one that stands."""
    engine = env.database

    class Locked(Leased):
        def get(self, market: str, category: str) -> Any:
            key = self.key(market, category)
            until = time.time() + PATIENCE
            while True:
                entry = json.loads(env.redis.get(key) or "null")
                age = time.time() - entry["asked"] if entry else math.inf
                if age < self.fresh:
                    return entry["list"]
                with engine.connect() as db:
                    mine = {"key": key}
                    if db.execute(text("SELECT pg_try_advisory_lock(hashtext(:key))"), mine).scalar():
                        try:
                            if json.loads(env.redis.get(key) or "null") != entry:
                                continue
                            token = uuid.uuid4().hex
                            env.redis.set(self.lock(key), token, ex=self.lease)
                            return self.fill(key, token, market, category)
                        finally:
                            db.execute(text("SELECT pg_advisory_unlock(hashtext(:key))"), mine)
                if age < self.keep:
                    return entry["list"]
                if time.time() > until:
                    return LATER
                time.sleep(self.poll)

    design = Locked(env)
    return routes(design.get, design.purge)


# -- wrong: everybody waits


class OneDate(Leased):
    """Who has a lease for the fleet and no old list: Redis deletes it when the minute is over."""

    keep = FRESH


class Patient(Leased):
    """Who lets all others wait for the new list, though the old one is there."""

    def get(self, market: str, category: str) -> Any:
        """Wait for whoever loads, old list or not."""
        key = self.key(market, category)
        until = time.time() + PATIENCE
        while time.time() < until:
            entry = json.loads(self.env.redis.get(key) or "null")
            if entry and time.time() - entry["asked"] < self.fresh:
                return entry["list"]
            token = self.win(key)
            if token:
                return self.fill(key, token, market, category)
            time.sleep(self.poll)
        return LATER


class Endless(Leased):
    """Who waits until there is a list, whoever brings it: here, for as long as a lease of 9 s lasts."""

    lease = 9

    def give_up(self) -> Any:
        """Go on waiting."""
        time.sleep(self.lease)
        return LATER


class Global(Back):
    """Who has one lease for everything: lists wait for each other."""

    def lock(self, key: str) -> str:
        """Return one name for all."""
        return "top-lease"


# -- wrong: nobody is shown anything


class Impatient(Leased):
    """Who answers at once, whatever there is: with no list, that is 503."""

    def get(self, market: str, category: str) -> Any:
        """Never wait."""
        key = self.key(market, category)
        entry = json.loads(self.env.redis.get(key) or "null")
        age = time.time() - entry["asked"] if entry else math.inf
        if age < self.fresh:
            return entry["list"]
        token = self.win(key)
        if token:
            return self.fill(key, token, market, category)
        return entry["list"] if age < self.keep else LATER


class Failing(Leased):
    """Who lets the waiting end in an error of its own."""

    lease = 9

    def give_up(self) -> Any:
        """Say that something went wrong."""
        return {"error": "no list"}, 500


class Silent(Leased):
    """Who forgets to say when to come back."""

    lease = 9

    def give_up(self) -> Any:
        """Say 503, and no more."""
        return {"error": "try again"}, 503


# -- wrong: old lists


class TwoMinutes(Leased):
    """Who reads «may be shown for two minutes» and makes that the time to live."""

    fresh = FRESH + GRACE


class NoEnd(Leased):
    """Who keeps the old list for bad days, and forgets that it gets older than that."""

    keep = 24 * 60 * 60


class TenSeconds(Leased):
    """Who is afraid of old lists, and loads six times as often."""

    fresh = 10


# -- wrong: keys and purges


class Hyphens(Leased):
    """Who joins parts by a sign that they may hold: de-at/tea and de/at-tea are one key."""

    def key(self, market: str, category: str) -> str:
        """Return a key whose parts run into each other."""
        return f"top-{market}-{category}"


class NoMarket(Leased):
    """Who began with one market and forgot the key when the second one came."""

    def key(self, market: str, category: str) -> str:
        """Return the category's key."""
        return f"top:{category}"


class Flushing(Leased):
    """Who purges by emptying the cache, for it works."""

    def purge(self, market: str, category: str) -> None:
        """Drop everything."""
        self.env.redis.flushdb()


class Prefix(Leased):
    """Who deletes what begins with the key, to get its lease as well: de:tea is the beginning of de:tea-pots."""

    def purge(self, market: str, category: str) -> None:
        """Drop by pattern."""
        for key in self.env.redis.scan_iter(match=f"{self.key(market, category)}*"):
            self.env.redis.delete(key)


class Unfenced(Leased):
    """Who purges the list, while another instance has the old one in its hands and stores it a second later."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load and store, whatever has happened meanwhile."""
        asked = time.time()
        found = load(self.env, market, category)
        self.env.redis.set(key, json.dumps({"asked": asked, "list": found}), ex=self.keep)
        return found


class Named(Leased):
    """Who writes the instance's name into the lease: after a purge the same name stands there for another load."""

    def win(self, key: str) -> str:
        """Take the lease under the instance's name."""
        name = self.env.name
        return name if self.env.redis.set(self.lock(key), name, nx=True, ex=self.lease) else ""


class Compared(Leased):
    """Who looks at the lease and then stores: the purge comes between the two."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load; look; store."""
        asked = time.time()
        found = load(self.env, market, category)
        if self.env.redis.get(self.lock(key)) == token:
            self.env.redis.set(key, json.dumps({"asked": asked, "list": found}), ex=self.keep)
        return found


class ListFirst(Leased):
    """Who purges the list and then its lease: in between the loader stores what it has."""

    def purge(self, market: str, category: str) -> None:
        """Drop the list, then the lease."""
        key = self.key(market, category)
        self.env.redis.delete(key)
        self.env.redis.delete(self.lock(key))


class OldOne(Leased):
    """Who makes a purged list old, so that nobody has to wait: it is shown once more."""

    def purge(self, market: str, category: str) -> None:
        """Make the list a minute old."""
        key = self.key(market, category)
        entry = json.loads(self.env.redis.get(key) or "null")
        if entry:
            entry["asked"] = time.time() - self.fresh
            self.env.redis.set(key, json.dumps(entry), ex=self.keep)
        self.env.redis.delete(self.lock(key))


class Copied(Leased):
    """Who keeps a copy in each instance for five seconds: a purge does not reach it."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.copies: dict[str, tuple[Any, float]] = {}

    def get(self, market: str, category: str) -> Any:
        """Show the copy; else ask as ever."""
        key = self.key(market, category)
        copy, until = self.copies.get(key, (None, 0.0))
        if time.time() >= until:
            copy = super().get(market, category)
            if copy is not LATER:
                self.copies[key] = copy, time.time() + 5
        return copy


class LeaseLeft(Leased):
    """Who checks the lease on storing, and purges the list alone: the lease of the old load is still good."""

    def purge(self, market: str, category: str) -> None:
        """Drop the list alone."""
        self.env.redis.delete(self.key(market, category))


class TwoKeys(Leased):
    """Who lets Redis do the counting: one key ends with the minute, a copy for bad days a minute later."""

    def get(self, market: str, category: str) -> Any:
        """Show the first key; load, or show the copy."""
        key = self.key(market, category)
        until = time.time() + PATIENCE
        while True:
            found, old = self.env.redis.mget(key, f"{key}:old")
            if found:
                return json.loads(found)
            token = self.win(key)
            if token:
                return self.fill(key, token, market, category)
            if old:
                return json.loads(old)
            if time.time() > until:
                return LATER
            time.sleep(self.poll)

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Store the list and its copy, under WATCH, each until its own second."""
        asked = int(time.time())
        found = load(self.env, market, category)
        with self.env.redis.pipeline() as pipe, suppress(redis.WatchError):
            pipe.watch(self.lock(key))
            if pipe.get(self.lock(key)) == token:
                pipe.multi()
                pipe.set(key, json.dumps(found), exat=asked + self.fresh)
                pipe.set(f"{key}:old", json.dumps(found), exat=asked + self.keep)
                pipe.execute()
        return found


class CopyLeft(TwoKeys):
    """Who purges the first key and the lease; the copy for bad days is found by the next one who loses."""


class AllKeys(TwoKeys):
    """Who purges all three."""

    def purge(self, market: str, category: str) -> None:
        """Drop the list, its copy and its lease."""
        key = self.key(market, category)
        self.env.redis.delete(key, f"{key}:old", self.lock(key))


# -- right


class Watched(Leased):
    """Who compares the lease and stores under WATCH, in Python."""

    def fill(self, key: str, token: str, market: str, category: str) -> Any:
        """Load; store if nobody has touched the lease between the look and the write."""
        asked = time.time()
        found = load(self.env, market, category)
        with self.env.redis.pipeline() as pipe, suppress(redis.WatchError):
            pipe.watch(self.lock(key))
            if pipe.get(self.lock(key)) == token:
                pipe.multi()
                pipe.set(key, json.dumps({"asked": asked, "list": found}), ex=self.keep)
                pipe.execute()
        return found


class Background(Leased):
    """Who lets nobody wait while there is an old list: a thread loads."""

    def get(self, market: str, category: str) -> Any:
        """Show what there is, and load beside it."""
        key = self.key(market, category)
        entry = json.loads(self.env.redis.get(key) or "null")
        age = time.time() - entry["asked"] if entry else math.inf
        if self.fresh <= age < self.keep:
            token = self.win(key)
            if token:
                threading.Thread(target=self.fill, args=(key, token, market, category), daemon=True).start()
            return entry["list"]
        return super().get(market, category)


class Early(Leased):
    """Who loads before the end with a chance that grows towards it (Vattani et al., 2015), under the lease."""

    def get(self, market: str, category: str) -> Any:
        """Now and then, take a list for old that is not."""
        key = self.key(market, category)
        entry = json.loads(self.env.redis.get(key) or "null")
        if entry:
            age = time.time() - entry["asked"] - 2 * math.log(1 - random.random())
            token = self.win(key) if self.fresh <= age < self.keep else ""
            if token:
                return self.fill(key, token, market, category)
        return super().get(market, category)


def generations(env: Any) -> Flask:
    """Who puts a number into the key, so that a purge is one INCR, and takes redis-py's Lock for the lease."""
    return numbered(env)


def counted_by_redis(env: Any) -> Flask:
    """Who tells the age by what is left of the time to live: a loader that stood still brings an old list as new."""
    return numbered(env, by_redis=True)


def numbered(env: Any, by_redis: bool = False) -> Flask:
    """Return an app whose keys hold a number; the age counts from the question, or from when Redis got the list."""
    r = env.redis

    def get(market: str, category: str) -> Any:
        until = time.time() + PATIENCE
        while True:
            number = r.get(f"generation:{market}:{category}") or "0"
            key = f"top:{market}:{category}:{number}"
            body = r.get(key)
            entry = json.loads(body or "null")
            left = r.ttl(key) if by_redis else entry["asked"] + FRESH + GRACE - time.time() if entry else 0
            if left > GRACE:
                return entry["list"]
            lock = r.lock(f"{key}:lease", timeout=LEASE)
            if lock.acquire(blocking=False):
                try:
                    if r.get(key) != body:
                        continue  # somebody was faster between the look and the lock
                    asked = time.time()
                    found = load(env, market, category)
                    end = {"ex": FRESH + GRACE} if by_redis else {"exat": int(asked) + FRESH + GRACE}
                    r.set(key, json.dumps({"asked": asked, "list": found}), **end)
                    return found
                finally:
                    with suppress(LockError):  # it has ended meanwhile, and somebody else has it
                        lock.release()
            if left > 0:
                return entry["list"]
            if time.time() > until:
                return LATER
            time.sleep(0.3)

    return routes(get, lambda market, category: r.incr(f"generation:{market}:{category}"))


def rows(env: Any) -> Flask:
    """Who has no Redis: a row a list, the lease in two of its columns; each statement is a transaction of its own."""
    return table(env, env.database.execution_options(isolation_level="AUTOCOMMIT"))


def open_transaction(env: Any) -> Flask:
    """Who commits a moment after the statement: an instance that stands still in between keeps the row locked."""
    return table(env, env.database)


def table(env: Any, engine: Any) -> Flask:
    """Return an app whose cache is a table."""
    with engine.begin() as db:
        columns = "market TEXT, category TEXT, list TEXT, asked FLOAT, token TEXT, until FLOAT"
        db.execute(text(f"CREATE TABLE IF NOT EXISTS lists ({columns}, PRIMARY KEY (market, category))"))
    take = text(
        "INSERT INTO lists (market, category, asked, token, until) VALUES (:market, :category, 0, :token, :until) "
        "ON CONFLICT (market, category) DO UPDATE SET token = :token, until = :until WHERE lists.until < :now"
    )
    fill = text(
        "UPDATE lists SET list = :list, asked = :now WHERE market = :market AND category = :category AND token = :token"
    )
    look = text("SELECT list, asked FROM lists WHERE market = :market AND category = :category")
    drop = text("DELETE FROM lists WHERE market = :market AND category = :category")

    def run(sql: Any, **values: Any) -> Any:
        with engine.begin() as db:
            result = db.execute(sql, values)
            return result.first() if result.returns_rows else result.rowcount

    def get(market: str, category: str) -> Any:
        name = {"market": market, "category": category}
        give_up = time.time() + PATIENCE
        while True:
            now, token = time.time(), uuid.uuid4().hex
            row = run(look, **name)
            age = now - row.asked if row and row.list else math.inf
            if age < FRESH:
                return json.loads(row.list)
            if run(take, **name, token=token, until=now + LEASE, now=now):
                found = load(env, market, category)
                run(fill, **name, list=json.dumps(found), now=now, token=token)
                return found
            if age < FRESH + GRACE:
                return json.loads(row.list)
            if now > give_up:
                return LATER
            time.sleep(0.5)

    return routes(get, lambda market, category: run(drop, market=market, category=category))


class Jittered(Leased):
    """Who lets lists that were loaded together grow old one after the other."""

    @property
    def fresh(self) -> float:  # type: ignore[override]
        """A little less than a minute, another time each."""
        return FRESH * random.uniform(0.92, 1)


class LeaseFirst(Leased):
    """Who purges with two commands in the right order: first nobody can store, then nothing is left."""

    def purge(self, market: str, category: str) -> None:
        """Drop the lease, then the list."""
        key = self.key(market, category)
        self.env.redis.delete(self.lock(key))
        self.env.redis.delete(key)


class Eager(Leased):
    """Who looks every 50 ms for what others load."""

    poll = 0.05


class Lap(Leased):
    """Who lets one a process come through to the lease of the fleet: both locks."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.locks: dict[str, threading.Lock] = {}

    def win(self, key: str) -> str:
        """Ask Redis only where nobody in this process is about to."""
        lock = self.locks.setdefault(key, threading.Lock())
        if not lock.acquire(blocking=False):
            return ""
        try:
            return super().win(key)
        finally:
            lock.release()


STUB = (stub, "S11_4-HERD")

WRONG = {
    "unprotected": (unprotected, "S11_4-HERD"),
    "local_lock": (local_lock, "S11_4-HERD"),
    "looked": (app_of(Looked), "S11_4-HERD"),
    "short": (app_of(Short), "S11_4-HERD"),
    "extending": (app_of(Extending), "S11_4-HERD"),
    "returned": (app_of(Returned), "S11_4-HERD"),
    "returned_by_anybody": (app_of(ReturnedByAnybody), "S11_4-HERD"),
    "once_more": (app_of(OnceMore), "S11_4-HERD"),
    "for_ever": (app_of(ForEver), "S11_4-STUCK"),
    "two_steps": (app_of(TwoSteps), "S11_4-STUCK"),
    "long": (app_of(Long), "S11_4-STUCK"),
    "advisory_lock": (advisory_lock, "S11_4-STUCK"),
    "open_transaction": (open_transaction, "S11_4-STUCK"),
    "one_date": (app_of(OneDate), "S11_4-WAITS"),
    "patient": (app_of(Patient), "S11_4-WAITS"),
    "endless": (app_of(Endless), "S11_4-WAITS"),
    "global": (app_of(Global), "S11_4-WAITS"),
    "impatient": (app_of(Impatient), "S11_4-REFUSED"),
    "failing": (app_of(Failing), "S11_4-REFUSED"),
    "silent": (app_of(Silent), "S11_4-NO-RETRY-AFTER"),
    "two_minutes": (app_of(TwoMinutes), "S11_4-NEVER-REFRESHED"),
    "no_end": (app_of(NoEnd), "S11_4-TOO-OLD"),
    "counted_by_redis": (counted_by_redis, "S11_4-TOO-OLD"),
    "ten_seconds": (app_of(TenSeconds), "S11_4-NOT-CACHED"),
    "hyphens": (app_of(Hyphens), "S11_4-WRONG-LIST"),
    "no_market": (app_of(NoMarket), "S11_4-WRONG-LIST"),
    "flushing": (app_of(Flushing), "S11_4-PURGED-OTHERS"),
    "prefix": (app_of(Prefix), "S11_4-PURGED-OTHERS"),
    "unfenced": (app_of(Unfenced), "S11_4-NOT-PURGED"),
    "named": (app_of(Named), "S11_4-NOT-PURGED"),
    "compared": (app_of(Compared), "S11_4-NOT-PURGED"),
    "list_first": (app_of(ListFirst), "S11_4-NOT-PURGED"),
    "old_one": (app_of(OldOne), "S11_4-NOT-PURGED"),
    "copied": (app_of(Copied), "S11_4-NOT-PURGED"),
    "lease_left": (app_of(LeaseLeft), "S11_4-NOT-PURGED"),
    "copy_left": (app_of(CopyLeft), "S11_4-NOT-PURGED"),
}

RIGHT = {
    "leased": app_of(Leased),
    "watched": app_of(Watched),
    "background": app_of(Background),
    "early": app_of(Early),
    "given_back": app_of(Back),
    "all_keys": app_of(AllKeys),
    "generations": generations,
    "rows": rows,
    "jittered": app_of(Jittered),
    "lease_first": app_of(LeaseFirst),
    "eager": app_of(Eager),
    "both_locks": app_of(Lap),
}

REPLAYED = "looked"
