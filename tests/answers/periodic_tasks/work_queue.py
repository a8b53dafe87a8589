"""Answers to 08.work_queue: the stub, what people really write, and what is right."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import redis
import sqlalchemy as sa
from flask import Flask, request

HOLD = 60
"""For how many seconds a job belongs to whoever took it."""


def worth(env: Any, job: dict[str, str]) -> int:
    """Find out how many points a job brings: this takes a second, and fails for an amount that is no number."""
    env.work(1)
    return int(job["amount"])


def serve(
    post: Callable[[dict[str, str]], Any], points: Callable[[str], int], failed: Callable[[], list[str]]
) -> Flask:
    """Return an app with the three routes of the contract."""
    app = Flask("shop")

    @app.post("/jobs")
    def accept() -> Any:
        for job in request.json:
            post(job)
        return {"accepted": len(request.json)}, 202

    @app.get("/points/<user>")
    def show(user: str) -> Any:
        return {"points": points(user)}

    @app.get("/failed")
    def aside() -> Any:
        return {"failed": failed()}

    return app


def stub(env: Any) -> Flask:
    """The queue is a list in the memory of the instance that accepted the job."""
    app = Flask("shop")
    queue = []

    @app.post("/jobs")
    def accept():
        queue.extend(request.json)
        return {"accepted": len(request.json)}, 202

    @env.every(10)
    def work():
        while queue:
            job = queue.pop(0)
            env.redis.hincrby("points", job["user"], worth(env, job))

    @app.get("/points/<user>")
    def points(user):
        return {"points": int(env.redis.hget("points", user) or 0)}

    @app.get("/failed")
    def failed():
        return {"failed": []}

    return app


# -- a queue on a stream, with parts to choose


class Streamed:
    """A stream with a group, a ledger with one field a job, and jobs that are put aside."""

    def __init__(self, env: Any, start: str = "0", **trim: Any) -> None:
        self.env, self.redis, self.start, self.trim = env, env.redis, start, trim

    def open(self) -> None:
        """Create the group unless it is there."""
        with suppress(redis.ResponseError):
            self.redis.xgroup_create("jobs", "workers", id=self.start, mkstream=True)

    def post(self, job: dict[str, str]) -> Any:
        """Write a job down."""
        return self.redis.xadd("jobs", job, **self.trim)

    def new(self, count: int | None = 10, **more: Any) -> list[Any]:
        """Return entries that nobody was given yet."""
        reply = self.redis.xreadgroup("workers", self.env.name, {"jobs": ">"}, count=count, **more)
        return [entry for _, found in reply for entry in found]

    def old(self, idle: float = HOLD) -> list[Any]:
        """Return entries that somebody was given and has not acknowledged for so many seconds."""
        return self.redis.xautoclaim("jobs", "workers", self.env.name, min_idle_time=int(idle * 1000))[1]

    def over(self, pipe: Any, entry: str) -> Any:
        """Strike an entry off, and delete it."""
        return pipe.xack("jobs", "workers", entry).xdel("jobs", entry)

    def credit(self, entry: str, job: dict[str, str]) -> None:
        """Write the points of a job under its id, and acknowledge it, in one transaction."""
        amount = worth(self.env, job)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"ledger:{job['user']}", job["id"], amount)
            self.over(pipe, entry).execute()

    def aside(self, entry: str, job: dict[str, str]) -> None:
        """Put a job aside that cannot be done."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.sadd("failed", job["id"])
            self.over(pipe, entry).execute()

    def do(self, entry: str, job: dict[str, str]) -> None:
        """Do one job, or put it aside."""
        try:
            self.credit(entry, job)
        except ValueError:
            self.aside(entry, job)

    def points(self, user: str) -> int:
        """Return the sum of a user's ledger."""
        return sum(map(int, self.redis.hvals(f"ledger:{user}")))

    def failed(self) -> list[str]:
        """Return the jobs that were put aside."""
        return sorted(self.redis.smembers("failed"))

    def serve(self) -> Flask:
        """Return the app."""
        return serve(self.post, self.points, self.failed)


def streamed(env: Any, queue: Streamed, work: Callable[[], Any]) -> Flask:
    """Return an app whose group exists from the start and which looks for work every ten seconds."""
    queue.open()
    env.every(10)(work)
    return queue.serve()


# -- right


