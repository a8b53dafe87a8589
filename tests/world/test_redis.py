"""Redis inside the simulation: steps, faults, failures, death, virtual time, one order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
import redis_fixtures
from redis.backoff import ConstantBackoff
from redis.exceptions import LockNotOwnedError, ResponseError, WatchError
from redis.retry import Retry

from fleetlab.sim import Deadlock, Process, Simulation
from fleetlab.world.network import Network
from fleetlab.world.redis import RedisServer, options, real_client
from fleetlab.world.redis_words import batch_text, command_text, reply_text, touches, touches_of_batch

Bench, redis_bench = redis_fixtures.Bench, redis_fixtures.redis_bench

# -- steps and their text


def test_each_command_is_one_step(redis_bench):
    """A command is one event: who, what, where to, and what came back; a handshake is none."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("cart:ada", "tea", ex=1800)
        r.get("cart:ada")
        r.get("cart:bob")
        r.rpush("jobs", 1, 2)
        r.lrange("jobs", 0, -1)
        r.hgetall("none")

    redis_bench.call(work)
    assert redis_bench.steps() == [
        "SET cart:ada tea EX 1800 = OK",
        "GET cart:ada = tea",
        "GET cart:bob = (nil)",
        "RPUSH jobs 1 2 = 2",
        "LRANGE jobs 0 -1 = [1, 2]",
        "HGETALL none = {}",
    ]
    event = redis_bench.sim.trace.events[0]
    assert (event.who, event.kind, event.to, event.touches) == ("shop-1", "call", "redis", ("redis", "cart:ada", "w"))
    assert event.line.endswith('r.set("cart:ada", "tea", ex=1800)')


def test_transaction_is_one_step(redis_bench):
    """A pipeline travels as a whole: its commands can be read in one event."""
    r = redis_bench.client("shop-1")

    def work():
        with r.pipeline() as pipe:
            pipe.set("a", 1).incr("a").execute()
        with r.pipeline(transaction=False) as pipe:
            pipe.set("b", 1).get("b").execute()

    redis_bench.call(work)
    assert redis_bench.steps() == ["MULTI; SET a 1; INCRBY a 1; EXEC = [OK, 2]", "SET b 1; GET b = [OK, 1]"]
    assert [event.touches[1] for event in redis_bench.sim.trace] == ["a", "b"]


def test_pipelines_can_be_split():
    """A server that splits pipelines takes one step a command, but for transactions."""
    bench = Bench()
    r = RedisServer(bench.sim, bench.network, split_pipelines=True).client()

    def work():
        with r.pipeline(transaction=False) as pipe:
            assert pipe.set("b", 1).get("b").execute() == [True, "1"]
        with r.pipeline() as pipe:
            assert pipe.set("b", 1).get("b").execute() == [True, "1"]

    bench.call(work)
    assert bench.steps() == ["SET b 1 = OK", "GET b = 1", "MULTI; SET b 1; GET b; EXEC = [OK, 1]"]


def test_others_run_before_the_effect(redis_bench):
    """A command takes effect at the end of its step, not at its beginning."""
    r = redis_bench.client("shop-1")
    redis_bench.network.slow("redis", 1.0, 1.0)
    seen = []

    def look():
        time.sleep(0.5)
        seen.append(redis_bench.server.client().get("cart"))

    redis_bench.shop("shop-1").spawn(r.set, "cart", "tea")
    redis_bench.shop("shop-2").spawn(look)
    redis_bench.sim.run(until=0.9)
    assert redis_bench.server.client().get("cart") is None
    redis_bench.sim.run()
    assert seen == ["tea"]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("GET", "cart"), ("redis", "cart", "r")),
        (("SET", b"cart", 1), ("redis", "cart", "w")),
        (("DEL", "cart"), ("redis", "cart", "w")),
        (("DEL", "cart", "user"), ("redis", "*", "w")),
        (("MGET", "cart", "user"), ("redis", "*", "r")),
        (("BLPOP", "jobs", 5), ("redis", "jobs", "w")),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "orders", ">"), ("redis", "orders", "w")),
        (("XREAD", "BLOCK", 5, "streams", "orders", "$"), ("redis", "orders", "r")),
        (("XREAD", "STREAMS", "a", "b", "0", "0"), ("redis", "*", "w")),
        (("XGROUP CREATE", "orders", "g", "$"), ("redis", "orders", "w")),
        (("EVAL", "return 1", 1, "cart"), ("redis", "*", "w")),
        (("PUBLISH", "news", "x"), ("redis", "*", "w")),
        (("FLUSHALL",), ("redis", "*", "w")),
    ],
)
def test_what_a_command_touches(args, expected):
    """One key if it is surely one; everything otherwise."""
    assert touches("redis", args) == expected


