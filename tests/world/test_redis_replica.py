"""A failover forgets what its replica has not got: in the simulation, and with two real servers."""

from __future__ import annotations

import time

import pytest
import redis
import redis_fixtures
import redis_servers
from redis.exceptions import NoScriptError

Bench, redis_bench = redis_fixtures.Bench, redis_fixtures.redis_bench


class SimulatedPair:
    """A simulated Redis whose replica is ten seconds behind."""

    def __init__(self):
        self.bench = Bench()
        self.bench.server.replicate(lag=10)
        self.primary = self.promoted = self.bench.client("shop-1")

    def run(self, f):
        """Run a function inside."""
        return self.bench.call(f)

    def sync(self):
        """Wait until the replica has everything."""
        self.run(lambda: time.sleep(11))

    def cut(self):
        """Do nothing: what is written from now on arrives too late anyway."""

    def promote(self):
        """Let the replica take over."""
        self.bench.server.failover()


class RealPair:
    """Two real servers, one of which follows the other."""

    def __init__(self, primary, replica):
        self.primary, self.promoted = primary, replica
        self.at = primary.connection_pool.connection_kwargs["port"]
        replica.replicaof("127.0.0.1", self.at)

    def run(self, f):
        """Run a function."""
        return f()

    def sync(self):
        """Wait until the replica has everything."""
        redis_servers.until(lambda: self.primary.wait(1, 1000))

    def cut(self):
        """Let nothing more arrive: the replica follows a port where nobody is."""
        self.promoted.replicaof("127.0.0.1", 1)

    def promote(self):
        """End the primary, and let the replica be one."""
        self.primary.shutdown(nosave=True, force=True, now=True)
        self.promoted.replicaof("NO", "ONE")


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.real)])
def pair(request, tmp_path):
    """A primary and its replica."""
    if request.param == "simulated":
        yield SimulatedPair()
        return
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with redis_servers.redis_server(str(tmp_path / "a")) as one, redis_servers.redis_server(str(tmp_path / "b")) as two:
        yield RealPair(one, two)


def test_failover_forgets_acknowledged_writes(pair):
    """What the replica had is there, with its end; what was acknowledged later is gone, and so is a later change."""
    r = pair.primary
    pair.run(lambda: (r.set("cart", "tea"), r.set("session", "ada", ex=1000), r.rpush("jobs", "a")))
    pair.sync()
    pair.cut()
    late = pair.run(lambda: [r.set("cart", "milk"), r.rpush("jobs", "b"), r.set("order", "1"), r.delete("session")])
    assert late == [True, 2, True, 1]
    pair.promote()
    r = pair.promoted
    assert pair.run(lambda: [r.get("cart"), r.lrange("jobs", 0, -1), r.get("order")]) == ["tea", ["a"], None]
    assert 980 <= pair.run(lambda: r.ttl("session")) <= 1000


def test_wait_tells_how_many_replicas_have_it(pair):
    """WAIT counts those that have what this connection wrote; a write that none has in time stands all the same."""
    r = pair.primary
    pair.run(lambda: r.set("cart", "tea"))
    pair.sync()
    assert pair.run(lambda: r.wait(1, 100)) == 1
    pair.cut()
    assert pair.run(lambda: (r.set("cart", "milk"), r.wait(1, 100), r.get("cart"))) == (True, 0, "milk")


def test_promoted_replica_knows_no_scripts(pair):
    """Scripts are not replicated, only what they wrote."""
    r = pair.primary
    digest = pair.run(lambda: r.script_load("return redis.call('SET', 'cart', 'tea')"))
    pair.run(lambda: r.evalsha(digest, 0))
    pair.sync()
    pair.cut()
    pair.promote()
    assert pair.run(lambda: pair.promoted.get("cart")) == "tea"
    with pytest.raises(NoScriptError):
        pair.run(lambda: pair.promoted.evalsha(digest, 0))


def test_lag_is_counted_to_the_moment(redis_bench):
    """A write as old as the lag survives, a younger one does not."""
    redis_bench.server.replicate(lag=2)
    r = redis_bench.client("shop-1")

    def work():
        for second in range(5):
            r.rpush("orders", second)
            time.sleep(1)
        redis_bench.server.failover()
        return r.lrange("orders", 0, -1)

    redis_bench.network.slow("redis", 0, 0)
    assert redis_bench.call(work) == ["0", "1", "2", "3"]