def autoclaim(env: Any) -> Flask:
    """A stream; what is new and what is idle, points written under the job's id and acknowledged in one MULTI."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def counter_in_lua(env: Any) -> Flask:
    """A counter a user and a set of jobs that have counted: mark and effect in one script, which asks first."""
    queue = Streamed(env)
    count = env.redis.register_script("""
        if redis.call('SADD', 'counted', ARGV[1]) == 1 then redis.call('HINCRBY', 'points', ARGV[2], ARGV[3]) end
        redis.call('XACK', 'jobs', 'workers', ARGV[4])
        return redis.call('XDEL', 'jobs', ARGV[4])
    """)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                count(args=[job["id"], job["user"], worth(env, job), entry])
            except ValueError:
                queue.aside(entry, job)

    queue.points = lambda user: int(env.redis.hget("points", user) or 0)  # type: ignore[method-assign]
    return streamed(env, queue, work)


def watched(env: Any) -> Flask:
    """A counter and a mark under WATCH: who was overtaken between looking and writing starts again."""
    queue = Streamed(env)

    def credit(pipe: Any, entry: str, job: dict[str, str], amount: int) -> None:
        pipe.watch("counted")
        fresh = not pipe.sismember("counted", job["id"])
        pipe.multi()
        if fresh:
            pipe.sadd("counted", job["id"])
            pipe.hincrby("points", job["user"], amount)
        queue.over(pipe, entry).execute()

    def do(entry: str, job: dict[str, str]) -> None:
        amount = worth(env, job)
        while True:
            with env.redis.pipeline() as pipe:
                try:
                    return credit(pipe, entry, job, amount)
                except redis.WatchError:
                    continue

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                do(entry, job)
            except ValueError:
                queue.aside(entry, job)

    queue.points = lambda user: int(env.redis.hget("points", user) or 0)  # type: ignore[method-assign]
    return streamed(env, queue, work)


def blocking_thread(env: Any) -> Flask:
    """A thread that waits in XREADGROUP, looks at what is idle in between, and survives every error."""
    queue = Streamed(env)
    queue.open()

    def loop() -> None:
        while True:
            try:
                for entry, job in queue.old() + queue.new(count=1, block=3000):
                    queue.do(entry, job)
            except redis.RedisError:
                time.sleep(1)

    threading.Thread(target=loop, daemon=True).start()
    return queue.serve()


def three_tries(env: Any) -> Flask:
    """What has been handed out four times is put aside, whatever its error: that also ends one that kills."""
    queue = Streamed(env)

    def tries(entry: str) -> int:
        return env.redis.xpending_range("jobs", "workers", entry, entry, 1)[0]["times_delivered"]

    def work() -> None:
        for entry, job in queue.old(30) + queue.new():
            if tries(entry) > 3:
                queue.aside(entry, job)
                continue
            with suppress(ValueError):
                queue.credit(entry, job)

    return streamed(env, queue, work)


def claimed_one_by_one(env: Any) -> Flask:
    """XPENDING to see what is idle, XCLAIM to take it, one entry at a time."""
    queue = Streamed(env)

    def old() -> Iterator[Any]:
        for row in env.redis.xpending_range("jobs", "workers", "-", "+", 10, idle=HOLD * 1000):
            yield from env.redis.xclaim("jobs", "workers", env.name, HOLD * 1000, [row["message_id"]])

    def work() -> None:
        for entry, job in [*old(), *queue.new()]:
            queue.do(entry, job)

    return streamed(env, queue, work)


def one_consumer_name(env: Any) -> Flask:
    """All instances are one consumer, which always looks at what it holds first: more work than needed, and right."""
    queue = Streamed(env)

    def held() -> list[Any]:
        return env.redis.xreadgroup("workers", "all", {"jobs": "0"}, count=20)[0][1]

    def work() -> None:
        todo = held()
        todo += [one for _, found in env.redis.xreadgroup("workers", "all", {"jobs": ">"}, count=10) for one in found]
        for entry, job in todo:
            if job:
                queue.do(entry, job)

    return streamed(env, queue, work)


def checked_at_the_door(env: Any) -> Flask:
    """An amount that is no number is sent back with 400: it never becomes a job."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.credit(entry, job)

    app = streamed(env, queue, work)
    accept = app.view_functions["accept"]
    app.view_functions["accept"] = lambda: (
        accept() if all(job["amount"].isdigit() for job in request.json) else ({"error": "amount"}, 400)
    )
    return app