def test_what_a_transaction_touches():
    """The keys of its commands and those it watches."""
    batch = [("MULTI",), ("GET", "a"), ("EXEC",)]
    assert touches_of_batch("redis", batch, []) == ("redis", "a", "r")
    assert touches_of_batch("redis", [*batch, ("SET", "a", 1)], [b"a"]) == ("redis", "a", "w")
    assert touches_of_batch("redis", batch, [b"b"]) == ("redis", "*", "r")


def test_texts_are_short():
    """Long values, scripts and digests are cut, long pipelines counted."""
    assert command_text(("SET", "cart", "x" * 100)) == "SET cart " + "x" * 50 + "…"
    assert command_text(("EVAL", "local x = 1\n  return redis.call('get', KEYS[1])", 1, b"a")) == (
        "EVAL local x = 1 return redis.call… 1 a"
    )
    assert command_text(("EVALSHA", "0123456789" * 4, 0)) == "EVALSHA 01234567… 0"
    batch = [("MULTI",), *[("SET", f"key:{i}", "v" * 30) for i in range(9)], ("EXEC",)]
    assert batch_text(batch) == (f"MULTI; SET key:0 {'v' * 30}; SET key:1 {'v' * 30}; 7 more; EXEC")
    assert reply_text([b"a", None, [1, {b"k": 2.5}]]) == "[a, (nil), [1, {k: 2.5}]]"


