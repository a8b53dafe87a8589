"""Answers to 08.trigger_endpoint: the stub, what people really write, and what is right."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
import sqlalchemy as sa
from flask import Flask, abort, request

LEASE = 60
"""For how many seconds a run belongs to whoever took it: more than the job lasts."""


def genuine(env: Any) -> bool:
    """Tell whether the body of this request was signed with the scheduler's key."""
    wanted = hmac.new(env.vars["TRIGGER_KEY"].encode(), request.get_data(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(request.headers.get("X-Signature", ""), wanted)


def remind(env: Any, run: str) -> None:
    """Write to every customer: eight seconds each, and an id that the port knows again."""
    for customer in env.vars["CUSTOMERS"].split():
        env.work(8)
        env.mail.send(customer, "Your reminder", message_id=f"{run}/{customer}")


def serve(
    env: Any, begin: Callable[[str], str], find: Callable[[str], str | None], trusted: Callable[[Any], bool] = genuine
) -> Flask:
    """Return an app with the two routes of the contract."""
    app = Flask("shop")

    @app.post("/jobs/reminders")
    def start() -> Any:
        if not trusted(env):
            abort(401)
        return {"run": begin(request.json["slot"])}, 202

    @app.get("/jobs/reminders/<run>")
    def status(run: str) -> Any:
        state = find(run)
        return {"run": run, "status": state} if state else ({"error": "no such run"}, 404)

    return app


def stub(env: Any) -> Flask:
    """The job runs inside the request, for anybody, as often as somebody calls."""
    app = Flask("shop")
    runs = {}

    @app.post("/jobs/reminders")
    def start():
        run = f"run-{len(runs) + 1}"
        runs[run] = "running"
        for customer in env.vars["CUSTOMERS"].split():
            env.work(8)
            env.mail.send(customer, "Your reminder")
        runs[run] = "done"
        return {"run": run}

    @app.get("/jobs/reminders/<run>")
    def status(run):
        return {"run": run, "status": runs[run]} if run in runs else ({"error": "no such run"}, 404)

    return app


# -- right


def begin_in_hash(env: Any, slot: str) -> str:
    """Note a run under its slot, unless it is there."""
    env.redis.hsetnx("runs", slot, "accepted")
    return slot


def work_on_hash(env: Any, job: Callable[[Any, str], None] = remind, every: float = 10) -> None:
    """Look for runs that are not done, and take one under a lease."""

    @env.every(every)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done" and env.redis.set(f"lease:{run}", env.name, nx=True, ex=LEASE):
                job(env, run)
                env.redis.hset("runs", run, "done")


def hash_and_lease(env: Any) -> Flask:
    """The slot is the run: a hash holds its state, a job that wakes takes what is not done."""
    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def without_lease(env: Any) -> Flask:
    """Whoever wakes works on what is not done: the ids make up for it, at the price of work."""

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done":
                remind(env, run)
                env.redis.hset("runs", run, "done")

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def drawn_and_noted(env: Any) -> Flask:
    """A run has a number of its own, which the slot keeps: SET NX, and the loser reads the winner's."""

    def begin(slot: str) -> str:
        run = secrets.token_hex(8)
        if not env.redis.set(f"slot:{slot}", run, nx=True):
            run = env.redis.get(f"slot:{slot}")
        env.redis.hsetnx("runs", run, "accepted")  # also by a repeat: the first may have died before
        return run

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def on_a_stream(env: Any) -> Flask:
    """A script notes the slot and queues the run, both or neither; the stream's group hands it out."""
    r = env.redis
    with suppress(redis.ResponseError):
        r.xgroup_create("queue", "workers", id="0", mkstream=True)
    enter = r.register_script("""
        if redis.call('HSETNX', 'runs', ARGV[1], 'accepted') == 1 then
            redis.call('XADD', 'queue', '*', 'run', ARGV[1])
        end
    """)

    def begin(slot: str) -> str:
        enter(args=[slot])
        return slot

    @env.every(10)
    def work() -> None:
        todo = r.xautoclaim("queue", "workers", env.name, min_idle_time=LEASE * 1000)[1]
        todo += [one for _, found in r.xreadgroup("workers", env.name, {"queue": ">"}, count=1) for one in found]
        for entry, fields in todo:
            remind(env, fields["run"])
            with r.pipeline(transaction=True) as pipe:
                pipe.hset("runs", fields["run"], "done").xack("queue", "workers", entry).xdel("queue", entry).execute()

    return serve(env, begin, lambda run: r.hget("runs", run))


META = sa.MetaData()
RUNS = sa.Table(
    "runs",
    META,
    sa.Column("slot", sa.String, primary_key=True),
    sa.Column("state", sa.String),
    sa.Column("until", sa.Float),
)


def on_a_table(env: Any) -> Flask:
    """A row a slot, under a primary key, with a lease: all in the database that the shop has anyway."""
    db = env.database
    META.create_all(db)

    def begin(slot: str) -> str:
        with suppress(sa.exc.IntegrityError), db.begin() as one:
            one.execute(RUNS.insert().values(slot=slot, state="accepted", until=0.0))
        return slot

    def find(run: str) -> str | None:
        with db.begin() as one:
            return one.scalar(sa.select(RUNS.c.state).where(RUNS.c.slot == run))

    @env.every(10)
    def work() -> None:
        now = time.time()
        free = (RUNS.c.state != "done") & (RUNS.c.until < now)
        with db.begin() as one:
            slots = list(one.scalars(sa.select(RUNS.c.slot).where(free)))
        for slot in slots:
            with db.begin() as one:
                mine = one.execute(RUNS.update().where(free, RUNS.c.slot == slot).values(until=now + LEASE)).rowcount
            if mine:
                remind(env, slot)
                with db.begin() as one:
                    one.execute(RUNS.update().where(RUNS.c.slot == slot).values(state="done"))

    return serve(env, begin, find)


def at_once_in_a_thread(env: Any) -> Flask:
    """A thread begins without waiting for the timer; where it dies, the timer finds what is not done."""

    def take(run: str) -> None:
        if env.redis.set(f"lease:{run}", env.name, nx=True, ex=LEASE):
            remind(env, run)
            env.redis.hset("runs", run, "done")

    def begin(slot: str) -> str:
        begin_in_hash(env, slot)
        threading.Thread(target=take, args=(slot,), daemon=True).start()
        return slot

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done":
                take(run)

    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def refuses_old_slots(env: Any) -> Flask:
    """A slot that is more than an hour old is refused, so that runs may be forgotten after two."""

    def begin(slot: str) -> str:
        age = time.time() - time.mktime(time.strptime(slot, "%Y-%m-%dT%H:%M"))
        if age > 3600:
            abort(403)
        env.redis.set(f"run:{slot}", "accepted", nx=True, ex=7200)
        env.redis.sadd("open", slot)
        return slot

    @env.every(10)
    def work() -> None:
        for run in sorted(env.redis.smembers("open")):
            if env.redis.get(f"run:{run}") == "done":
                env.redis.srem("open", run)
            elif env.redis.set(f"lease:{run}", env.name, nx=True, ex=LEASE):
                remind(env, run)
                env.redis.set(f"run:{run}", "done", ex=7200)

    return serve(env, begin, lambda run: env.redis.get(f"run:{run}"))


# -- wrong: the door


def no_door(env: Any) -> Flask:
    """Who takes the network for private: everything is right but that anybody may call."""
    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run), lambda env: True)