def test_wait_ends_when_the_write_arrives(redis_bench):
    """WAIT takes as long as the lag has left, counts one replica at most, and returns at once without a write."""
    redis_bench.server.replicate(lag=2)
    redis_bench.network.slow("redis", 0, 0)
    r = redis_bench.client("shop-1")
    assert redis_bench.call(lambda: (r.wait(1, 1000), r.set("a", 1), r.wait(1, 4000))) == (1, True, 1)
    assert redis_bench.sim.now == 2.0
    assert redis_bench.call(lambda: (r.set("a", 2), r.wait(2, 3000))) == (True, 1)
    assert redis_bench.sim.now == 5.0


def test_wait_counts_the_writes_of_its_own_connection(redis_bench):
    """In one pipeline with the write it waits for it; on another connection there is nothing to wait for."""
    redis_bench.server.replicate(lag=2)
    redis_bench.network.slow("redis", 0, 0)
    r, other = redis_bench.client("shop-1"), redis_bench.client("shop-1")
    assert redis_bench.call(lambda: (r.set("a", 1), other.wait(1, 1000))) == (True, 1)
    assert redis_bench.sim.now == 0.0
    assert redis_bench.call(r.pipeline(transaction=False).set("a", 2).wait(1, 4000).execute) == [True, 1]
    assert redis_bench.sim.now == 2.0


def test_failover_takes_time_and_breaks_connections(redis_bench):
    """Whoever waits is thrown out, whoever comes meanwhile is refused, and clients connect again by themselves."""
    redis_bench.server.replicate(lag=1)
    r = redis_bench.client("shop-1")

    def wait():
        with pytest.raises(redis.ConnectionError, match=r"^Connection closed by server.$"):
            r.blpop("jobs", timeout=4)
        with pytest.raises(redis.ConnectionError, match="refused"):
            r.get("cart")
        time.sleep(30)
        return r.get("cart")

    waiting = redis_bench.shop("shop-1").spawn(wait)
    redis_bench.call(lambda: (redis_bench.client("shop-2").set("cart", "tea"), time.sleep(2)), shop="shop-2")
    redis_bench.server.failover(seconds=20)
    assert redis_bench.sim.run(until=waiting) == "tea"
    assert [event.kind for event in redis_bench.sim.trace if event.who == "redis"] == ["outage", "note"]


def test_blocked_pop_is_replicated(redis_bench):
    """What a waiting client took is taken on the replica as well."""
    redis_bench.server.replicate(lag=1)
    r, other = redis_bench.client("shop-1"), redis_bench.client("shop-2")
    waiting = redis_bench.shop("shop-1").spawn(lambda: r.blpop("jobs", timeout=4))
    redis_bench.call(lambda: (time.sleep(1), other.rpush("jobs", "a"), time.sleep(2)), shop="shop-2")
    redis_bench.server.failover()
    assert redis_bench.sim.run(until=waiting) == ("jobs", "a")
    assert redis_bench.call(lambda: r.exists("jobs")) == 0


def test_every_kind_of_value_survives(redis_bench):
    """Hashes, sets, sorted sets, lists and streams with what is pending come out as they went in."""
    redis_bench.server.replicate(lag=0)
    r = redis_bench.client("shop-1")

    def state():
        scores = r.zrange("z", 0, -1, withscores=True)
        return [r.hgetall("h"), r.smembers("s"), scores, r.xpending("x", "g"), r.ttl("h")]

    def work():
        r.hset("h", mapping={"a": 1, "b": 2})
        r.expire("h", 100)
        r.sadd("s", "a", "b")
        r.zadd("z", {"a": 1, "b": 2})
        r.xadd("x", {"n": 1})
        r.xgroup_create("x", "g", id="0")
        r.xreadgroup("g", "shop-1", {"x": ">"})
        before = state()
        redis_bench.server.failover()
        return before, state()

    before, after = redis_bench.call(work)
    assert before == after
    assert after[3]["pending"] == 1


def test_second_failover_goes_back(redis_bench):
    """The old primary follows the new one, and forgets what only it had."""
    redis_bench.server.replicate(lag=1)
    r = redis_bench.client("shop-1")

    def work():
        r.set("a", 1)
        redis_bench.server.failover()
        gone = r.get("a")
        r.set("b", 1)
        time.sleep(2)
        redis_bench.server.failover()
        return gone, r.get("a"), r.get("b")

    assert redis_bench.call(work) == (None, None, "1")


def test_failover_needs_a_replica(redis_bench):
    """Where nothing can take over, a sentence says what to do; a reset takes the replica away."""
    with pytest.raises(RuntimeError, match=r"redis has no replica .* call replicate\(lag\)"):
        redis_bench.server.failover()
    redis_bench.server.replicate()
    redis_bench.server.reset()
    with pytest.raises(RuntimeError):
        redis_bench.server.failover()
    with pytest.raises(ValueError, match=r"replicate\(lag\) is a number of seconds"):
        redis_bench.server.replicate(lag=-1)