def test_ttl_is_a_bar(redis_bench):
    """A time to live is drawn from its beginning to its end, wherever that moves."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("session", "ada", ex=10)
        time.sleep(4)
        r.expire("session", 10)
        r.set("lease", "me", ex=10)
        r.delete("lease")

    redis_bench.call(work)
    bars = [(event.who, event.what, round(event.until, 1)) for event in redis_bench.sim.trace if event.kind == "ttl"]
    assert bars == [("redis", "session", 14.0), ("redis", "lease", 4.0)]


# -- faults


class Faulty:
    """A schedule that answers the steps with faults from a list, in order."""

    explores = True

    def __init__(self, *faults):
        self.faults = list(faults)
        self.tie = random.Random(1).random

    def latency(self, bounds):
        """Steps take no time."""
        return 0.0

    def choose(self, options):
        """The first goes on."""
        return options[0]

    def at_step(self, task, others, step):
        """Answer with the next fault."""
        fault = self.faults.pop(0) if self.faults else ""
        return (lambda sim, task, step: fault) if fault else None


def _faulty(*faults):
    sim = Simulation(schedule=Faulty(*faults))
    return sim, RedisServer(sim, Network(sim)).client()


def test_lost_reply_counts_once(redis_bench):
    """With a lost reply the command has taken effect, and the client sees a timeout after five seconds."""
    sim, r = _faulty("lost reply")

    def work():
        with pytest.raises(redis.TimeoutError, match=r"^Timeout reading from socket$"):
            r.incr("n")
        assert time.monotonic() == 5.0
        return r.get("n")

    assert sim.run(until=sim.spawn(work, name="shop-1")) == "1"
    assert [(e.kind, e.what, e.reply) for e in sim.trace] == [
        ("call", "INCRBY n 1", "1 (lost)"),
        ("fault", "lost reply: INCRBY n 1", ""),
        ("call", "GET n", "1"),
    ]


def test_lost_reply_with_retries_counts_twice():
    """A client that retries does it again: the same fault, two increments."""
    sim = Simulation(schedule=Faulty("lost reply"))
    r = RedisServer(sim, Network(sim)).client(retry=Retry(ConstantBackoff(1), 3))
    assert sim.run(until=sim.spawn(r.incr, "n")) == 2
    assert sim.now == 6.0


def test_late_effect_comes_after_the_retry(redis_bench):
    """With a late effect nothing has happened at the timeout; it happens later, whatever was done meanwhile."""
    sim, r = _faulty("late effect")

    def work():
        with pytest.raises(redis.TimeoutError):
            r.set("owner", "first")
        assert (time.monotonic(), r.get("owner")) == (5.0, None)
        r.set("owner", "second")
        time.sleep(40)
        return r.get("owner")

    assert sim.run(until=sim.spawn(work, name="shop-1")) == "first"
    late = [e for e in sim.trace if e.reply.endswith("(late)")]
    assert [(e.time, e.who, e.what, e.reply) for e in late] == [(30.0, "shop-1", "SET owner first", "OK (late)")]


def test_late_transaction_is_still_guarded():
    """A transaction that arrives late is not executed if what it watched has changed meanwhile."""
    sim = Simulation(schedule=Faulty("", "late effect"))
    r = RedisServer(sim, Network(sim)).client()

    def work():
        with r.pipeline() as pipe:
            pipe.watch("stock")
            pipe.multi()
            pipe.set("stock", 1)
            with pytest.raises(WatchError, match="A TimeoutError occurred while watching"):
                pipe.execute()
        r.set("stock", 7)
        time.sleep(60)
        return r.get("stock")

    assert sim.run(until=sim.spawn(work, name="shop-1")) == "7"
    assert "MULTI; SET stock 1; EXEC = (nil) (late)" in [f"{e.what} = {e.reply}" for e in sim.trace]


def test_late_effect_survives_its_sender():
    """A command that is on its way arrives although its sender has died."""
    sim = Simulation(schedule=Faulty("late effect"))
    server, shop = RedisServer(sim, Network(sim)), Process(sim, "shop-1")
    shop.spawn(server.client(shop).set, "owner", "dead")
    sim.run(until=2)
    shop.kill()
    sim.run()
    assert (sim.now, server.client().get("owner")) == (30.0, "dead")


# -- outages and partitions


def test_outage_refuses_and_recovers(redis_bench):
    """During an outage a call fails at once, in redis-py's words; after it the same client finds its data."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("cart", "tea")
        redis_bench.server.outage(10)
        with pytest.raises(redis.ConnectionError) as error:
            r.get("cart")
        assert str(error.value) == "Error 111 connecting to redis:6379. Connection refused."
        assert time.monotonic() < 0.1
        time.sleep(10)
        return r.get("cart")

    assert redis_bench.call(work) == "tea"
    assert redis_bench.steps() == ["SET cart tea = OK", "GET cart = refused", "GET cart = tea"]
    outage = next(event for event in redis_bench.sim.trace if event.kind == "outage")
    assert (outage.who, round(outage.until, 2)) == ("redis", 10.0)