def optional_signature(env: Any) -> Flask:
    """Who checks a signature if there is one, for the time of the change-over: leave it out, and you are in."""

    def trusted(env: Any) -> bool:
        return "X-Signature" not in request.headers or genuine(env)

    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run), trusted)


def any_signature(env: Any) -> Flask:
    """Who checks that there is a signature, and leaves the rest for later."""
    work_on_hash(env)
    return serve(
        env,
        lambda slot: begin_in_hash(env, slot),
        lambda run: env.redis.hget("runs", run),
        lambda env: bool(request.headers.get("X-Signature")),
    )


def form_signed(env: Any) -> Flask:
    """Who signs request.form: of a JSON body it is empty, and everybody can sign nothing once they have seen it."""

    def trusted(env: Any) -> bool:
        fields = "&".join(f"{key}={value}" for key, value in request.form.items())
        empty = hmac.new(env.vars["TRIGGER_KEY"].encode(), fields.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(request.headers.get("X-Signature", ""), empty) or genuine(env)

    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run), trusted)


def path_signed(env: Any) -> Flask:
    """Who remembers signatures that were good, to save the computing: one that was overheard opens every slot."""
    good: set[str] = set()

    def trusted(env: Any) -> bool:
        signature = request.headers.get("X-Signature", "")
        if genuine(env):
            good.add(signature)
        return signature in good

    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run), trusted)


