"""Answers to 11_2.write_behind: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask, request
from sqlalchemy import text

UPSERT = """
INSERT INTO drafts (name, body, seq) VALUES (:name, :body, :seq)
ON CONFLICT (name) DO UPDATE SET body = excluded.body, seq = excluded.seq"""
NEWER = UPSERT + " WHERE drafts.seq < excluded.seq"


def store(env: Any, name: str, body: str, seq: int = 0, statement: str = UPSERT) -> None:
    """Write a draft to the database."""
    with env.database.begin() as db:
        db.execute(text(statement), {"name": name, "body": body, "seq": seq})


def in_the_database(env: Any, name: str) -> str:
    """Return a draft as the database has it."""
    with env.database.connect() as db:
        return db.execute(text("SELECT body FROM drafts WHERE name = :name"), {"name": name}).scalar() or ""


def serve(save: Callable[[str, str], Any], load: Callable[[str], Any]) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("editor")

    @app.put("/draft/<name>")
    def put(name: str) -> Any:
        save(name, request.json["body"])
        return {}

    @app.get("/draft/<name>")
    def get(name: str) -> Any:
        return {"body": load(name)}

    return app


def stub(env: Any) -> Flask:
    """The text is in Redis; that it must still be written is known to one instance alone."""
    waiting: dict[str, str] = {}

    @env.every(5)
    def write() -> None:
        for name, body in list(waiting.items()):
            store(env, name, body)
            del waiting[name]

    def save(name: str, body: str) -> None:
        env.redis.set(f"draft:{name}", body)
        waiting[name] = body

    return serve(save, lambda name: env.redis.get(f"draft:{name}"))


# -- wrong: what was acknowledged is lost


def written_at_the_end(env: Any) -> Flask:
    """Who writes when the instance is told to stop, too: a crash tells nobody."""
    waiting: dict[str, str] = {}

    def write() -> None:
        while waiting:
            name, body = waiting.popitem()
            store(env, name, body)

    env.every(5)(write)
    env.on_stop(write)

    def save(name: str, body: str) -> None:
        env.redis.set(f"draft:{name}", body)
        waiting[name] = body

    return serve(save, lambda name: env.redis.get(f"draft:{name}"))


def acknowledged_before_durable(env: Any) -> Flask:
    """Who lets a thread tell Redis what is to be written: the answer is out before."""
    dirty_writer(env)
    save = saving(env)

    def save_later(name: str, body: str) -> None:
        env.redis.hset(f"draft:{name}", "body", body)
        threading.Thread(target=save, args=(name, body)).start()

    return serve(save_later, lambda name: env.redis.hget(f"draft:{name}", "body"))


def popped(env: Any) -> Flask:
    """Who takes from the queue and then writes: in between the only record is in the memory of one instance."""

    @env.every(5)
    def write() -> None:
        while name := env.redis.spop("dirty"):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), NEWER)

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def put_back_on_error(env: Any) -> Flask:
    """Who puts back what could not be written: a crash puts nothing back."""

    @env.every(5)
    def write() -> None:
        for name in [env.redis.spop("dirty")]:
            if name is not None:
                body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
                try:
                    store(env, name, body, int(seq), NEWER)
                except Exception:
                    env.redis.sadd("dirty", name)

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def renamed(env: Any) -> Flask:
    """Who moves all marks aside, writes and deletes them: what a dead instance has moved, nobody looks at."""

    @env.every(5)
    def write() -> None:
        mine = f"dirty:{env.name}"
        try:
            env.redis.rename("dirty", mine)
        except redis.ResponseError:
            return
        for name in sorted(env.redis.smembers(mine)):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), NEWER)
        env.redis.delete(mine)

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def group_without_claim(env: Any) -> Flask:
    """Who uses a consumer group and never asks for what a dead consumer was handed."""
    return streaming(env, claim=False)


def first_instance_writes(env: Any) -> Flask:
    """Who avoids all races: editor-1 writes. Until it is gone."""
    if env.name == "editor-1":
        dirty_writer(env)
    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def loop_of_its_own(env: Any) -> Flask:
    """Who writes in an endless loop: its first error is its end."""
    write = writing(env)

    def loop() -> None:
        while True:
            time.sleep(5)
            write()

    threading.Thread(target=loop, daemon=True).start()
    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def entries_end(env: Any) -> Flask:
    """Who gives cached drafts a minute, as all cached things: this one is the only copy."""
    clean = env.redis.register_script(CLEAN)
    save = saving(env)

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            if body is not None:
                store(env, name, body, int(seq), NEWER)
            clean(keys=["dirty", f"draft:{name}"], args=[name, seq or ""])

    def save_for_a_while(name: str, body: str) -> None:
        save(name, body)
        env.redis.expire(f"draft:{name}", 60)

    def load(name: str) -> Any:
        return env.redis.hget(f"draft:{name}", "body") or in_the_database(env, name)

    return serve(save_for_a_while, load)


# -- wrong: an old text wins


def no_order(env: Any) -> Flask:
    """Who writes whatever comes: the slower of two instances comes last, with the older text."""
    dirty_writer(env, statement=UPSERT)
    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def forgets_too_much(env: Any) -> Flask:
    """Who takes the mark away after writing, whatever has been saved meanwhile."""

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), NEWER)
            env.redis.srem("dirty", name)

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def number_before_text(env: Any) -> Flask:
    """Who counts up and saves in two commands: in between the old text is written under the new number."""
    dirty_writer(env)

    def save(name: str, body: str) -> None:
        env.redis.hincrby(f"draft:{name}", "seq", 1)
        env.redis.pipeline().hset(f"draft:{name}", "body", body).sadd("dirty", name).execute()

    return serve(save, lambda name: env.redis.hget(f"draft:{name}", "body"))


def one_writer_by_lock(env: Any) -> Flask:
    """Who lets one instance at a time write, by a lock: it ends while its holder stands still, who then writes."""
    write = writing(env, statement=UPSERT)

    @env.every(5)
    def write_alone() -> None:
        lock = env.redis.lock("writer", timeout=30)
        if lock.acquire(blocking=False):
            write()
            lock.release()

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def replayed_in_any_order(env: Any) -> Flask:
    """Who replays a stream without order: what is claimed from another comes after what is newer."""
    return streaming(env, statement=UPSERT)


def clock_as_a_number(env: Any) -> Flask:
    """Who numbers the texts by the time of day: the clocks of two instances differ."""
    dirty_writer(env)

    def save(name: str, body: str) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"draft:{name}", mapping={"body": body, "seq": int(time.time() * 1000)}).sadd("dirty", name)
            pipe.execute()

    return serve(save, lambda name: env.redis.hget(f"draft:{name}", "body"))


def compared_in_python(env: Any) -> Flask:
    """Who looks at the number in the database, and then writes: it stands still between the two."""
    clean = env.redis.register_script(CLEAN)

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            with env.database.connect() as db:
                known = db.execute(text("SELECT seq FROM drafts WHERE name = :name"), {"name": name}).scalar()
            if known is None or known < int(seq):
                store(env, name, body, int(seq))
            clean(keys=["dirty", f"draft:{name}"], args=[name, seq])

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def read_apart(env: Any) -> Flask:
    """Who reads text and number in two commands: between them both change, and the old text has the new number."""
    clean = env.redis.register_script(CLEAN)

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body = env.redis.hget(f"draft:{name}", "body")
            seq = env.redis.hget(f"draft:{name}", "seq")
            store(env, name, body, int(seq), NEWER)
            clean(keys=["dirty", f"draft:{name}"], args=[name, seq])

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


# -- wrong: what is shown


def shows_the_database(env: Any) -> Flask:
    """Who reads from the database, which hears of a text seconds later."""
    dirty_writer(env)
    return serve(saving(env), lambda name: in_the_database(env, name))


def shown_from_memory(env: Any) -> Flask:
    """Who keeps the text in memory and a queue in Redis: the other instance shows another text."""
    texts: dict[str, str] = {}
    dirty_writer(env)
    save = saving(env)

    def save_here(name: str, body: str) -> None:
        save(name, body)
        texts[name] = body

    return serve(save_here, lambda name: texts.get(name) or env.redis.hget(f"draft:{name}", "body"))


def queue_and_text_apart(env: Any) -> Flask:
    """Who queues the text and then shows it: two savers come into the queue and onto the page in different orders."""

    def save(name: str, body: str) -> None:
        seq = env.redis.incr("seq")
        env.redis.rpush("queue", json.dumps([name, body, seq]))
        env.redis.set(f"draft:{name}", body)

    queue_writer(env)
    return serve(save, lambda name: env.redis.get(f"draft:{name}"))


# -- wrong: not behind, or for ever


def write_through(env: Any) -> Flask:
    """Who writes to both in the request: nothing is lost, and without a database nobody can save (an over-fix)."""

    def save(name: str, body: str) -> None:
        seq = env.redis.incr("seq")
        store(env, name, body, seq, NEWER)
        env.redis.set(f"draft:{name}", body)

    return serve(save, lambda name: env.redis.get(f"draft:{name}"))


def queue_as_a_fallback(env: Any) -> Flask:
    """Who tries the database first: it does not answer, and neither does the shop."""
    dirty_writer(env)
    save = saving(env)

    def try_first(name: str, body: str) -> None:
        save(name, body)
        try:
            seq = int(env.redis.hget(f"draft:{name}", "seq"))
            store(env, name, body, seq, NEWER)
        except Exception:
            return

    return serve(try_first, lambda name: env.redis.hget(f"draft:{name}", "body"))


def marks_left(env: Any) -> Flask:
    """Who leaves the marks, for writing twice does no harm: every draft of all times is written every 5 s."""

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), NEWER)

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def never_trimmed(env: Any) -> Flask:
    """Who acknowledges entries of a stream and leaves them there."""
    return streaming(env, trim=False)


def refuses_while_unwritten(env: Any) -> Flask:
    """Who keeps the order by taking one text at a time: save again when the last one is written (an over-fix)."""
    app = serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))
    dirty_writer(env)

    @app.before_request
    def one_at_a_time() -> Any:
        if request.method == "PUT" and env.redis.sismember("dirty", request.path.rsplit("/", 1)[-1]):
            return {"error": "the last text is not written yet"}, 409
        return None

    return app


# -- right

CLEAN = """
if redis.call('HGET', KEYS[2], 'seq') == ARGV[2] then redis.call('SREM', KEYS[1], ARGV[1]) end
"""


def saving(env: Any) -> Callable[[str, str], None]:
    """Return what saves text, number and mark in one transaction."""

    def save(name: str, body: str) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"draft:{name}", "body", body).hincrby(f"draft:{name}", "seq", 1).sadd("dirty", name)
            pipe.execute()

    return save


def writing(env: Any, statement: str = NEWER) -> Callable[[], None]:
    """Return what writes all marked drafts, and takes the mark of each that was not saved again meanwhile."""
    clean = env.redis.register_script(CLEAN)

    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), statement)
            clean(keys=["dirty", f"draft:{name}"], args=[name, seq])

    return write


def dirty_writer(env: Any, statement: str = NEWER) -> None:
    """Let an instance write all marked drafts every five seconds."""
    env.every(5)(writing(env, statement))


def marked(env: Any) -> Flask:
    """Text, number and mark change together; the database takes newer texts only; the mark of the written one goes."""
    dirty_writer(env)
    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def queue_writer(env: Any) -> None:
    """Let an instance write the head of a list, and then remove it, until nothing is left."""

    @env.every(5)
    def write() -> None:
        while entry := env.redis.lindex("queue", 0):
            name, body, seq = json.loads(entry)
            store(env, name, body, seq, NEWER)
            env.redis.lrem("queue", 1, entry)


SAVE = """
local seq = redis.call('INCR', 'seq')
redis.call('SET', KEYS[1], ARGV[2])
redis.call('RPUSH', 'queue', cjson.encode({ARGV[1], ARGV[2], seq}))
"""


def queued(env: Any) -> Flask:
    """A list of texts, each with its number; the head is removed once it is written."""
    script = env.redis.register_script(SAVE)
    queue_writer(env)
    return serve(
        lambda name, body: script(keys=[f"draft:{name}"], args=[name, body]),
        lambda name: env.redis.get(f"draft:{name}"),
    )


def streaming(env: Any, claim: bool = True, statement: str = NEWER, trim: bool = True) -> Flask:
    """A stream and a consumer group; what a dead instance was handed is claimed by another after ten seconds."""
    with contextlib.suppress(redis.ResponseError):
        env.redis.xgroup_create("saves", "writers", id="0", mkstream=True)

    def entries() -> list[Any]:
        if claim and (found := env.redis.xautoclaim("saves", "writers", env.name, 10_000)[1]):
            return list(found)
        fresh = env.redis.xreadgroup("writers", env.name, {"saves": ">"}, count=10)
        return list(fresh[0][1]) if fresh else []

    @env.every(5)
    def write() -> None:
        while found := entries():
            for entry, fields in found:
                milliseconds, _, number = entry.partition("-")
                seq = int(milliseconds) * 1_000_000 + int(number)
                store(env, fields["name"], fields["body"], seq, statement)
                with env.redis.pipeline(transaction=True) as pipe:
                    pipe.xack("saves", "writers", entry)
                    if trim:
                        pipe.xdel("saves", entry)
                    pipe.execute()

    def save(name: str, body: str) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.xadd("saves", {"name": name, "body": body}).set(f"draft:{name}", body).execute()

    return serve(save, lambda name: env.redis.get(f"draft:{name}"))


def sorted_marks(env: Any) -> Flask:
    """Marks with a number each, in a sorted set; a mark goes if its number is still the one that was read."""
    done = "if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end"
    script = env.redis.register_script(done)

    @env.every(5)
    def write() -> None:
        for name, score in env.redis.zrange("dirty", 0, -1, withscores=True):
            body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
            store(env, name, body, int(seq), NEWER)
            script(keys=["dirty"], args=[name, str(int(score))])

    def save(name: str, body: str) -> None:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"draft:{name}", "body", body).hincrby(f"draft:{name}", "seq", 1).zincrby("dirty", 1, name)
            pipe.execute()

    return serve(save, lambda name: env.redis.hget(f"draft:{name}", "body"))


def number_written(env: Any) -> Flask:
    """No queue: beside each draft stands the number that was written last, and all drafts are looked at."""

    @env.every(5)
    def write() -> None:
        for key in sorted(env.redis.scan_iter("draft:*")):
            body, seq, written = env.redis.hmget(key, "body", "seq", "written")
            if seq != written:
                store(env, key.partition(":")[2], body, int(seq), NEWER)
                env.redis.hset(key, "written", seq)

    def save(name: str, body: str) -> None:
        env.redis.pipeline().hset(f"draft:{name}", "body", body).hincrby(f"draft:{name}", "seq", 1).execute()

    return serve(save, lambda name: env.redis.hget(f"draft:{name}", "body"))


def watched(env: Any) -> Flask:
    """WATCH in place of Lua: the mark goes unless the draft has been touched."""

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            with env.redis.pipeline() as pipe, contextlib.suppress(redis.WatchError):
                pipe.watch(f"draft:{name}")
                body, seq = pipe.hmget(f"draft:{name}", "body", "seq")
                store(env, name, body, int(seq), NEWER)
                pipe.multi()
                pipe.srem("dirty", name)
                pipe.execute()

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


def streamed(env: Any) -> Flask:
    """The same by a stream, whose ids are the order."""
    return streaming(env)


def under_a_row_lock(env: Any) -> Flask:
    """No number: who holds the row's lock reads the newest text, so that nobody writes an older one after it."""
    lock = "SELECT body FROM drafts WHERE name = :name FOR UPDATE"
    row = "INSERT INTO drafts (name, body) VALUES (:name, '') ON CONFLICT (name) DO NOTHING"
    clean = env.redis.register_script(CLEAN)

    @env.every(5)
    def write() -> None:
        for name in sorted(env.redis.smembers("dirty")):
            with env.database.begin() as db:
                db.execute(text(row), {"name": name})
                db.execute(text(lock), {"name": name})
                body, seq = env.redis.hmget(f"draft:{name}", "body", "seq")
                db.execute(text("UPDATE drafts SET body = :body WHERE name = :name"), {"name": name, "body": body})
            clean(keys=["dirty", f"draft:{name}"], args=[name, seq])

    return serve(saving(env), lambda name: env.redis.hget(f"draft:{name}", "body"))