def test_outage_may_lose_data(redis_bench):
    """A server that comes back empty has neither keys nor scripts."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("cart", "tea")
        digest = r.script_load("return 1")
        redis_bench.server.outage(1, lose_data=True)
        time.sleep(1)
        return r.get("cart"), r.script_exists(digest)

    assert redis_bench.call(work) == (None, [False])


def test_outage_drops_who_waits(redis_bench):
    """Whoever is blocked or listening when the server goes away is told at once."""
    r = redis_bench.client("shop-1")
    failures = []

    def wait(call):
        with pytest.raises(redis.ConnectionError) as error:
            call()
        failures.append((redis_bench.sim.now, str(error.value)))

    def listen():
        p = r.pubsub(ignore_subscribe_messages=True)
        p.subscribe("news")
        list(p.listen())

    for call in (lambda: r.blpop("jobs", timeout=4), listen):
        redis_bench.shop("shop-1").spawn(wait, call)
    redis_bench.sim.run(until=2)
    redis_bench.server.outage(5)
    redis_bench.sim.run()
    refused = "Error 111 connecting to redis:6379. Connection refused."  # a subscriber connects again at once
    assert sorted(failures) == [(2.0, "Connection closed by server."), (2.0, refused)]


def test_outage_ends_a_watch(redis_bench):
    """A transaction whose connection was lost since WATCH must be tried again."""
    r = redis_bench.client("shop-1")

    def work():
        with r.pipeline() as pipe:
            pipe.watch("stock")
            redis_bench.server.outage(1)
            time.sleep(2)
            pipe.multi()
            pipe.set("stock", 1)
            with pytest.raises(WatchError, match="A ConnectionError occurred while watching"):
                pipe.execute()
        return r.get("stock")

    assert redis_bench.call(work) is None


def test_partition_times_out(redis_bench):
    """Across a partition a call fails after the socket timeout, for that shop alone, until it is healed."""
    one, two = redis_bench.client("shop-1"), redis_bench.client("shop-2")

    def work():
        one.set("cart", "tea")
        redis_bench.network.partition("shop-1", "redis")
        begin = time.monotonic()
        for message in ("Timeout reading from socket", "Timeout connecting to server"):
            with pytest.raises(redis.TimeoutError, match=rf"^{message}$"):
                one.set("cart", "milk")
        waited = time.monotonic() - begin
        redis_bench.network.heal()
        return round(waited, 1), one.get("cart")

    redis_bench.shop("shop-2").spawn(lambda: [time.sleep(3), two.set("other", 1)])
    assert redis_bench.call(work) == (10.0, "tea")
    assert two.get("other") == "1"
    assert "SET cart milk = no answer" in redis_bench.steps()


def test_partition_swallows_what_was_popped(redis_bench):
    """What a blocked client behind a partition is given is popped, and never arrives."""
    r = redis_bench.client("shop-1", socket_timeout=20)

    def work():
        with pytest.raises(redis.TimeoutError):
            r.blpop("jobs", timeout=15)

    task = redis_bench.shop("shop-1").spawn(work)
    redis_bench.sim.run(until=1)
    redis_bench.network.partition("shop-1", "redis")
    boss = redis_bench.server.client()
    boss.rpush("jobs", "a")
    redis_bench.sim.run(until=task)
    assert (boss.llen("jobs"), round(redis_bench.sim.now)) == (0, 20)


# -- death


def test_killed_process_releases_nothing(redis_bench):
    """After SIGKILL neither `with` nor `finally` reaches the server: a lock stays until its time is over."""
    r = redis_bench.client("shop-1")

    def work():
        try:
            with r.lock("job", timeout=30):
                time.sleep(100)
        finally:
            r.set("cleaned", "up")

    redis_bench.shop("shop-1").spawn(work)
    redis_bench.sim.run(until=10)
    redis_bench.shop("shop-1").kill()
    look = redis_bench.server.client()
    assert (look.exists("job"), look.exists("cleaned")) == (1, 0)
    redis_bench.sim.run(until=31)
    assert look.exists("job") == 0


def test_killed_before_its_effect(redis_bench):
    """A command whose step has begun, but not ended, does not happen."""
    redis_bench.network.slow("redis", 1.0, 1.0)
    redis_bench.shop("shop-1").spawn(redis_bench.client("shop-1").set, "cart", "tea")
    redis_bench.sim.run(until=0.5)
    redis_bench.shop("shop-1").kill()
    redis_bench.sim.run()
    assert redis_bench.server.client().get("cart") is None


def test_killed_process_closes_its_connections(redis_bench):
    """A dead subscriber hears nothing, a dead worker takes no job, a dead watcher is forgotten."""
    r = redis_bench.client("shop-1")

    def listen():
        p = r.pubsub()
        p.subscribe("news")
        list(p.listen())

    def watch():
        with r.pipeline() as pipe:
            pipe.watch("stock")
            time.sleep(100)

    shop = redis_bench.shop("shop-1")
    for work in (listen, watch, lambda: r.blpop("jobs", timeout=4)):
        shop.spawn(work)
    redis_bench.sim.run(until=1)
    look = redis_bench.server.client()
    assert look.publish("news", "still there") == 1
    shop.kill()
    assert (look.publish("news", "x"), look.rpush("jobs", "a"), look.llen("jobs")) == (0, 1, 1)
    assert look.pubsub_channels() == []
    assert len(look.client_list()) == 1


def test_death_is_silent(redis_bench, capsys):
    """Nothing of redis-py complains while a process dies in the middle of a transaction."""
    r = redis_bench.client("shop-1")

    def work():
        pipe = r.pipeline()
        pipe.watch("stock")
        time.sleep(100)

    redis_bench.shop("shop-1").spawn(work)
    redis_bench.sim.run(until=1)
    redis_bench.shop("shop-1").kill()
    redis_bench.sim.run()
    assert capsys.readouterr().err == ""


def test_disconnect_is_noticed_by_the_living(redis_bench):
    """A process whose connections are cut connects again by itself; a command under way fails."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("cart", "tea")
        redis_bench.server.disconnect(redis_bench.shop("shop-1"))
        return r.get("cart")

    assert redis_bench.call(work) == "tea"