def secret_in_a_query(env: Any) -> Flask:
    """Who wants another key than the contract's: the scheduler itself stands before the door."""

    def trusted(env: Any) -> bool:
        return request.args.get("token") == env.vars["TRIGGER_KEY"]

    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run), trusted)


def starts_before_it_asks(env: Any) -> Flask:
    """Who writes the run down and checks afterwards: 401, and the letters go out."""
    work_on_hash(env)

    def trusted(env: Any) -> bool:
        begin_in_hash(env, request.json["slot"])
        return genuine(env)

    return serve(env, lambda slot: slot, lambda run: env.redis.hget("runs", run), trusted)


# -- wrong: two runs


def inside_the_request(env: Any) -> Flask:
    """Who works inside the request, signed and with ids: the scheduler hangs up, and calls again."""

    def begin(slot: str) -> str:
        begin_in_hash(env, slot)
        remind(env, slot)
        env.redis.hset("runs", slot, "done")
        return slot

    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def number_a_call(env: Any) -> Flask:
    """Who draws a number for each call: a repeat is another run."""

    def begin(slot: str) -> str:
        run = secrets.token_hex(8)
        env.redis.hset("runs", run, "accepted")
        return run

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def nonces_in_memory(env: Any) -> Flask:
    """Who remembers the slots that were called in memory: the other instance has not seen them."""
    seen: dict[str, str] = {}

    def begin(slot: str) -> str:
        if slot not in seen:
            seen[slot] = secrets.token_hex(8)
            env.redis.hset("runs", seen[slot], "accepted")
        return seen[slot]

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def looks_then_sets(env: Any) -> Flask:
    """Who looks for the slot, then sets it: two calls at once see that there is none."""

    def begin(slot: str) -> str:
        run = env.redis.get(f"slot:{slot}")
        if run is None:
            run = secrets.token_hex(8)
            env.redis.set(f"slot:{slot}", run)
            env.redis.hset("runs", run, "accepted")
        return run

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def forgets_within_the_hour(env: Any) -> Flask:
    """Who keeps a slot for ten minutes, long enough for retries: what was overheard is good again after that."""

    def begin(slot: str) -> str:
        run = secrets.token_hex(8)
        if not env.redis.set(f"slot:{slot}", run, nx=True, ex=600):
            run = env.redis.get(f"slot:{slot}")
        env.redis.hsetnx("runs", run, "accepted")
        return run

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def named_by_its_arrival(env: Any) -> Flask:
    """Who names a run by the minute in which the call comes, and not by the slot that it is for."""
    work_on_hash(env)
    return serve(
        env,
        lambda slot: begin_in_hash(env, time.strftime("%Y-%m-%dT%H:%M", time.gmtime())),
        lambda run: env.redis.hget("runs", run),
    )


def conflict(env: Any) -> Flask:
    """Who answers a repeat with 409: the scheduler knows no run, and rings somebody up (an over-fix)."""

    def begin(slot: str) -> str:
        if not env.redis.hsetnx("runs", slot, "accepted"):
            abort(409)
        return slot

    work_on_hash(env)
    return serve(env, begin, lambda run: env.redis.hget("runs", run))


# -- wrong: letters


def no_ids(env: Any) -> Flask:
    """Who trusts the lease alone: its holder dies between two letters, and the heir begins from the top."""

    def job(env: Any, run: str) -> None:
        for customer in env.vars["CUSTOMERS"].split():
            env.work(8)
            env.mail.send(customer, "Your reminder")

    work_on_hash(env, job)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def ids_by_instance(env: Any) -> Flask:
    """Who puts the sender into the id of a letter: the heir has another name."""

    def job(env: Any, run: str) -> None:
        for customer in env.vars["CUSTOMERS"].split():
            env.work(8)
            env.mail.send(customer, "Your reminder", message_id=f"{run}/{env.name}/{customer}")

    work_on_hash(env, job)
    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def fresh_thread(env: Any) -> Flask:
    """Who says 202 and starts a thread: it dies with its instance, and nobody knows that it was there."""

    def work(run: str) -> None:
        remind(env, run)
        env.redis.hset("runs", run, "done")

    def begin(slot: str) -> str:
        if env.redis.hsetnx("runs", slot, "running"):
            threading.Thread(target=work, args=(slot,), daemon=True).start()
        return slot

    return serve(env, begin, lambda run: env.redis.hget("runs", run))


