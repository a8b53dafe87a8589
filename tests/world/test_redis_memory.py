"""maxmemory: what is refused, what is evicted, and that a real Redis refuses the same."""

from __future__ import annotations

import time

import pytest
import redis
import redis_fixtures
import redis_servers
from redis.exceptions import ExecAbortError, OutOfMemoryError, ResponseError

from fleetlab.world.redis_corrections import _may_grow
from fleetlab.world.redis_words import _READS, _WRITES

Bench, redis_bench = redis_fixtures.Bench, redis_fixtures.redis_bench


def simulated_full():
    """Return a client of a simulated Redis that holds more than it may, and the way to run in it."""
    bench = Bench()
    r = bench.client("shop-1")
    bench.call(lambda: (r.set("a", "1"), r.set("b", "2"), r.rpush("list", "x")))
    bench.server.maxmemory(2)
    return r, bench.call


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.real)])
def full(request, tmp_path):
    """A client of a Redis that is full and evicts nothing, and the way to run a function in it."""
    if request.param == "simulated":
        yield simulated_full()
        return
    with redis_servers.redis_server(str(tmp_path)) as r:
        r.set("a", "1")
        r.set("b", "2")
        r.rpush("list", "x")
        r.config_set("maxmemory", 1)
        yield r, lambda f: f()


GROWING = {
    "SET": lambda r: r.set("c", "3"),
    "SET of an old key": lambda r: r.set("a", "3"),
    "INCR": lambda r: r.incr("a"),
    "HSET": lambda r: r.hset("h", "a", "1"),
    "LPUSH": lambda r: r.lpush("list", "y"),
    "XADD": lambda r: r.xadd("s", {"a": 1}),
    "a script that writes": lambda r: r.eval("return redis.call('SET', 'c', '3')", 0),
}


@pytest.mark.parametrize("what", GROWING)
def test_full_store_refuses_what_may_grow(full, what):
    """Without eviction a command that may need memory fails, in Redis's words."""
    r, run = full
    with pytest.raises(OutOfMemoryError) as error:
        run(lambda: GROWING[what](r))
    assert str(error.value).startswith("command not allowed when used memory > 'maxmemory'.")


def test_full_store_reads_and_deletes(full):
    """Reading, deleting, and setting an end need no memory."""
    r, run = full
    answers = run(lambda: [r.get("a"), r.expire("a", 100), r.ttl("a"), r.lpop("list"), r.delete("a"), r.mget("a", "b")])
    assert answers == ["1", True, 100, "x", 1, [None, "2"]]


def test_full_store_refuses_a_transaction(full):
    """A transaction with a write that was refused runs none of its commands."""
    r, run = full

    def both():
        with r.pipeline() as pipe:
            pipe.delete("b").set("a", "3").execute()

    with pytest.raises((OutOfMemoryError, ExecAbortError)) as error:
        run(both)
    assert "command not allowed when used memory > 'maxmemory'" in str(error.value)
    assert run(lambda: r.mget("a", "b")) == ["1", "2"]


@pytest.mark.real
def test_real_redis_flags_the_same_commands(tmp_path):
    """What may grow is what a real Redis flags as such, of all commands it knows."""
    with redis_servers.redis_server(str(tmp_path)) as r:
        flags = {name: "denyoom" in more["flags"] for name, more in r.command().items()}
    known = [name for name in (*_READS, *_WRITES) if name in flags]
    assert len(known) > 90
    assert [name for name in known if _may_grow(name.encode(), False) != flags[name]] == []


def test_freed_store_takes_writes_again(redis_bench):
    """Room is what matters, not what was refused before; a write may go over the limit by itself."""
    r = redis_bench.client("shop-1")
    redis_bench.server.maxmemory(1)
    answers = redis_bench.call(lambda: [r.set("a", 1), r.set("b", 1), r.delete("a"), r.set("b", 2)])
    assert answers == [True, True, 1, True]


def test_longest_unused_key_goes_first(redis_bench):
    """allkeys-lru evicts the key that nobody has used for longest, when the next command comes."""
    r = redis_bench.client("shop-1")

    def work():
        redis_bench.server.maxmemory(3, "allkeys-lru")
        r.mset({"a": 1, "b": 1, "c": 1})
        r.get("a")
        r.ttl("b")  # looks, and uses nothing
        r.set("d", 1)
        return redis_bench.server.size(), sorted(r.keys()), redis_bench.server.size()

    assert redis_bench.call(work) == (4, ["a", "c", "d"], 3)
    assert [event.what for event in redis_bench.sim.trace if event.kind == "note"] == ["evicts b"]


def test_evicted_key_ends_a_watch(redis_bench):
    """To a transaction that watches it, an evicted key has changed."""
    r, other = redis_bench.client("shop-1"), redis_bench.client("shop-2")

    def work():
        redis_bench.server.maxmemory(1, "allkeys-lru")
        with r.pipeline() as pipe:
            r.set("a", 1)
            pipe.watch("a")
            other.set("b", 1)
            other.ping()
            pipe.multi()
            return pipe.set("a", 2).execute()

    with pytest.raises(redis.WatchError):
        redis_bench.call(work)


def test_expired_keys_take_no_room(redis_bench):
    """What has expired is gone before anything is evicted or refused."""
    r = redis_bench.client("shop-1")

    def work():
        redis_bench.server.maxmemory(1)
        r.set("a", 1, ex=5)
        r.set("b", 1)
        time.sleep(6)
        return r.set("b", 2)

    assert redis_bench.call(work) is True


def test_limit_is_over_with_the_schedule(redis_bench):
    """A reset takes the limit away."""
    redis_bench.server.maxmemory(1)
    redis_bench.server.reset()
    r = redis_bench.client("shop-1")
    assert redis_bench.call(lambda: [r.set(name, 1) for name in "abc"]) == [True] * 3


def test_wrong_limits_are_refused(redis_bench):
    """A limit is a number of keys and a policy that is simulated; CONFIG SET says where to go."""
    with pytest.raises(ValueError, match="one of noeviction, allkeys-lru, not 'lru'"):
        redis_bench.server.maxmemory(10, "lru")
    with pytest.raises(ValueError, match="1 or more, not 0"):
        redis_bench.server.maxmemory(0)
    with pytest.raises(ResponseError, match=r"call its maxmemory\(keys\)"):
        redis_bench.server.client().config_set("maxmemory", "1mb")


def test_full_store_makes_all_commands_depend_on_each_other(redis_bench):
    """Each use of a key has a say in which one is evicted, so exploration must try both orders of any two."""
    r = redis_bench.client("shop-1")
    redis_bench.call(r.get, "a")
    redis_bench.server.maxmemory(1, "allkeys-lru")
    redis_bench.call(r.get, "a")
    assert [event.touches for event in redis_bench.sim.trace] == [("redis", "a", "r"), ("redis", "*", "w")]