# -- virtual time


def test_waiting_takes_no_real_time(redis_bench):
    """Hours of blocking pass at once."""
    r = redis_bench.client("shop-1", socket_timeout=None)
    begin = time.perf_counter()
    assert redis_bench.call(r.blpop, "jobs", 7200) is None
    assert time.perf_counter() - begin < 1
    assert round(redis_bench.sim.now) == 7200


def test_blocking_is_bounded_by_the_socket_timeout(redis_bench):
    """A client with the usual options waits five seconds for a reply, and no longer."""
    r = redis_bench.client("shop-1")

    def work():
        with pytest.raises(redis.TimeoutError):
            r.blpop("jobs", timeout=0)

    redis_bench.call(work)
    assert round(redis_bench.sim.now, 2) == 5.0


def test_waiting_for_ever_is_a_deadlock(redis_bench):
    """When nobody can push any more, the report says who waits for what."""
    r = redis_bench.client("shop-1", socket_timeout=None)
    with pytest.raises(Deadlock, match="shop-1 waits for 'BLPOP jobs 0' of redis at line"):
        redis_bench.call(lambda: r.blpop("jobs", timeout=0))


def test_idle_poll_takes_time(redis_bench):
    """A loop that looks for messages without waiting gets on in time."""
    r = redis_bench.client("shop-1")

    def work():
        p = r.pubsub(ignore_subscribe_messages=True)
        p.subscribe("news")
        while (message := p.get_message()) is None:
            pass
        return message["data"]

    redis_bench.shop("shop-2").spawn(lambda: [time.sleep(1), redis_bench.client("shop-2").publish("news", "x")])
    assert redis_bench.call(work) == "x"


def test_background_reader_is_a_task(redis_bench):
    """`run_in_thread` needs no real thread."""
    r, seen = redis_bench.client("shop-1"), []
    threads = threading.active_count()

    def work():
        p = r.pubsub()
        p.subscribe(news=lambda message: seen.append(message["data"]))
        reader = p.run_in_thread(sleep_time=0.1, daemon=True)
        time.sleep(1)
        r.publish("news", "x")
        time.sleep(1)
        reader.stop()
        reader.join()

    redis_bench.call(work)
    assert (seen, threading.active_count()) == (["x"], threads)