def lists_with_heartbeat(env: Any) -> Flask:
    """LMOVE to a list of one's own; who is alive renews a key, and what the dead held is moved back."""
    r, mine = env.redis, f"doing:{env.name}"
    r.set(f"alive:{env.name}", 1, ex=HOLD)
    r.sadd("workers", env.name)

    def reap() -> None:
        for worker in r.smembers("workers"):
            if not r.exists(f"alive:{worker}"):
                while r.lmove(f"doing:{worker}", "todo", "RIGHT", "LEFT"):
                    pass

    def do(text: str) -> None:
        job = json.loads(text)
        with r.pipeline(transaction=True) as pipe:
            try:
                pipe.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
            except ValueError:
                pipe.sadd("failed", job["id"])
            pipe.lrem(mine, 0, text).set(f"alive:{env.name}", 1, ex=HOLD).execute()

    @env.every(10)
    def work() -> None:
        r.set(f"alive:{env.name}", 1, ex=HOLD)
        r.sadd("workers", env.name)
        reap()
        for text in r.lrange(mine, 0, -1):
            do(text)
        for _ in range(10):
            text = r.lmove("todo", mine, "RIGHT", "LEFT")
            if text is None:
                break
            do(text)

    return serve(
        lambda job: r.lpush("todo", json.dumps(job)),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


def the_acknowledgement_is_the_mark(env: Any) -> Flask:
    """Each id enters the stream once, and only who strikes an entry off counts it: both in scripts."""
    queue = Streamed(env)
    enter = env.redis.register_script("""
        if redis.call('SADD', 'known', ARGV[1]) == 1 then
            redis.call('XADD', 'jobs', '*', 'id', ARGV[1], 'user', ARGV[2], 'amount', ARGV[3])
        end
    """)
    count = env.redis.register_script("""
        if redis.call('XACK', 'jobs', 'workers', ARGV[1]) == 1 then
            redis.call('XDEL', 'jobs', ARGV[1])
            redis.call('HINCRBY', 'points', ARGV[2], ARGV[3])
        end
    """)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                count(args=[entry, job["user"], worth(env, job)])
            except ValueError:
                queue.aside(entry, job)

    queue.post = lambda job: enter(args=[job["id"], job["user"], job["amount"]])  # type: ignore[method-assign]
    queue.points = lambda user: int(env.redis.hget("points", user) or 0)  # type: ignore[method-assign]
    return streamed(env, queue, work)


def visibility_timeout(env: Any) -> Flask:
    """A sorted set by the moment from which a job may be taken, as SQS has it: taking it moves that moment on."""
    r = env.redis
    take = r.register_script("""
        local due = redis.call('ZRANGEBYSCORE', 'due', '-inf', ARGV[1], 'LIMIT', 0, 1)
        if due[1] then redis.call('ZADD', 'due', ARGV[1] + 60, due[1]) end
        return due[1]
    """)

    @env.every(10)
    def work() -> None:
        for _ in range(10):
            text = take(args=[time.time()])
            if text is None:
                return
            job = json.loads(text)
            with r.pipeline(transaction=True) as pipe:
                try:
                    pipe.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
                except ValueError:
                    pipe.sadd("failed", job["id"])
                pipe.zrem("due", text).execute()

    return serve(
        lambda job: r.zadd("due", {json.dumps(job): time.time()}, nx=True),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


META = sa.MetaData()
JOBS = sa.Table(
    "jobs",
    META,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("account", sa.String),
    sa.Column("amount", sa.String),
    sa.Column("state", sa.String),
    sa.Column("until", sa.Float),
)
POINTS = sa.Table("points", META, sa.Column("account", sa.String, primary_key=True), sa.Column("n", sa.Integer))


def add_job(db: Any, job: dict[str, str]) -> None:
    """Insert a job, unless it is there."""
    with suppress(sa.exc.IntegrityError), db.begin() as one:
        row = {"id": job["id"], "account": job["user"], "amount": job["amount"], "state": "open", "until": 0.0}
        one.execute(JOBS.insert().values(**row))


def table_with_lease(env: Any) -> Flask:
    """A row a job, with a lease: the state changes in the transaction that adds the points, or both do not."""
    db = env.database
    META.create_all(db)

    def take() -> Any:
        now = time.time()
        with db.begin() as one:
            free = (JOBS.c.state == "open") & (JOBS.c.until < now)
            row = one.execute(sa.select(JOBS).where(free).limit(1)).first()
            if row is None:
                return None
            mine = JOBS.update().where(free, JOBS.c.id == row.id).values(until=now + HOLD)
            return row if one.execute(mine).rowcount else take

    def finish(row: Any, state: str, amount: int) -> None:
        still_open, account = (JOBS.c.id == row.id) & (JOBS.c.state == "open"), POINTS.c.account == row.account
        with db.begin() as one:
            if not one.execute(JOBS.update().where(still_open).values(state=state)).rowcount:
                return
            if not one.execute(POINTS.update().where(account).values(n=POINTS.c.n + amount)).rowcount:
                one.execute(POINTS.insert().values(account=row.account, n=amount))

    @env.every(10)
    def work() -> None:
        while (row := take()) is not None:
            if row is take:
                continue
            try:
                finish(row, "done", worth(env, {"amount": row.amount}))
            except ValueError:
                finish(row, "failed", 0)

    def points(user: str) -> int:
        with db.begin() as one:
            return one.scalar(sa.select(POINTS.c.n).where(POINTS.c.account == user)) or 0

    def failed() -> list[str]:
        with db.begin() as one:
            return list(one.scalars(sa.select(JOBS.c.id).where(JOBS.c.state == "failed")))

    return serve(lambda job: add_job(db, job), points, failed)


# -- wrong: the job is lost


def popped(env: Any) -> Flask:
    """Who moves the list to Redis and pops as before: a pop hands over the only copy, and its holder dies."""
    r = env.redis

    @env.every(10)
    def work() -> None:
        while text := r.lpop("todo"):
            job = json.loads(text)
            try:
                r.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
            except ValueError:
                r.sadd("failed", job["id"])

    return serve(
        lambda job: r.rpush("todo", json.dumps(job)),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


def acknowledged_first(env: Any) -> Flask:
    """Who acknowledges before the work, so that nobody else takes the job: nobody else ever does."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.over(env.redis.pipeline(), entry).execute()
            try:
                env.redis.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
            except ValueError:
                env.redis.sadd("failed", job["id"])

    return streamed(env, queue, work)


def no_acknowledgement_asked(env: Any) -> Flask:
    """Who finds NOACK in the manual and saves a command: what is handed out is in no list of pending entries."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new(noack=True):
            queue.do(entry, job)

    return streamed(env, queue, work)


def from_the_end(env: Any) -> Flask:
    """Who copies `$` from the manual, where the worker creates its group: what was accepted before is no news."""
    queue = Streamed(env, start="$")

    @env.every(10)
    def work() -> None:
        queue.open()
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return queue.serve()


def known_at_the_door(env: Any) -> Flask:
    """Who drops repeats at the door: it notes the id, dies before it queues the job, and refuses the next try."""
    queue = Streamed(env)
    post = queue.post
    queue.post = lambda job: env.redis.set(f"known:{job['id']}", 1, nx=True) and post(job)  # type: ignore[method-assign]

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def marked_before(env: Any) -> Flask:
    """Who marks the job as counted, then counts: dead in between, the mark keeps everybody from counting it."""
    queue = Streamed(env)

    def credit(entry: str, job: dict[str, str]) -> None:
        amount = worth(env, job)
        if env.redis.sadd("counted", job["id"]):
            env.redis.hincrby("points", job["user"], amount)
        queue.over(env.redis.pipeline(), entry).execute()

    return counting(env, queue, credit)


def counting(env: Any, queue: Streamed, credit: Callable[[str, dict[str, str]], Any]) -> Flask:
    """Return an app with one counter a user, which `credit` changes."""

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    queue.credit = credit  # type: ignore[method-assign]
    queue.points = lambda user: int(env.redis.hget("points", user) or 0)  # type: ignore[method-assign]
    return streamed(env, queue, work)


def nobody_reaps(env: Any) -> Flask:
    """Who moves jobs to a list of one's own with LMOVE, and has nobody look at the lists of the dead."""
    r, mine = env.redis, f"doing:{env.name}"

    @env.every(10)
    def work() -> None:
        while text := r.lmove("todo", mine, "RIGHT", "LEFT"):
            job = json.loads(text)
            try:
                r.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
            except ValueError:
                r.sadd("failed", job["id"])
            r.lrem(mine, 0, text)

    return serve(
        lambda job: r.lpush("todo", json.dumps(job)),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


def done_before_the_work(env: Any) -> Flask:
    """Who takes a row by setting it to done: one instance alone does it, unless it dies."""
    db = env.database
    META.create_all(db)

    @env.every(10)
    def work() -> None:
        with db.begin() as one:
            rows = one.execute(sa.select(JOBS).where(JOBS.c.state == "open")).all()
        for row in rows:
            with db.begin() as one:
                mine = one.execute(
                    JOBS.update().where(JOBS.c.id == row.id, JOBS.c.state == "open").values(state="done")
                ).rowcount
            if mine:
                finish_row(env, row)

    return on_table(env)


def finish_row(env: Any, row: Any) -> None:
    """Do the work on a row and add its points, or set it to failed."""
    try:
        amount = worth(env, {"amount": row.amount})
    except ValueError:
        with env.database.begin() as one:
            one.execute(JOBS.update().where(JOBS.c.id == row.id).values(state="failed"))
        return
    with env.database.begin() as one:
        one.execute(JOBS.update().where(JOBS.c.id == row.id).values(state="done"))
        same = POINTS.c.account == row.account
        if not one.execute(POINTS.update().where(same).values(n=POINTS.c.n + amount)).rowcount:
            one.execute(POINTS.insert().values(account=row.account, n=amount))


def on_table(env: Any) -> Flask:
    """Return the routes over the table of jobs."""
    db = env.database

    def points(user: str) -> int:
        with db.begin() as one:
            return one.scalar(sa.select(POINTS.c.n).where(POINTS.c.account == user)) or 0

    def failed() -> list[str]:
        with db.begin() as one:
            return list(one.scalars(sa.select(JOBS.c.id).where(JOBS.c.state == "failed")))

    return serve(lambda job: add_job(db, job), points, failed)


def lock_for_ever(env: Any) -> Flask:
    """Who lets one instance work at a time, under an endless lock: its holder dies, and all wait (an over-fix)."""
    queue = Streamed(env)

    def work() -> None:
        if env.redis.set("working", env.name, nx=True):
            for entry, job in queue.old() + queue.new():
                queue.do(entry, job)
            env.redis.delete("working")

    return streamed(env, queue, work)


def published(env: Any) -> Flask:
    """Who publishes jobs: all who listen get them, and nobody keeps them; a release ends all who have listened."""
    r = env.redis
    inbox = r.pubsub(ignore_subscribe_messages=True)
    inbox.subscribe("jobs")

    @env.every(10)
    def work() -> None:
        while message := inbox.get_message():
            job = json.loads(message["data"])
            try:
                r.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
            except ValueError:
                r.sadd("failed", job["id"])

    return serve(
        lambda job: r.publish("jobs", json.dumps(job)),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


# -- wrong: it is pending, and nobody looks


def nobody_claims(env: Any) -> Flask:
    """Who reads what is new and acknowledges after the work: what a dead instance was handed is pending for ever."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def minutes_for_milliseconds(env: Any) -> Flask:
    """Who takes min_idle_time for seconds times a thousand times sixty: the heir comes after a thousand minutes."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old(HOLD * 1000) + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def claimed_and_not_read(env: Any) -> Flask:
    """Who claims, and waits for XREADGROUP to deliver it: `>` delivers what nobody was given yet."""
    queue = Streamed(env)

    def work() -> None:
        queue.old()
        for entry, job in queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def only_from_the_dead(env: Any) -> Flask:
    """Who claims from instances without a heartbeat: of one that lives, nobody looks at what it was handed in vain."""
    queue = Streamed(env)

    def orphans() -> Iterator[Any]:
        env.redis.set(f"alive:{env.name}", 1, ex=30)
        for row in env.redis.xpending_range("jobs", "workers", "-", "+", 10):
            if not env.redis.exists(f"alive:{row['consumer']}"):
                yield from env.redis.xclaim("jobs", "workers", env.name, 0, [row["message_id"]])

    def work() -> None:
        for entry, job in [*orphans(), *queue.new()]:
            queue.do(entry, job)

    return streamed(env, queue, work)


# -- wrong: done twice


def no_mark(env: Any) -> Flask:
    """Who has lease, claim and acknowledgement, and adds to a counter: handed out twice, counted twice."""
    queue = Streamed(env)

    def credit(entry: str, job: dict[str, str]) -> None:
        env.redis.hincrby("points", job["user"], worth(env, job))
        queue.over(env.redis.pipeline(), entry).execute()

    return counting(env, queue, credit)


def marked_after(env: Any) -> Flask:
    """Who counts, then marks the job as counted: dead in between, it is counted again."""
    queue = Streamed(env)

    def credit(entry: str, job: dict[str, str]) -> None:
        if not env.redis.sismember("counted", job["id"]):
            env.redis.hincrby("points", job["user"], worth(env, job))
            env.redis.sadd("counted", job["id"])
        queue.over(env.redis.pipeline(), entry).execute()

    return counting(env, queue, credit)


def looked_before(env: Any) -> Flask:
    """Who commits mark and effect in one MULTI, and asks for the mark before: a pause lies in between."""
    queue = Streamed(env)

    def credit(entry: str, job: dict[str, str]) -> None:
        counted, amount = env.redis.sismember("counted", job["id"]), worth(env, job)
        with env.redis.pipeline(transaction=True) as pipe:
            if not counted:
                pipe.hincrby("points", job["user"], amount).sadd("counted", job["id"])
            queue.over(pipe, entry).execute()

    return counting(env, queue, credit)


def counted_with_the_acknowledgement(env: Any) -> Flask:
    """Who adds to the counter and acknowledges in one MULTI: right until the job is posted, or handed out, again."""
    queue = Streamed(env)

    def credit(entry: str, job: dict[str, str]) -> None:
        amount = worth(env, job)
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.hincrby("points", job["user"], amount)
            queue.over(pipe, entry).execute()

    return counting(env, queue, credit)


def entry_for_id(env: Any) -> Flask:
    """Who writes the points under the id that the stream gave: posted again, the job has another one."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                amount = worth(env, job)
            except ValueError:
                queue.aside(entry, job)
                continue
            with env.redis.pipeline(transaction=True) as pipe:
                pipe.hset(f"ledger:{job['user']}", entry, amount)
                queue.over(pipe, entry).execute()

    return streamed(env, queue, work)


def marks_end_early(env: Any) -> Flask:
    """Who lets the mark end after half a minute, to save memory: who posts again a minute later is paid twice."""
    queue = Streamed(env)
    count = env.redis.register_script("""
        if redis.call('SET', 'counted:' .. ARGV[1], 1, 'NX', 'EX', 30) then
            redis.call('HINCRBY', 'points', ARGV[2], ARGV[3])
        end
        redis.call('XACK', 'jobs', 'workers', ARGV[4])
        return redis.call('XDEL', 'jobs', ARGV[4])
    """)

    def credit(entry: str, job: dict[str, str]) -> None:
        count(args=[job["id"], job["user"], worth(env, job), entry])

    return counting(env, queue, credit)


def no_lease_at_all(env: Any) -> Flask:
    """Who claims whatever is pending, however fresh: the sibling is robbed in the middle of its work."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old(0) + queue.new():
            if env.redis.xpending_range("jobs", "workers", entry, entry, 1):
                env.redis.hincrby("points", job["user"], worth(env, job))
                queue.over(env.redis.pipeline(), entry).execute()

    queue.points = lambda user: int(env.redis.hget("points", user) or 0)  # type: ignore[method-assign]
    return streamed(env, queue, work)


def a_group_each(env: Any) -> Flask:
    """Who gives each instance a group: a group gets every entry, so that each instance does every job."""
    r = env.redis
    with suppress(redis.ResponseError):
        r.xgroup_create("jobs", env.name, id="0", mkstream=True)

    @env.every(10)
    def work() -> None:
        todo = r.xreadgroup(env.name, "worker", {"jobs": "0"}, count=10)[0][1]
        todo += [one for _, found in r.xreadgroup(env.name, "worker", {"jobs": ">"}, count=10) for one in found]
        for entry, job in todo:
            with suppress(ValueError):
                r.hincrby("points", job["user"], worth(env, job))
            r.xack("jobs", env.name, entry)

    return serve(lambda job: r.xadd("jobs", job), lambda user: int(r.hget("points", user) or 0), list)


def selected_then_updated(env: Any) -> Flask:
    """Who reads the open rows, works, and sets them to done: both instances read the same rows."""
    META.create_all(env.database)

    @env.every(10)
    def work() -> None:
        with env.database.begin() as one:
            rows = one.execute(sa.select(JOBS).where(JOBS.c.state == "open")).all()
        for row in rows:
            finish_row(env, row)

    return on_table(env)


# -- wrong: poison, patience and room


def poison_first(env: Any) -> Flask:
    """Who looks at what it holds first, and lets errors out: the oldest entry fails, and none after it is reached."""
    queue = Streamed(env)

    def work() -> None:
        todo = env.redis.xreadgroup("workers", "all", {"jobs": "0"}, count=20)[0][1]
        todo += [one for _, found in env.redis.xreadgroup("workers", "all", {"jobs": ">"}, count=10) for one in found]
        for entry, job in todo:
            queue.credit(entry, job)

    return streamed(env, queue, work)


def thread_dies(env: Any) -> Flask:
    """Who starts a thread and catches the errors of Redis alone: the first bad amount ends it, in every instance."""
    queue = Streamed(env)
    queue.open()

    def loop() -> None:
        while True:
            try:
                for entry, job in queue.old() + queue.new(count=1, block=3000):
                    queue.credit(entry, job)
            except redis.RedisError:
                time.sleep(1)

    threading.Thread(target=loop, daemon=True).start()
    return queue.serve()


def tries_until_it_works(env: Any) -> Flask:
    """Who tries again until it works: for an amount that is no number, this is for ever."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            while True:
                try:
                    queue.credit(entry, job)
                    break
                except ValueError:
                    time.sleep(5)

    return streamed(env, queue, work)


def dropped_in_silence(env: Any) -> Flask:
    """Who acknowledges what fails and goes on: the customer was promised something, and nobody will ever know."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                queue.credit(entry, job)
            except ValueError:
                queue.over(env.redis.pipeline(), entry).execute()

    return streamed(env, queue, work)


def every_error_is_poison(env: Any) -> Flask:
    """Who catches Exception: a reply of Redis that got lost is no reason to give a job up."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            try:
                queue.credit(entry, job)
            except Exception:
                queue.aside(entry, job)

    return streamed(env, queue, work)


def one_try(env: Any) -> Flask:
    """Who takes whatever is handed out a second time for poison: it was in the hands of one who died."""
    queue = Streamed(env)

    def work() -> None:
        for entry, job in queue.old():
            queue.aside(entry, job)
        for entry, job in queue.new():
            with suppress(ValueError):
                queue.credit(entry, job)

    return streamed(env, queue, work)


def at_once(env: Any) -> Flask:
    """Who does the work inside the request: nothing is lost, and the order service waits for all of it."""
    r = env.redis

    def post(job: dict[str, str]) -> None:
        try:
            r.hset(f"ledger:{job['user']}", job["id"], worth(env, job))
        except ValueError:
            r.sadd("failed", job["id"])

    return serve(post, lambda user: sum(map(int, r.hvals(f"ledger:{user}"))), lambda: sorted(r.smembers("failed")))


def single_jobs(env: Any) -> Flask:
    """Who expects one job in a request, and refuses the list that the contract sends."""
    app = autoclaim(env)
    app.view_functions["accept"] = lambda: ({"error": "one job, please"}, 400)
    return app


def trimmed(env: Any) -> Flask:
    """Who keeps the stream short with MAXLEN: it cuts off what is old, and what is old has waited longest."""
    queue = Streamed(env, maxlen=100)

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def never_acknowledged(env: Any) -> Flask:
    """Who relies on the ledger: no job counts twice, and each is done again and again for as long as the shop lives."""
    queue = Streamed(env)
    queue.over = lambda pipe, entry: pipe  # type: ignore[method-assign]

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def never_deleted(env: Any) -> Flask:
    """Who takes XACK for the end: it ends the delivery, and the entry stays in memory for ever."""
    queue = Streamed(env)
    queue.over = lambda pipe, entry: pipe.xack("jobs", "workers", entry)  # type: ignore[method-assign]

    def work() -> None:
        for entry, job in queue.old() + queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def skip_locked(env: Any) -> Flask:
    """A row stays locked while the work on it lasts: who dies rolls back, and the row is free again."""
    META.create_all(env.database)

    def do() -> bool:
        with env.database.begin() as one:
            row = one.execute(
                sa.select(JOBS).where(JOBS.c.state == "open").limit(1).with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return False
            try:
                amount, state = worth(env, {"amount": row.amount}), "done"
            except ValueError:
                amount, state = 0, "failed"
            one.execute(JOBS.update().where(JOBS.c.id == row.id).values(state=state))
            same = POINTS.c.account == row.account
            if not one.execute(POINTS.update().where(same).values(n=POINTS.c.n + amount)).rowcount:
                one.execute(POINTS.insert().values(account=row.account, n=amount))
            return True

    @env.every(10)
    def work() -> None:
        while do():
            pass

    return on_table(env)


# -- wrong, and less often seen


def never_reads_its_own(env: Any) -> Flask:
    """Who gives the consumer a fixed name, which a restart has again, and reads `>`: what it held is not new."""
    queue = Streamed(env)

    def work() -> None:
        for _, found in env.redis.xreadgroup("workers", "worker", {"jobs": ">"}, count=10):
            for entry, job in found:
                queue.do(entry, job)

    return streamed(env, queue, work)


def claims_at_the_start(env: Any) -> Flask:
    """Who claims once, when an instance starts: what it is to inherit has not been idle for long enough."""
    queue = Streamed(env)
    queue.open()
    for entry, job in queue.old():
        queue.do(entry, job)
    return streamed(env, queue, lambda: [queue.do(entry, job) for entry, job in queue.new()])


def consumer_deleted(env: Any) -> Flask:
    """Who tidies up consumers that are idle: XGROUP DELCONSUMER drops what they held with them."""
    queue = Streamed(env)

    def work() -> None:
        for consumer in env.redis.xinfo_consumers("jobs", "workers"):
            if consumer["name"] != env.name and consumer["idle"] > HOLD * 1000:
                env.redis.xgroup_delconsumer("jobs", "workers", consumer["name"])
        for entry, job in queue.new():
            queue.do(entry, job)

    return streamed(env, queue, work)


def oldest_only(env: Any) -> Flask:
    """Who claims the oldest pending entry and lets failures pend: the oldest is poison, and stays the oldest."""
    queue = Streamed(env)

    def work() -> None:
        oldest = env.redis.xpending("jobs", "workers")["min"]
        todo = env.redis.xclaim("jobs", "workers", env.name, HOLD * 1000, [oldest]) if oldest else []
        for entry, job in todo + queue.new():
            with suppress(ValueError):
                queue.credit(entry, job)

    return streamed(env, queue, work)


def failures_in_memory(env: Any) -> Flask:
    """Who keeps in memory what was put aside: the other instance has never heard of it."""
    queue, bad = Streamed(env), []

    def aside(entry: str, job: dict[str, str]) -> None:
        bad.append(job["id"])
        queue.over(env.redis.pipeline(), entry).execute()

    queue.aside, queue.failed = aside, lambda: bad  # type: ignore[method-assign]
    return streamed(env, queue, lambda: [queue.do(entry, job) for entry, job in queue.old() + queue.new()])


def looked_then_locked(env: Any) -> Flask:
    """Who lists the open rows, then takes an advisory lock for each: the row was open before the lock."""
    META.create_all(env.database)

    def work() -> None:
        with env.database.connect() as db:
            rows = db.execute(sa.select(JOBS).where(JOBS.c.state == "open")).all()
            db.commit()
            for row in rows:
                number = int.from_bytes(row.id.encode()[:4], "big")
                if db.scalar(sa.text("SELECT pg_try_advisory_lock(:n)"), {"n": number}):
                    finish_row(env, row)
                    db.execute(sa.text("SELECT pg_advisory_unlock(:n)"), {"n": number})
                db.commit()

    env.every(10)(work)
    return on_table(env)


# -- right, and unusual


def hash_of_open_jobs(env: Any) -> Flask:
    """No queue: a hash of what is not done, a lease a job, and a script that lets nobody open again what is over."""
    r = env.redis
    enter = r.register_script("""
        if redis.call('HEXISTS', 'over', ARGV[1]) == 0 then redis.call('HSETNX', 'open', ARGV[1], ARGV[2]) end
    """)

    @env.every(10)
    def work() -> None:
        for key, value in r.hgetall("open").items():
            if not r.set(f"lease:{key}", env.name, nx=True, ex=HOLD):
                continue
            job = json.loads(value)
            with r.pipeline(transaction=True) as pipe:
                try:
                    pipe.hset(f"ledger:{job['user']}", key, worth(env, job))
                except ValueError:
                    pipe.sadd("failed", key)
                pipe.hset("over", key, 1).hdel("open", key).execute()

    return serve(
        lambda job: enter(args=[job["id"], json.dumps(job)]),
        lambda user: sum(map(int, r.hvals(f"ledger:{user}"))),
        lambda: sorted(r.smembers("failed")),
    )


def a_consumer_a_look(env: Any) -> Flask:
    """Every look has a consumer's name of its own: what it does not finish, a later look claims."""
    queue, r = Streamed(env), env.redis

    def work() -> None:
        me = uuid.uuid4().hex
        todo = r.xautoclaim("jobs", "workers", me, min_idle_time=HOLD * 1000)[1]
        todo += [one for _, found in r.xreadgroup("workers", me, {"jobs": ">"}, count=10) for one in found]
        for entry, job in todo:
            queue.do(entry, job)
        if not todo:
            r.xgroup_delconsumer("jobs", "workers", me)  # it holds nothing

    return streamed(env, queue, work)


def group_made_anew(env: Any) -> Flask:
    """Each start makes the group anew, from the first entry: all that is not deleted is handed out again."""
    with suppress(redis.ResponseError):
        env.redis.xgroup_destroy("jobs", "workers")
    queue = Streamed(env)
    return streamed(env, queue, lambda: [queue.do(entry, job) for entry, job in queue.old() + queue.new()])


STUB = (stub, "S08-LOST-JOB")

WRONG = {
    "popped": (popped, "S08-LOST-JOB"),
    "acknowledged_first": (acknowledged_first, "S08-LOST-JOB"),
    "no_acknowledgement_asked": (no_acknowledgement_asked, "S08-LOST-JOB"),
    "from_the_end": (from_the_end, "S08-LOST-JOB"),
    "known_at_the_door": (known_at_the_door, "S08-LOST-JOB"),
    "nobody_reaps": (nobody_reaps, "S08-LOST-JOB"),
    "done_before_the_work": (done_before_the_work, "S08-LOST-JOB"),
    "published": (published, "S08-BACKLOG-LOST"),
    "marked_before": (marked_before, "S08-LOST-JOB"),
    "lock_for_ever": (lock_for_ever, "S08-LOST-JOB"),
    "nobody_claims": (nobody_claims, "S08-STRANDED"),
    "minutes_for_milliseconds": (minutes_for_milliseconds, "S08-STRANDED"),
    "claimed_and_not_read": (claimed_and_not_read, "S08-STRANDED"),
    "only_from_the_dead": (only_from_the_dead, "S08-STRANDED"),
    "no_mark": (no_mark, "S08-DONE-TWICE"),
    "marked_after": (marked_after, "S08-DONE-TWICE"),
    "looked_before": (looked_before, "S08-DONE-TWICE"),
    "counted_with_the_acknowledgement": (counted_with_the_acknowledgement, "S08-DONE-TWICE"),
    "entry_for_id": (entry_for_id, "S08-DONE-TWICE"),
    "marks_end_early": (marks_end_early, "S08-DONE-TWICE"),
    "no_lease_at_all": (no_lease_at_all, "S08-DONE-TWICE"),
    "a_group_each": (a_group_each, "S08-DONE-TWICE"),
    "selected_then_updated": (selected_then_updated, "S08-DONE-TWICE"),
    "poison_first": (poison_first, "S08-POISON"),
    "thread_dies": (thread_dies, "S08-POISON"),
    "tries_until_it_works": (tries_until_it_works, "S08-POISON"),
    "dropped_in_silence": (dropped_in_silence, "S08-POISON"),
    "every_error_is_poison": (every_error_is_poison, "S08-GIVEN-UP"),
    "one_try": (one_try, "S08-GIVEN-UP"),
    "at_once": (at_once, "S08-KEEPS-WAITING"),
    "single_jobs": (single_jobs, "S08-UNANSWERED"),
    "trimmed": (trimmed, "S08-BACKLOG-LOST"),
    "never_acknowledged": (never_acknowledged, "S08-LEFT-BEHIND"),
    "never_deleted": (never_deleted, "S08-LEFT-BEHIND"),
    "never_reads_its_own": (never_reads_its_own, "S08-STRANDED"),
    "claims_at_the_start": (claims_at_the_start, "S08-STRANDED"),
    "consumer_deleted": (consumer_deleted, "S08-LOST-JOB"),
    "oldest_only": (oldest_only, "S08-POISON"),
    "failures_in_memory": (failures_in_memory, "S08-POISON"),
    "looked_then_locked": (looked_then_locked, "S08-DONE-TWICE"),
}

RIGHT = {
    "autoclaim": autoclaim,
    "counter_in_lua": counter_in_lua,
    "watched": watched,
    "blocking_thread": blocking_thread,
    "three_tries": three_tries,
    "claimed_one_by_one": claimed_one_by_one,
    "one_consumer_name": one_consumer_name,
    "checked_at_the_door": checked_at_the_door,
    "lists_with_heartbeat": lists_with_heartbeat,
    "the_acknowledgement_is_the_mark": the_acknowledgement_is_the_mark,
    "visibility_timeout": visibility_timeout,
    "table_with_lease": table_with_lease,
    "skip_locked": skip_locked,
    "hash_of_open_jobs": hash_of_open_jobs,
    "a_consumer_a_look": a_consumer_a_look,
    "group_made_anew": group_made_anew,
}

REPLAYED = "looked_before"