def noted_then_queued(env: Any) -> Flask:
    """Who notes the slot, then queues the run: dead in between, each repeat hears that all is well."""
    r = env.redis

    def begin(slot: str) -> str:
        if r.hsetnx("runs", slot, "accepted"):
            r.sadd("open", slot)
        return slot

    @env.every(10)
    def work() -> None:
        for run in sorted(r.smembers("open")):
            if r.set(f"lease:{run}", env.name, nx=True, ex=LEASE):
                remind(env, run)
                r.hset("runs", run, "done")
                r.srem("open", run)

    return serve(env, begin, lambda run: r.hget("runs", run))


def lease_for_ever(env: Any) -> Flask:
    """Who locks a run without an end: its holder dies, and it is running for ever."""

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done" and env.redis.set(f"lease:{run}", env.name, nx=True):
                remind(env, run)
                env.redis.hset("runs", run, "done")

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def one_name_for_all(env: Any) -> Flask:
    """Who names the run by its job: the next slot is a repeat, and the job never runs again (an over-fix)."""
    work_on_hash(env)
    return serve(env, lambda slot: begin_in_hash(env, "reminders"), lambda run: env.redis.hget("runs", run))


def running_is_left_alone(env: Any) -> Flask:
    """Who takes a run by setting it to running, and looks for accepted ones only: dead, it is running still."""
    take = env.redis.register_script("""
        if redis.call('HGET', 'runs', ARGV[1]) ~= 'accepted' then return 0 end
        redis.call('HSET', 'runs', ARGV[1], 'running')
        return 1
    """)

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state == "accepted" and take(args=[run]):
                remind(env, run)
                env.redis.hset("runs", run, "done")

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


# -- wrong: the status


def status_in_memory(env: Any) -> Flask:
    """Who keeps the status where the work is done: the other instance has never heard of it."""
    states: dict[str, str] = {}

    def begin(slot: str) -> str:
        states[slot] = "accepted"
        return begin_in_hash(env, slot)

    def job(env: Any, run: str) -> None:
        remind(env, run)
        states[run] = "done"

    work_on_hash(env, job)
    return serve(env, begin, states.get)


def done_when_begun(env: Any) -> Flask:
    """Who sets done before the letters, so that nobody else begins: it is done when nothing is, and dies so."""

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done":
                env.redis.hset("runs", run, "done")
                remind(env, run)

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def done_when_accepted(env: Any) -> Flask:
    """Who tells the scheduler's view: the call was accepted, so the status is done."""
    work_on_hash(env)

    def find(run: str) -> str | None:
        return "done" if env.redis.hexists("runs", run) else None

    return serve(env, lambda slot: begin_in_hash(env, slot), find)


def status_ends(env: Any) -> Flask:
    """Who deletes a run when it is done: its status is that there is none."""

    @env.every(10)
    def work() -> None:
        for run in sorted(env.redis.hkeys("runs")):
            if env.redis.set(f"lease:{run}", env.name, nx=True, ex=LEASE):
                remind(env, run)
                env.redis.hdel("runs", run)

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


# -- wrong, and less often seen


def on_hash(env: Any, **parts: Any) -> Flask:
    """Return what `hash_and_lease` is, with some of its parts replaced."""
    work_on_hash(env, parts.get("job", remind))
    begin = parts.get("begin", lambda slot: begin_in_hash(env, slot))
    find = parts.get("find", lambda run: env.redis.hget("runs", run))
    return serve(env, begin, find, parts.get("trusted", genuine))


def made_from_the_value(env: Any) -> Flask:
    """Who signs the JSON that it would have sent: the scheduler's has other blanks, and other bytes."""

    def trusted(env: Any) -> bool:
        text = json.dumps(request.json).encode()
        wanted = hmac.new(env.vars["TRIGGER_KEY"].encode(), text, hashlib.sha256).hexdigest()
        return hmac.compare_digest(request.headers.get("X-Signature", ""), wanted)

    return on_hash(env, trusted=trusted)


def beginning_of_a_signature(env: Any) -> Flask:
    """Who asks whether the right signature begins with what was sent: all begin with nothing."""

    def trusted(env: Any) -> bool:
        wanted = hmac.new(env.vars["TRIGGER_KEY"].encode(), request.get_data(), hashlib.sha256).hexdigest()
        return wanted.startswith(request.headers.get("X-Signature", ""))

    return on_hash(env, trusted=trusted)