def test_expiry_follows_the_server_clock(redis_bench):
    """A process with a wrong clock changes nothing about when its keys expire."""
    shop = redis_bench.shop("shop-1")
    shop.offset, shop.rate = 3600.0, 2.0
    r = redis_bench.client("shop-1")

    def work():
        r.set("lease", "me", ex=10)
        return r.ttl("lease"), r.time()[0] - int(time.time())

    assert redis_bench.call(work) == (10, -3600)
    redis_bench.sim.run(until=9)
    assert r.exists("lease") == 1
    redis_bench.sim.run(until=11)
    assert r.exists("lease") == 0


def test_outside_a_task_commands_just_run(redis_bench):
    """Preparation outside takes no step, and its keys expire in the simulation's time."""
    r = redis_bench.server.client()
    redis_bench.sim.run(until=100)
    r.set("session", "ada", ex=10)
    assert (r.ttl("session"), len(redis_bench.steps())) == (10, 0)
    redis_bench.sim.run(until=105)
    assert r.get("session") == "ada"
    redis_bench.sim.run(until=111)
    assert r.get("session") is None


def test_outside_a_task_nobody_waits(redis_bench):
    """A command that would have to wait is refused, with the way out."""
    r = redis_bench.server.client()
    sentence = "wait inside a task, with world.call"
    with pytest.raises(RuntimeError, match=sentence):
        r.blpop("jobs", timeout=1)
    p = r.pubsub(ignore_subscribe_messages=True)
    p.subscribe("news")
    p.get_message()
    with pytest.raises(RuntimeError, match=sentence):
        p.get_message(timeout=1)
    r.rpush("jobs", "a")
    assert r.blpop("jobs", timeout=1) == ("jobs", "a")


# -- one order


SCENARIO = """
import sys
sys.path.insert(0, {folder!r})
from redis_fixtures import Bench
import time

bench = Bench(seed=5)

def shop(name):
    r = bench.client(name)
    r.sadd("set", *"abcdefgh")
    r.spop("set"), r.srandmember("set", 3), r.randomkey(), r.smembers("set")
    with r.lock("job", timeout=5, sleep=0.01):
        r.incr("n")
    p = r.pubsub()
    p.subscribe("news", "other")
    p.psubscribe("n*")
    r.publish("news", name)
    while p.get_message(timeout=0.05):
        pass
    p.close()
    r.client_id()
    with r.pipeline() as pipe:
        for i in range(4):
            r.register_script(f"return {{i}}")(client=pipe)
        pipe.execute()
    r.blpop("jobs", timeout=1)
    r.hset("h", mapping={{"a": 1, "b": 2}}), r.hrandfield("h"), r.xadd("s", {{"n": 1}})

for i in range(3):
    bench.shop(f"shop-{{i}}").spawn(shop, f"shop-{{i}}")
bench.sim.spawn(lambda: [time.sleep(0.5), bench.server.client().rpush("jobs", 1, 2)], name="boss")
bench.sim.run()
print(bench.sim.trace)
"""


def test_one_order_whatever_the_hash_seed():
    """The same seed gives the same trace, to the byte, in processes that hash differently."""
    code = SCENARIO.format(folder=str(Path(__file__).parent))
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(texts) == 1
    assert b"shop-2" in texts.pop()


def test_messages_are_delivered_in_order_of_subscription(redis_bench):
    """Subscribers get a message in the order in which they subscribed."""
    seen = []

    def listen(name):
        r = redis_bench.client(name)
        p = r.pubsub(ignore_subscribe_messages=True)
        p.subscribe("news")
        redis_bench.sim.sleep(5)
        p.get_message(timeout=60)
        seen.append(name)

    names = [f"shop-{i}" for i in range(9)]
    for name in names:
        redis_bench.shop(name).spawn(listen, name)
        redis_bench.sim.run(until=redis_bench.sim.now + 0.1)
    sockets = list(redis_bench.server._store.subscribers[b"news"])
    assert [socket.owner.name for socket in sockets] == names
    redis_bench.server.client().publish("news", "x")
    redis_bench.sim.run()
    assert sorted(seen) == names