STUB = (stub, "S11_2-LOST-WRITE")

WRONG = {
    "written_at_the_end": (written_at_the_end, "S11_2-LOST-WRITE"),
    "acknowledged_before_durable": (acknowledged_before_durable, "S11_2-LOST-WRITE"),
    "popped": (popped, "S11_2-LOST-WRITE"),
    "put_back_on_error": (put_back_on_error, "S11_2-LOST-WRITE"),
    "renamed": (renamed, "S11_2-LOST-WRITE"),
    "group_without_claim": (group_without_claim, "S11_2-LOST-WRITE"),
    "first_instance_writes": (first_instance_writes, "S11_2-LOST-WRITE"),
    "loop_of_its_own": (loop_of_its_own, "S11_2-LOST-WRITE"),
    "entries_end": (entries_end, "S11_2-LOST-WRITE"),
    "no_order": (no_order, "S11_2-OLD-WINS"),
    "forgets_too_much": (forgets_too_much, "S11_2-OLD-WINS"),
    "number_before_text": (number_before_text, "S11_2-OLD-WINS"),
    "one_writer_by_lock": (one_writer_by_lock, "S11_2-OLD-WINS"),
    "replayed_in_any_order": (replayed_in_any_order, "S11_2-OLD-WINS"),
    "clock_as_a_number": (clock_as_a_number, "S11_2-OLD-WINS"),
    "compared_in_python": (compared_in_python, "S11_2-OLD-WINS"),
    "read_apart": (read_apart, "S11_2-OLD-WINS"),
    "shows_the_database": (shows_the_database, "S11_2-OLD-DRAFT"),
    "shown_from_memory": (shown_from_memory, "S11_2-OLD-DRAFT"),
    "queue_and_text_apart": (queue_and_text_apart, "S11_2-SHOWS-ANOTHER"),
    "write_through": (write_through, "S11_2-NOT-BEHIND"),
    "queue_as_a_fallback": (queue_as_a_fallback, "S11_2-NOT-BEHIND"),
    "marks_left": (marks_left, "S11_2-GROWS"),
    "never_trimmed": (never_trimmed, "S11_2-GROWS"),
    "refuses_while_unwritten": (refuses_while_unwritten, "S11_2-UNANSWERED"),
}

RIGHT = {
    "marked": marked,
    "queued": queued,
    "streamed": streamed,
    "under_a_row_lock": under_a_row_lock,
    "sorted_marks": sorted_marks,
    "number_written": number_written,
    "watched": watched,
}

REPLAYED = "no_order"