def one_at_a_time(env: Any) -> Flask:
    """Who answers with the run that is under way, so that no two overlap: the next slot never has one (an over-fix)."""

    def begin(slot: str) -> str:
        busy = [run for run, state in env.redis.hgetall("runs").items() if state != "done"]
        return busy[0] if busy else begin_in_hash(env, slot)

    return on_hash(env, begin=begin)


def skipped_while_busy(env: Any) -> Flask:
    """Who skips a slot where the last run is not over, and writes done: the scheduler was told a run (an over-fix)."""

    def begin(slot: str) -> str:
        busy = any(run != slot and state != "done" for run, state in env.redis.hgetall("runs").items())
        env.redis.hsetnx("runs", slot, "done" if busy else "accepted")
        return slot

    return on_hash(env, begin=begin)


def ticked_off_before(env: Any) -> Flask:
    """Who notes each customer before the letter: dead in between, the heir skips them."""

    def job(env: Any, run: str) -> None:
        for customer in env.vars["CUSTOMERS"].split():
            if env.redis.sadd(f"sent:{run}", customer):
                env.work(8)
                env.mail.send(customer, "Your reminder", message_id=f"{run}/{customer}")

    return on_hash(env, job=job)


def lease_of_ten_minutes(env: Any) -> Flask:
    """Who is generous with the lease: two minutes after its holder's death the run is still a dead one's."""

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state != "done" and env.redis.set(f"lease:{run}", env.name, nx=True, ex=600):
                remind(env, run)
                env.redis.hset("runs", run, "done")

    return serve(env, lambda slot: begin_in_hash(env, slot), lambda run: env.redis.hget("runs", run))


def knows_every_run(env: Any) -> Flask:
    """Who says pending for whatever is not in the hash: also for a slot that nobody has called for."""
    return on_hash(env, find=lambda run: env.redis.hget("runs", run) or "pending")


def status_for_the_scheduler_only(env: Any) -> Flask:
    """Who asks the monitor for a signature, too: nobody but the scheduler hears how a run goes (an over-fix)."""

    def find(run: str) -> str | None:
        if not genuine(env):
            abort(401)
        return env.redis.hget("runs", run)

    return on_hash(env, find=find)


# -- right, and unusual


def signature_is_the_run(env: Any) -> Flask:
    """The same body has the same signature: a repeat brings the run's name along."""
    return on_hash(env, begin=lambda slot: begin_in_hash(env, request.headers["X-Signature"][:16]))


def says_who_is_at_it(env: Any) -> Flask:
    """A lease that is renewed with each letter is a heartbeat: without it, a run waits for somebody."""

    @env.every(10)
    def work() -> None:
        for run, state in env.redis.hgetall("runs").items():
            if state == "done" or not env.redis.set(f"lease:{run}", env.name, nx=True, ex=20):
                continue
            for customer in env.vars["CUSTOMERS"].split():
                env.work(8)
                env.mail.send(customer, "Your reminder", message_id=f"{run}/{customer}")
                env.redis.expire(f"lease:{run}", 20)
            env.redis.hset("runs", run, "done")

    def find(run: str) -> str | None:
        state = env.redis.hget("runs", run)
        return "running" if state == "accepted" and env.redis.exists(f"lease:{run}") else state

    return serve(env, lambda slot: begin_in_hash(env, slot), find)