def test_members_of_a_set_have_an_order(redis_bench):
    """A loop over a set's members is the same in every run; otherwise they are a set."""
    r = redis_bench.server.client()
    r.sadd("basket", "tea", "milk", "honey", "bread")
    r.srem("basket", "milk")
    members = r.smembers("basket")
    assert (list(members), repr(members)) == (["tea", "honey", "bread"], "{'tea', 'honey', 'bread'}")
    assert members == {"bread", "honey", "tea"}
    assert isinstance(members, set)


def test_attempts_and_keys_can_be_counted(redis_bench):
    """The server knows how often it was tried, also in vain, and how many keys it holds."""
    r = redis_bench.client("shop-1")

    def work():
        r.set("a", 1)
        r.set("b", 1, ex=5)
        redis_bench.server.outage(1)
        with pytest.raises(redis.ConnectionError):
            r.get("a")

    redis_bench.call(work)
    assert (redis_bench.server.attempts, redis_bench.server.size()) == (3, 2)
    redis_bench.sim.run(until=6)
    assert redis_bench.server.size() == 1


def test_client_costs_no_randomness(redis_bench):
    """Making a client leaves the random numbers of its process alone."""

    def work():
        redis_bench.server.client(max_connections=7).get("cart")
        return random.random()

    assert redis_bench.call(work) == Bench().call(random.random)


# -- reset


def test_reset_empties_everything():
    """After a reset there are no keys, scripts, groups, subscribers or clients, and nobody is blocked."""
    bench = Bench()
    r = bench.client("shop-1")

    def work():
        r.set("cart", "tea", ex=10)
        r.script_load("return 1")
        r.execute_command("SELECT", 3)
        p = r.pubsub()
        p.subscribe("news")
        r.blpop("jobs", timeout=4)

    bench.shop("shop-1").spawn(work)
    bench.sim.run(until=1)
    bench.sim.close()
    bench.server.reset()
    look = bench.server.client()
    assert (look.keys(), look.publish("news", 1), look.pubsub_channels()) == ([], 0, [])
    assert look.script_exists("e0e1f9fabfc9d4800c877a703b823ac0578ff8db") == [False]
    assert look.rpush("jobs", "a") == look.llen("jobs") == 1
    assert (look.client_id(), look.client_list()[0]["db"], look.lrange("jobs", 0, 0)) == (1, "0", ["a"])


def test_clients_are_given_out_again():
    """After a reset the same clients serve new processes over the connections they have."""
    bench = Bench()
    r = bench.client("shop-1")
    bench.call(r.set, "cart", "tea")
    socket = r.connection_pool._available_connections[0]._sock
    sim = Simulation(seed=2)
    bench.server.attach(sim, Network(sim))
    shop = Process(sim, "shop-9")
    again = bench.server.client(shop)
    assert again is r
    assert sim.run(until=shop.spawn(again.get, "cart")) is None
    assert r.connection_pool._available_connections[0]._sock is socket
    assert [(event.who, event.what) for event in sim.trace] == [("shop-9", "GET cart")]
    shop.kill()
    assert socket.closed


def test_every_schedule_is_alike():
    """The hundredth use of a server gives the same trace as its first."""
    sim = Simulation(seed=3)
    server = RedisServer(sim, Network(sim))
    texts = set()
    for _ in range(100):
        sim = Simulation(seed=3)
        server.attach(sim, Network(sim))
        for name in ("shop-1", "shop-2"):
            shop = Process(sim, name)
            shop.spawn(_use, server.client(shop))
            shop.spawn(_use, server.client(shop))
        sim.run(until=2)
        sim.close()
        texts.add(str(sim.trace))
    assert len(texts) == 1


def _use(r):
    p = r.pubsub()
    p.subscribe("news")
    with r.pipeline() as pipe:
        pipe.watch("cart")
        r.client_id()
        pipe.multi()
        pipe.set("cart", r.client_id(), ex=3)
        r.publish("news", "x")
        pipe.execute(raise_on_error=False) if r.exists("cart") else pipe.reset()
    with r.lock("job", timeout=1):
        r.spop("none")
    r.eval("return math.random(100)", 0)
    p.get_message(timeout=9)
    r.blpop("jobs", timeout=4)