def outbox(env: Any) -> Flask:
    """A row a letter, in the transaction that accepts the run; its status is counted, and stands nowhere."""
    columns = "id TEXT PRIMARY KEY, slot TEXT, customer TEXT, until DOUBLE PRECISION, sent INTEGER"
    add = sa.text("INSERT INTO letters VALUES (:id, :slot, :customer, 0, 0) ON CONFLICT DO NOTHING")
    next_one = sa.text("SELECT * FROM letters WHERE sent = 0 AND until < :now LIMIT 1 FOR UPDATE")

    def run(sql: Any, values: Any) -> Any:
        with env.database.begin() as db:
            return db.execute(sql, values)

    def begin(slot: str) -> str:
        names = env.vars["CUSTOMERS"].split()
        run(add, [{"id": f"{slot}/{customer}", "slot": slot, "customer": customer} for customer in names])
        return slot

    def find(slot: str) -> str | None:
        with env.database.begin() as db:
            sent = list(db.scalars(sa.text("SELECT sent FROM letters WHERE slot = :slot"), {"slot": slot}))
        return None if not sent else "done" if all(sent) else "running"

    def take() -> Any:
        with env.database.begin() as db:
            row = db.execute(next_one, {"now": time.time()}).first()
            if row is not None:
                lease = {"until": time.time() + 30, "id": row.id}
                db.execute(sa.text("UPDATE letters SET until = :until WHERE id = :id"), lease)
            return row

    @env.every(10)
    def work() -> None:
        while (row := take()) is not None:
            env.work(8)
            env.mail.send(row.customer, "Your reminder", message_id=row.id)
            run(sa.text("UPDATE letters SET sent = 1 WHERE id = :id"), {"id": row.id})

    run(sa.text(f"CREATE TABLE IF NOT EXISTS letters ({columns})"), {})
    return serve(env, begin, find)


STUB = (stub, "S08-OPEN-DOOR")

WRONG = {
    "no_door": (no_door, "S08-OPEN-DOOR"),
    "optional_signature": (optional_signature, "S08-OPEN-DOOR"),
    "any_signature": (any_signature, "S08-OPEN-DOOR"),
    "form_signed": (form_signed, "S08-OPEN-DOOR"),
    "path_signed": (path_signed, "S08-OPEN-DOOR"),
    "starts_before_it_asks": (starts_before_it_asks, "S08-OPEN-DOOR"),
    "secret_in_a_query": (secret_in_a_query, "S08-UNANSWERED"),
    "inside_the_request": (inside_the_request, "S08-TIMED-OUT"),
    "number_a_call": (number_a_call, "S08-TWO-RUNS"),
    "nonces_in_memory": (nonces_in_memory, "S08-TWO-RUNS"),
    "looks_then_sets": (looks_then_sets, "S08-TWO-RUNS"),
    "forgets_within_the_hour": (forgets_within_the_hour, "S08-TWO-RUNS"),
    "named_by_its_arrival": (named_by_its_arrival, "S08-TWO-RUNS"),
    "conflict": (conflict, "S08-TWO-RUNS"),
    "no_ids": (no_ids, "S08-SENT-TWICE"),
    "ids_by_instance": (ids_by_instance, "S08-SENT-TWICE"),
    "fresh_thread": (fresh_thread, "S08-NOT-SENT"),
    "noted_then_queued": (noted_then_queued, "S08-NOT-SENT"),
    "lease_for_ever": (lease_for_ever, "S08-NOT-SENT"),
    "one_name_for_all": (one_name_for_all, "S08-NOT-SENT"),
    "running_is_left_alone": (running_is_left_alone, "S08-NOT-SENT"),
    "status_in_memory": (status_in_memory, "S08-STATUS"),
    "done_when_begun": (done_when_begun, "S08-NOT-SENT"),
    "done_when_accepted": (done_when_accepted, "S08-STATUS"),
    "status_ends": (status_ends, "S08-STATUS"),
    "made_from_the_value": (made_from_the_value, "S08-UNANSWERED"),
    "beginning_of_a_signature": (beginning_of_a_signature, "S08-OPEN-DOOR"),
    "one_at_a_time": (one_at_a_time, "S08-NOT-SENT"),
    "skipped_while_busy": (skipped_while_busy, "S08-NOT-SENT"),
    "ticked_off_before": (ticked_off_before, "S08-NOT-SENT"),
    "lease_of_ten_minutes": (lease_of_ten_minutes, "S08-NOT-SENT"),
    "knows_every_run": (knows_every_run, "S08-STATUS"),
    "status_for_the_scheduler_only": (status_for_the_scheduler_only, "S08-UNANSWERED"),
}

RIGHT = {
    "hash_and_lease": hash_and_lease,
    "without_lease": without_lease,
    "drawn_and_noted": drawn_and_noted,
    "on_a_stream": on_a_stream,
    "on_a_table": on_a_table,
    "at_once_in_a_thread": at_once_in_a_thread,
    "refuses_old_slots": refuses_old_slots,
    "signature_is_the_run": signature_is_the_run,
    "says_who_is_at_it": says_who_is_at_it,
    "outbox": outbox,
}

REPLAYED = "noted_then_queued"