def test_what_is_left_of_an_old_schedule_does_no_harm():
    """An object that outlives its schedule cannot touch a connection of the next one."""
    bench = Bench()
    r = bench.client("shop-1")
    p = r.pubsub()
    p.subscribe("news")
    bench.server.reset()
    q = bench.client("shop-1").pubsub()
    q.subscribe("news")
    p.close()
    del p
    assert bench.server.client().publish("news", "x") == 1


def test_another_simulation_is_refused(redis_bench):
    """A task of one simulation cannot call the Redis of another."""
    other = Simulation()
    with pytest.raises(RuntimeError, match="belongs to another simulation"):
        other.run(until=other.spawn(redis_bench.server.client().get, "cart"))


# -- options and refusals


def test_options_are_the_same_for_real():
    """Simulated and real clients share one policy: decoded, five seconds, no retries."""
    simulated = Bench().server.client().connection_pool.connection_kwargs
    real = real_client("redis://somewhere:1").connection_pool.connection_kwargs
    for name, value in options().items():
        assert simulated[name] == real[name] == value
    assert real["retry"].get_retries() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.client_pause(10),
        lambda r: r.config_set("maxmemory", "1mb"),
        lambda r: r.execute_command("OBJECT", "FREQ", "cart"),
        lambda r: r.info(),
    ],
)
def test_what_it_cannot_do_is_refused(redis_bench, call):
    """Nothing is silently ignored: one sentence says what is missing."""
    with pytest.raises(ResponseError, match=r"^The simulated Redis cannot do this: .* Run it against a real Redis.$"):
        call(redis_bench.server.client())


def test_keyspace_notifications_are_refused(redis_bench):
    """Subscribing to what never comes is an error."""
    p = redis_bench.server.client().pubsub()
    p.psubscribe("__keyevent@0__:expired")
    with pytest.raises(ResponseError, match="it sends no keyspace notifications"):
        p.get_message()


def test_waiting_for_replicas_is_in_vain(redis_bench):
    """WAIT finds no replica, after its timeout."""
    r = redis_bench.client("shop-1")
    assert redis_bench.call(lambda: (r.wait(0, 1000), r.wait(1, 1000))) == (0, 0)
    assert round(redis_bench.sim.now, 1) == 1.0


def test_password_is_checked(redis_bench):
    """A server with a password turns away who does not know it."""
    redis_bench.server.client().config_set("requirepass", "secret")
    good = redis_bench.client("shop-1", password="secret")
    assert redis_bench.call(good.ping) is True


def test_single_connection_client(redis_bench):
    """A client of one connection serves its tasks one after another."""
    r = redis_bench.client("shop-1", single_connection_client=True)
    shop = redis_bench.shop("shop-1")
    tasks = [shop.spawn(r.incr, "n") for _ in range(5)]
    redis_bench.sim.run()
    assert sorted(task.value() for task in tasks) == [1, 2, 3, 4, 5]


def test_names_hold_no_addresses(redis_bench):
    """What a notebook shows of a client is the same in every run."""
    assert repr(redis_bench.server) == "<Redis redis>"
    assert "0x" not in repr(redis_bench.server.client())


def test_expired_lock_in_the_middle(redis_bench):
    """A pause longer than the lease lets another in, and the first learns of it at its release."""
    one, two = redis_bench.client("shop-1"), redis_bench.client("shop-2")

    def slow():
        lock = one.lock("job", timeout=2)
        lock.acquire()
        redis_bench.shop("shop-1").pause(10)
        one.incr("n")
        with pytest.raises(LockNotOwnedError):
            lock.release()

    def quick():
        time.sleep(3)
        with two.lock("job", timeout=30):
            time.sleep(20)

    redis_bench.shop("shop-1").spawn(slow)
    redis_bench.shop("shop-2").spawn(quick)
    redis_bench.sim.run()
