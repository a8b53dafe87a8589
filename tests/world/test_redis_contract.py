"""What answers may rely on in Redis: the same tests on the simulated server and on a real one."""

from __future__ import annotations

from functools import partial

import pytest
import redis
import redis_fixtures
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError, WatchError

contract, redis_stage = redis_fixtures.contract, redis_fixtures.redis_stage

WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "value is not an integer or out of range"


# -- expiry


@contract
def test_key_expires_after_its_time(stage):
    """A key set with a time to live is there before, and gone after it."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea", px=stage.ms(4))
    stage.sleep(2)
    assert r.get(key) == "tea"
    stage.sleep(4)
    assert r.get(key) is None
    assert r.ttl(key) == -2
    assert r.exists(key) == 0


@contract
def test_ttl_tells_what_is_left(stage):
    """TTL is in seconds, PTTL in milliseconds, -1 for a key that stays."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea", ex=1800)
    assert r.ttl(key) == 1800
    assert 1_799_000 < r.pttl(key) <= 1_800_000
    r.set(key, "tea")
    assert (r.ttl(key), r.pttl(key)) == (-1, -1)


@contract
def test_plain_set_drops_the_ttl(stage):
    """SET removes a time to live, unless KEEPTTL is given."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea", ex=1800)
    r.set(key, "milk", keepttl=True)
    assert r.ttl(key) == 1800
    r.set(key, "honey")
    assert r.ttl(key) == -1


@contract
def test_writes_in_place_keep_the_ttl(stage):
    """INCR, APPEND and HSET change a value and leave its time to live."""
    r, counter, bag = stage.client(), stage.key("counter"), stage.key("bag")
    r.set(counter, 1, ex=100)
    r.incr(counter)
    r.append(counter, "0")
    assert (r.get(counter), r.ttl(counter)) == ("20", 100)
    r.hset(bag, "tea", 1)
    r.expire(bag, 100)
    r.hset(bag, "milk", 1)
    assert r.ttl(bag) == 100


@contract
def test_persist_keeps_a_key_for_ever(stage):
    """PERSIST removes the time to live and tells whether there was one."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea", ex=100)
    assert (r.persist(key), r.persist(key)) == (True, False)
    assert r.ttl(key) == -1


@contract
def test_pexpire_slides_the_end(stage):
    """A session that is renewed in time lives on."""
    r, key = stage.client(), stage.key("session")
    r.set(key, "ada", px=stage.ms(4))
    stage.sleep(3)
    assert r.pexpire(key, stage.ms(4)) is True
    stage.sleep(3)
    assert r.get(key) == "ada"
    stage.sleep(3)
    assert r.get(key) is None
    assert r.pexpire(key, 1000) is False


@contract
def test_expire_conditions(stage):
    """NX, XX, GT and LT decide whether EXPIRE applies."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea")
    assert r.expire(key, 100, xx=True) is False
    assert r.expire(key, 100, nx=True) is True
    assert r.expire(key, 50, gt=True) is False
    assert r.expire(key, 50, lt=True) is True
    assert r.ttl(key) == 50


@contract
def test_expire_in_the_past_deletes(stage):
    """A time to live of zero or less deletes the key at once."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea")
    assert r.expire(key, -1) is True
    assert r.exists(key) == 0
    with pytest.raises(ResponseError, match="invalid expire time in 'set' command"):
        r.set(key, "tea", ex=0)


@contract
def test_getex_and_getdel(stage):
    """GETEX reads and renews, GETDEL reads and deletes."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea")
    assert r.getex(key, ex=77) == "tea"
    assert r.ttl(key) == 77
    assert (r.getdel(key), r.get(key)) == ("tea", None)


@contract
def test_hash_fields_expire(stage):
    """HEXPIRE gives one field of a hash a time to live (since Redis 7.4)."""
    r, key = stage.client(), stage.key("bag")
    r.hset(key, mapping={"tea": 1, "milk": 1})
    try:
        assert r.hpexpire(key, stage.ms(2), "tea") == [1]
    except ResponseError as error:
        pytest.skip(str(error))
    stage.sleep(3)
    assert r.hgetall(key) == {"milk": "1"}
    assert r.httl(key, "tea", "milk") == [-2, -1]


# -- strings and errors


@contract
def test_set_nx_and_xx(stage):
    """NX sets what is missing, XX what is there, and the answer tells which."""
    r, key = stage.client(), stage.key("lock")
    assert r.set(key, "a", xx=True) is None
    assert r.set(key, "a", nx=True) is True
    assert r.set(key, "b", nx=True) is None
    assert r.set(key, "c", xx=True) is True
    assert r.get(key) == "c"


@contract
def test_set_get_returns_the_old_value(stage):
    """SET with GET returns what was there, also with NX."""
    r, key = stage.client(), stage.key("cart")
    assert r.set(key, "tea", get=True) is None
    assert r.set(key, "milk", get=True) == "tea"
    assert r.set(key, "honey", nx=True, get=True) == "milk"
    assert r.get(key) == "milk"


@contract
def test_nx_with_expiry_is_one_of_many(stage):
    """Of many who try to take a lock, one does."""
    key = stage.key("lock")
    taken = stage.together(*[partial(stage.client().set, key, i, nx=True, px=stage.ms(50)) for i in range(4)])
    assert sorted(map(str, taken)) == ["None", "None", "None", "True"]


@contract
def test_increments_are_atomic(stage):
    """INCR from many loses none."""
    key = stage.key("counter")

    def count(r):
        for _ in range(20):
            r.incr(key)

    stage.together(*[partial(count, stage.client()) for _ in range(3)])
    assert stage.client().get(key) == "60"


@contract
def test_read_modify_write_loses_updates(stage):
    """GET and SET by two, interleaved, lose one of two changes."""
    key = stage.key("counter")
    stage.client().set(key, 0)

    def add(r, pause):
        value = int(r.get(key))
        stage.sleep(pause)
        r.set(key, value + 1)

    stage.together(lambda: add(stage.client(), 1), lambda: add(stage.client(), 2))
    assert stage.client().get(key) == "1"


@contract
def test_increment_of_text_is_an_error(stage):
    """INCR on what is no integer says so and changes nothing."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea")
    for call in (lambda: r.incr(key), lambda: r.decrby(key, 2)):
        with pytest.raises(ResponseError) as error:
            call()
        assert str(error.value) == NOT_AN_INTEGER
    with pytest.raises(ResponseError, match=r"^value is not a valid float$"):
        r.incrbyfloat(key, 1.5)
    r.set(key, 2**63 - 1)
    with pytest.raises(ResponseError, match=r"^increment or decrement would overflow$"):
        r.incr(key)


@contract
def test_wrong_type_is_an_error(stage):
    """A command for another kind of value fails, and says so."""
    r, key = stage.client(), stage.key("cart")
    r.rpush(key, "tea")
    calls = (lambda: r.get(key), lambda: r.incr(key), lambda: r.hset(key, "a", 1), lambda: r.sadd(key, "a"))
    more = (lambda: r.zadd(key, {"a": 1}), lambda: r.xadd(key, {"a": 1}), lambda: r.bzpopmin(key, 0.1))
    for call in calls + more:
        with pytest.raises(ResponseError) as error:
            call()
        assert str(error.value) == WRONGTYPE
    assert r.set(key, "milk") is True


@contract
def test_wrong_arguments_are_an_error(stage):
    """Syntax errors are worded as Redis words them."""
    r, key = stage.client(), stage.key("cart")
    with pytest.raises(ResponseError, match=r"^syntax error$"):
        r.execute_command("SET", key, "tea", "NX", "XX")
    with pytest.raises(ResponseError, match=r"^wrong number of arguments for 'get' command$"):
        r.execute_command("GET")


@contract
def test_several_keys(stage):
    """MSET, MGET, DEL and EXISTS take many keys; MSETNX sets all or none."""
    r, a, b, c = stage.client(), stage.key("a"), stage.key("b"), stage.key("c")
    r.mset({a: 1, b: 2})
    assert r.mget(a, b, c) == ["1", "2", None]
    assert r.msetnx({b: 3, c: 3}) is False
    assert r.exists(a, b, c, a) == 3
    assert r.delete(a, b, c) == 2
    assert r.type(a) == "none"


@contract
def test_scan_finds_every_key(stage):
    """SCAN with a pattern finds each key that is there all the while."""
    r = stage.client()
    for i in range(30):
        r.set(stage.key(f"scan:{i}"), i)
    found = set(r.scan_iter(match=stage.key("scan:*"), count=7))
    assert found == {stage.key(f"scan:{i}") for i in range(30)}


@contract
def test_collections(stage):
    """Hashes, sets, sorted sets and lists answer as Redis does."""
    r, h, s, z, li = stage.client(), *(stage.key(name) for name in "hszl")
    assert (r.hset(h, mapping={"a": 1, "b": 2}), r.hset(h, "a", 5), r.hincrby(h, "a", 2)) == (2, 0, 7)
    assert r.hgetall(h) == {"a": "7", "b": "2"}
    assert (r.sadd(s, "x", "y", "x"), r.srem(s, "x"), r.smembers(s), r.spop(s), r.exists(s)) == (2, 1, {"y"}, "y", 0)
    assert r.zadd(z, {"late": 30, "soon": 10}) == 2
    assert (r.zadd(z, {"late": 5}, gt=True), r.zadd(z, {"late": 20}, nx=True), r.zscore(z, "late")) == (0, 0, 30.0)
    assert r.zrangebyscore(z, 0, 15) == ["soon"]
    assert r.zrange(z, 0, 100, byscore=True, withscores=True) == [("soon", 10.0), ("late", 30.0)]
    assert r.zpopmin(z) == [("soon", 10.0)]
    assert (r.rpush(li, "a", "b", "c"), r.lpop(li), r.lrange(li, 0, -1)) == (3, "a", ["b", "c"])
    assert (r.lrem(li, 1, "c"), r.llen(li)) == (1, 1)


@contract
def test_rename_and_copy_take_the_ttl_along(stage):
    """RENAME moves a key with its time to live; COPY copies both."""
    r, a, b, c = stage.client(), stage.key("a"), stage.key("b"), stage.key("c")
    r.set(a, "tea", ex=100)
    assert r.rename(a, b) is True
    assert r.copy(b, c) is True
    assert (r.exists(a), r.ttl(b), r.ttl(c)) == (0, 100, 100)
    with pytest.raises(ResponseError, match=r"^no such key$"):
        r.rename(a, b)


@contract
def test_sliding_window_of_a_rate_limiter(stage):
    """A sorted set of times forgets what is older than its window."""
    r, key = stage.client(), stage.key("window")
    for second in range(5):
        r.zadd(key, {f"request-{second}": second})
    with r.pipeline() as pipe:
        pipe.zremrangebyscore(key, 0, "(3").zcard(key).zrange(key, 0, -1).expire(key, 10)
        assert pipe.execute() == [3, 2, ["request-3", "request-4"], True]


@contract
def test_counter_with_a_first_expiry(stage):
    """INCR and EXPIRE NX together give a counter that begins again after its window."""
    r, key = stage.client(), stage.key("requests")

    def hit():
        with r.pipeline() as pipe:
            return pipe.incr(key).pexpire(key, stage.ms(4), nx=True).execute()

    assert [hit(), hit()] == [[1, True], [2, False]]
    stage.sleep(2)
    assert hit() == [3, False]
    stage.sleep(3)
    assert hit() == [1, True]


@contract
def test_reliable_queue(stage):
    """LMOVE keeps a job in a list of its worker until LREM removes it."""
    r, jobs, mine = stage.client(), stage.key("jobs"), stage.key("mine")
    r.rpush(jobs, "a", "b")
    assert r.lmove(jobs, mine, "LEFT", "RIGHT") == "a"
    assert r.rpoplpush(jobs, mine) == "b"
    assert (r.lrange(mine, 0, -1), r.exists(jobs)) == (["b", "a"], 0)
    assert (r.lrem(mine, 1, "a"), r.lpos(mine, "b"), r.lmove(jobs, mine, "LEFT", "LEFT")) == (1, 0, None)


@contract
def test_bits_and_estimates(stage):
    """Bitmaps count exactly, HyperLogLog counts small sets exactly."""
    r, days, seen = stage.client(), stage.key("days"), stage.key("seen")
    assert (r.setbit(days, 3, 1), r.setbit(days, 3, 0), r.setbit(days, 5, 1), r.bitcount(days)) == (0, 1, 0, 1)
    assert (r.pfadd(seen, "ada", "bob", "ada"), r.pfadd(seen, "ada"), r.pfcount(seen)) == (1, 0, 2)


@contract
def test_server_clock_makes_the_ids(stage):
    """An entry's id is the server's time in milliseconds, which TIME tells as well."""
    r, key = stage.client(), stage.key("orders")
    entry = int(r.xadd(key, {"n": 1}).split("-")[0])
    seconds, micros = r.time()
    assert 0 <= seconds * 1000 + micros // 1000 - entry < 1000
    assert int(r.eval("return redis.call('time')[1]", 0)) - seconds in (0, 1)


@contract
def test_connections_have_ids_of_their_own(stage):
    """Each connection has a number."""
    one, two = stage.client(), stage.client()
    assert one.client_id() != two.client_id()
    assert one.client_id() == one.client_id()


@contract
def test_killed_connection_is_an_error_once(stage):
    """A client whose connection is closed by the server fails, and connects again for the next command."""
    key = stage.key("jobs")
    victim = stage.client(single_connection_client=True)
    number = victim.client_id()

    def wait():
        with pytest.raises(redis.ConnectionError, match=r"^Connection closed by server.$"):
            victim.blpop(key, timeout=stage.s(9))
        return victim.get(key)

    def killer():
        stage.sleep(2)
        return stage.client().client_kill_filter(_id=number)

    assert stage.together(wait, killer) == [None, 1]


@contract
def test_blocked_client_can_be_unblocked(stage):
    """CLIENT UNBLOCK ends a blocking command as its timeout would."""
    key = stage.key("jobs")
    waiting = stage.client(single_connection_client=True)
    number = waiting.client_id()

    def unblock():
        stage.sleep(2)
        return stage.client().client_unblock(number)

    assert stage.together(lambda: waiting.blpop(key, timeout=stage.s(9)), unblock) == [None, True]


# -- transactions


@contract
def test_watched_key_changed_by_another(stage):
    """A transaction on a key that another has changed since WATCH is not executed."""
    mine, other, key = stage.client(), stage.client(), stage.key("stock")
    mine.set(key, 1)
    with mine.pipeline() as pipe:
        pipe.watch(key)
        stock = int(pipe.get(key))
        other.set(key, 7)
        pipe.multi()
        pipe.set(key, stock - 1)
        with pytest.raises(WatchError, match="Watched variable changed"):
            pipe.execute()
    assert mine.get(key) == "7"


@contract
def test_watched_key_left_alone(stage):
    """A transaction on a key that nobody has touched is executed, in order."""
    mine, other, key = stage.client(), stage.client(), stage.key("stock")
    mine.set(key, 3)
    with mine.pipeline() as pipe:
        pipe.watch(key)
        other.set(stage.key("other"), 1)
        other.get(key)
        pipe.multi()
        pipe.decr(key)
        pipe.get(key)
        assert pipe.execute() == [2, "2"]


@contract
def test_watch_counts_writes_of_the_same_value(stage):
    """A write of the same value, a deletion and one's own write count as changes."""
    mine, other, key = stage.client(), stage.client(), stage.key("stock")
    for change in (lambda pipe: other.set(key, 1), lambda pipe: other.delete(key), lambda pipe: pipe.set(key, 1)):
        mine.set(key, 1)
        with mine.pipeline() as pipe:
            pipe.watch(key)
            change(pipe)
            pipe.multi()
            pipe.set(key, 2)
            with pytest.raises(WatchError):
                pipe.execute()


@contract
def test_watched_key_that_expires(stage):
    """A watched key that expires counts as changed."""
    r, key = stage.client(), stage.key("lease")
    r.set(key, "me", px=stage.ms(2))
    with r.pipeline() as pipe:
        pipe.watch(key)
        stage.sleep(3)
        pipe.multi()
        pipe.set(stage.key("done"), 1)
        with pytest.raises(WatchError):
            pipe.execute()


@contract
def test_unwatch_forgets(stage):
    """After UNWATCH a change does not matter."""
    mine, other, key = stage.client(), stage.client(), stage.key("stock")
    with mine.pipeline() as pipe:
        pipe.watch(key)
        other.set(key, 1)
        pipe.unwatch()
        pipe.set(key, 2)
        assert pipe.execute() == [True]


@contract
def test_transaction_helper_retries(stage):
    """`Redis.transaction` repeats until nobody interferes: of two decrements none is lost."""
    key = stage.key("stock")
    stage.client().set(key, 10)

    def take(r):
        def body(pipe):
            stock = int(pipe.get(key))
            stage.sleep(0.5)
            pipe.multi()
            pipe.set(key, stock - 1)

        r.transaction(body, key)

    stage.together(*[partial(take, stage.client()) for _ in range(3)])
    assert stage.client().get(key) == "7"


@contract
def test_failed_command_rolls_nothing_back(stage):
    """A transaction in which one command fails keeps the others' effects."""
    r, key = stage.client(), stage.key("cart")
    r.set(key, "tea")
    with r.pipeline() as pipe:
        pipe.set(stage.key("a"), 1).incr(key).set(stage.key("b"), 2)
        with pytest.raises(ResponseError) as error:
            pipe.execute()
    assert str(error.value) == f"Command # 2 (INCRBY {key} 1) of pipeline caused error: {NOT_AN_INTEGER}"
    assert r.mget(stage.key("a"), stage.key("b")) == ["1", "2"]


@contract
def test_command_that_cannot_be_queued_aborts(stage):
    """A transaction with a malformed command does nothing at all."""
    r, key = stage.client(), stage.key("cart")
    with r.pipeline() as pipe:
        pipe.set(key, 1)
        pipe.execute_command("SET", key)
        with pytest.raises(ResponseError, match="wrong number of arguments for 'set' command"):
            pipe.execute()
    assert r.get(key) is None


@contract
def test_pipeline_without_transaction(stage):
    """A pipeline without MULTI returns each answer, an error among them."""
    r, key = stage.client(), stage.key("cart")
    with r.pipeline(transaction=False) as pipe:
        pipe.set(key, "tea").incr(key).get(key)
        answers = pipe.execute(raise_on_error=False)
    assert (answers[0], str(answers[1]), answers[2]) == (True, NOT_AN_INTEGER, "tea")


# -- lists that block


@contract
def test_blpop_takes_what_is_there(stage):
    """BLPOP returns at once if it can, from the first list that has something."""
    r, a, b = stage.client(), stage.key("a"), stage.key("b")
    r.rpush(b, "2")
    assert r.blpop([a, b], timeout=1) == (b, "2")
    r.rpush(b, "3")
    r.rpush(a, "1")
    assert [r.blpop([a, b], timeout=1) for _ in range(2)] == [(a, "1"), (b, "3")]
    with pytest.raises(ResponseError, match=r"^timeout is negative$"):
        r.blpop(a, timeout=-1)


@contract
def test_blpop_times_out(stage):
    """BLPOP returns None after its timeout."""
    assert stage.client().blpop(stage.key("jobs"), timeout=stage.s(2)) is None


@contract
def test_blpop_wakes_who_waited_longest(stage):
    """Blocked clients are served in the order in which they began to wait."""
    key = stage.key("jobs")

    def worker(delay):
        stage.sleep(delay)
        return stage.client().blpop(key, timeout=stage.s(20))

    def boss():
        stage.sleep(6)
        r = stage.client()
        for job in ("first", "second", "third"):
            r.rpush(key, job)

    got = stage.together(lambda: worker(3), lambda: worker(1), lambda: worker(2), boss)
    assert got == [(key, "third"), (key, "first"), (key, "second"), None]


@contract
def test_blocked_client_comes_before_the_next_command(stage):
    """What a blocked client waits for cannot be taken by a command that comes later."""
    key = stage.key("jobs")

    def boss():
        stage.sleep(2)
        r = stage.client()
        r.rpush(key, "job")
        return r.lpop(key)

    assert stage.together(lambda: stage.client().blpop(key, timeout=stage.s(9)), boss) == [(key, "job"), None]


@contract
def test_blocked_client_waits_for_the_whole_transaction(stage):
    """A push and a pop in one transaction leave nothing to a blocked client."""
    key = stage.key("jobs")

    def boss():
        stage.sleep(2)
        with stage.client().pipeline() as pipe:
            return pipe.rpush(key, "job").lpop(key).execute()

    assert stage.together(lambda: stage.client().blpop(key, timeout=stage.s(5)), boss) == [None, [1, "job"]]


@contract
def test_blmove_hands_on(stage):
    """BLMOVE blocks, then moves one element to another list."""
    jobs, mine = stage.key("jobs"), stage.key("mine")

    def boss():
        stage.sleep(2)
        return stage.client().rpush(jobs, "job")

    taken = stage.together(lambda: stage.client().blmove(jobs, mine, stage.s(9), "LEFT", "RIGHT"), boss)
    assert taken == ["job", 1]
    assert (stage.client().lrange(mine, 0, -1), stage.client().exists(jobs)) == (["job"], 0)
    assert stage.client().blmove(jobs, mine, stage.s(1), "LEFT", "RIGHT") is None


@contract
def test_other_blocking_pops(stage):
    """BRPOP, BRPOPLPUSH, BZPOPMIN and BLMPOP block as well."""
    a, b, z = stage.key("a"), stage.key("b"), stage.key("z")

    def boss():
        r = stage.client()
        stage.sleep(2)
        r.rpush(a, 1)
        stage.sleep(2)
        r.rpush(a, 2)
        stage.sleep(2)
        r.zadd(z, {"m": 1.5})
        stage.sleep(2)
        r.rpush(b, "x", "y", "z")

    def worker():
        r = stage.client()
        first = r.brpop(a, timeout=stage.s(9)), r.brpoplpush(a, b, timeout=stage.s(9))
        r.delete(b)
        third = r.bzpopmin(z, timeout=stage.s(9)), r.blmpop(stage.s(9), 1, b, direction="LEFT", count=2)
        return (*first, *map(tuple, third), r.lrange(b, 0, -1))

    assert stage.together(worker, boss)[0] == ((a, "1"), "2", (z, "m", 1.5), (b, ["x", "y"]), ["z"])


@contract
def test_blocking_longer_than_the_socket_timeout(stage):
    """A command that blocks for longer than the client's socket timeout fails on the client, and takes nothing."""
    key = stage.key("jobs")
    r = stage.client(socket_timeout=stage.s(3))
    with pytest.raises(redis.TimeoutError, match=r"^Timeout reading from socket$"):
        r.blpop(key, timeout=stage.s(30))
    r.rpush(key, "job")
    assert r.lpop(key) == "job"


# -- streams


@contract
def test_group_at_the_end_sees_only_what_comes(stage):
    """A group created at `$` gets later entries only; one at 0 gets all."""
    r, key = stage.client(), stage.key("orders")
    r.xadd(key, {"n": 1})
    r.xgroup_create(key, "late", id="$")
    r.xgroup_create(key, "all", id="0")
    r.xadd(key, {"n": 2})
    assert _fields(r.xreadgroup("late", "c", {key: ">"})) == [{"n": "2"}]
    assert _fields(r.xreadgroup("all", "c", {key: ">"})) == [{"n": "1"}, {"n": "2"}]


@contract
def test_group_shares_entries_among_consumers(stage):
    """Each entry goes to one consumer of a group, and stays pending until it is acknowledged."""
    r, key = stage.client(), stage.key("orders")
    ids = [r.xadd(key, {"n": n}) for n in range(3)]
    r.xgroup_create(key, "g", id="0")
    assert _fields(r.xreadgroup("g", "ann", {key: ">"}, count=2)) == [{"n": "0"}, {"n": "1"}]
    assert _fields(r.xreadgroup("g", "bob", {key: ">"}, count=2)) == [{"n": "2"}]
    assert r.xreadgroup("g", "bob", {key: ">"}, count=2) == []
    assert r.xack(key, "g", ids[0]) == 1
    assert r.xack(key, "g", ids[0]) == 0
    summary = r.xpending(key, "g")
    assert (summary["pending"], summary["min"], summary["max"]) == (2, ids[1], ids[2])
    assert {row["name"]: row["pending"] for row in summary["consumers"]} == {"ann": 1, "bob": 1}
    assert _fields(r.xreadgroup("g", "ann", {key: "0"})) == [{"n": "1"}]


@contract
def test_autoclaim_takes_over_what_is_idle(stage):
    """XAUTOCLAIM gives entries that were pending for long enough to another consumer, and counts deliveries."""
    r, key = stage.client(), stage.key("orders")
    old, new = r.xadd(key, {"n": 1}), r.xadd(key, {"n": 2})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "dead", {key: ">"}, count=1)
    stage.sleep(4)
    r.xreadgroup("g", "dead", {key: ">"}, count=1)
    cursor, entries, deleted = r.xautoclaim(key, "g", "heir", min_idle_time=stage.ms(3))
    assert (cursor, entries, deleted) == ("0-0", [(old, {"n": "1"})], [])
    rows = r.xpending_range(key, "g", "-", "+", 10)
    assert [(row["message_id"], row["consumer"], row["times_delivered"]) for row in rows] == [
        (old, "heir", 2),
        (new, "dead", 1),
    ]
    assert r.xautoclaim(key, "g", "heir", min_idle_time=stage.ms(3))[1] == []


@contract
def test_autoclaim_drops_deleted_entries(stage):
    """An entry deleted while pending is reported and forgotten."""
    r, key = stage.client(), stage.key("orders")
    entry = r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "dead", {key: ">"})
    r.xdel(key, entry)
    stage.sleep(1)
    assert r.xautoclaim(key, "g", "heir", min_idle_time=0) == ["0-0", [], [entry]]
    assert r.xpending(key, "g")["pending"] == 0


@contract
def test_claim_moves_one_entry(stage):
    """XCLAIM takes a pending entry if it is idle for long enough."""
    r, key = stage.client(), stage.key("orders")
    entry = r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "dead", {key: ">"})
    assert r.xclaim(key, "g", "heir", stage.ms(100), [entry]) == []
    stage.sleep(2)
    assert r.xclaim(key, "g", "heir", stage.ms(1), [entry]) == [(entry, {"n": "1"})]


@contract
def test_group_errors(stage):
    """A group that exists, or does not, is an error with a name."""
    r, key = stage.client(), stage.key("orders")
    with pytest.raises(ResponseError, match="requires the key to exist"):
        r.xgroup_create(key, "g")
    r.xgroup_create(key, "g", mkstream=True)
    with pytest.raises(ResponseError, match=r"^BUSYGROUP Consumer Group name already exists$"):
        r.xgroup_create(key, "g")
    with pytest.raises(ResponseError, match=r"^NOGROUP No such key"):
        r.xreadgroup("nobody", "c", {key: ">"})
    assert r.xack(key, "nobody", "1-1") == 0


@contract
def test_maxlen_exactly(stage):
    """MAXLEN without approximation keeps so many newest entries."""
    r, key = stage.client(), stage.key("orders")
    for n in range(20):
        r.xadd(key, {"n": n}, maxlen=5, approximate=False)
    assert [fields["n"] for _, fields in r.xrange(key)] == ["15", "16", "17", "18", "19"]
    assert r.xtrim(key, maxlen=2, approximate=False) == 3
    assert r.xlen(key) == 2


@contract
def test_maxlen_about(stage):
    """MAXLEN with `~` removes whole nodes of a hundred entries only: a short stream keeps them all."""
    r, key = stage.client(), stage.key("orders")
    for n in range(20):
        r.xadd(key, {"n": n}, maxlen=5)
    assert r.xlen(key) == 20
    with r.pipeline() as pipe:
        for n in range(300):
            pipe.xadd(key, {"n": n}, maxlen=5)
        pipe.execute()
    assert r.xlen(key) == 20


@contract
def test_entry_ids_grow(stage):
    """Ids grow, also within one millisecond; a smaller one is refused."""
    r, key = stage.client(), stage.key("orders")
    with r.pipeline() as pipe:
        ids = pipe.xadd(key, {"n": 1}).xadd(key, {"n": 2}).xadd(key, {"n": 3}).execute()
    assert ids == sorted(ids, key=lambda entry: tuple(map(int, entry.split("-"))))
    with pytest.raises(ResponseError, match="equal or smaller than the target stream top item"):
        r.xadd(key, {"n": 4}, id="1-1")
    assert r.xadd(key, {"n": 5}, nomkstream=True) is not None
    assert r.xadd(stage.key("none"), {"n": 5}, nomkstream=True) is None


@contract
def test_ranges_and_trimming(stage):
    """XRANGE takes open bounds, XTRIM a least id, XDEL single entries."""
    r, key = stage.client(), stage.key("orders")
    for n in range(1, 6):
        r.xadd(key, {"n": n}, id=f"{n}-0")
    assert [entry for entry, _ in r.xrange(key, "(2-0", "4-0")] == ["3-0", "4-0"]
    assert [entry for entry, _ in r.xrevrange(key, count=2)] == ["5-0", "4-0"]
    assert (r.xdel(key, "3-0", "9-0"), r.xtrim(key, minid="4-0", approximate=False), r.xlen(key)) == (1, 2, 2)
    assert r.xinfo_stream(key)["last-generated-id"] == "5-0"


@contract
def test_group_can_be_set_back_and_removed(stage):
    """XGROUP SETID delivers again, DELCONSUMER forgets what was pending, DESTROY removes the group."""
    r, key = stage.client(), stage.key("orders")
    r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    assert len(_fields(r.xreadgroup("g", "ann", {key: ">"}))) == 1
    assert r.xgroup_setid(key, "g", "0") is True
    assert len(_fields(r.xreadgroup("g", "bob", {key: ">"}))) == 1
    assert r.xgroup_delconsumer(key, "g", "bob") == 1
    assert [group["name"] for group in r.xinfo_groups(key)] == ["g"]
    assert (r.xgroup_destroy(key, "g"), r.xgroup_destroy(key, "g")) == (1, 0)


@contract
def test_blocking_read_delivers_what_is_there(stage):
    """XREADGROUP BLOCK with entries at hand returns them at once, pending for their consumer."""
    r, key = stage.client(), stage.key("orders")
    r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    assert _fields(r.xreadgroup("g", "ann", {key: ">"}, block=stage.ms(3))) == [{"n": "1"}]
    assert r.xpending(key, "g")["pending"] == 1
    assert r.xreadgroup("g", "ann", {key: ">"}, block=stage.ms(1)) == []
    assert _fields(r.xreadgroup("g", "bob", {key: "0"}, block=stage.ms(1))) == []


@contract
def test_xread_blocks_until_an_entry_comes(stage):
    """XREAD BLOCK at `$` gets the next entry, or nothing after its timeout."""
    key = stage.key("orders")
    stage.client().xadd(key, {"n": 1})

    def writer():
        stage.sleep(2)
        stage.client().xadd(key, {"n": 2})

    got = stage.together(lambda: stage.client().xread({key: "$"}, block=stage.ms(9)), writer)[0]
    assert _fields(got) == [{"n": "2"}]
    assert stage.client().xread({key: "$"}, block=stage.ms(1)) == []
    assert stage.client().xread({key: "$"}) == []


@contract
def test_blocked_consumers_share(stage):
    """Two blocked consumers of a group get one entry each, longest waiting first; without an entry, nothing."""
    key = stage.key("orders")
    stage.client().xgroup_create(key, "g", mkstream=True)

    def consumer(name, delay):
        stage.sleep(delay)
        return _fields(stage.client().xreadgroup("g", name, {key: ">"}, count=1, block=stage.ms(12)))

    def writer():
        stage.sleep(5)
        with stage.client().pipeline() as pipe:
            pipe.xadd(key, {"n": 1}).xadd(key, {"n": 2}).execute()

    got = stage.together(lambda: consumer("ann", 2), lambda: consumer("bob", 1), lambda: consumer("cy", 3), writer)
    assert got == [[{"n": "2"}], [{"n": "1"}], [], None]


@contract
def test_history_read_renews_the_hold(stage):
    """Reading one's own pending entries again counts as a delivery, and nobody may claim them for a while."""
    r, key = stage.client(), stage.key("orders")
    entry = r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "ann", {key: ">"})
    stage.sleep(4)
    assert _fields(r.xreadgroup("g", "ann", {key: "0"})) == [{"n": "1"}]
    assert r.xautoclaim(key, "g", "heir", min_idle_time=stage.ms(3))[1] == []
    assert r.xpending_range(key, "g", entry, entry, 1)[0]["times_delivered"] == 2


@contract
def test_claim_of_ids_alone_renews_without_counting(stage):
    """XCLAIM JUSTID by the holder is a heartbeat: the entry is fresh again, and the deliveries stay as they are."""
    r, key = stage.client(), stage.key("orders")
    entry = r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "ann", {key: ">"})
    stage.sleep(4)
    assert r.xclaim(key, "g", "ann", 0, [entry], justid=True) == [entry]
    assert r.xautoclaim(key, "g", "heir", min_idle_time=stage.ms(3))[1] == []
    assert r.xpending_range(key, "g", entry, entry, 1)[0]["times_delivered"] == 1


@contract
def test_noack_leaves_nothing_pending(stage):
    """With NOACK an entry is over when it is handed out: nobody can claim it, and it counts as delivered."""
    r, key = stage.client(), stage.key("orders")
    r.xadd(key, {"n": 1})
    r.xgroup_create(key, "g", id="0")
    assert _fields(r.xreadgroup("g", "ann", {key: ">"}, noack=True)) == [{"n": "1"}]
    assert r.xpending(key, "g")["pending"] == 0
    assert r.xautoclaim(key, "g", "heir", min_idle_time=0)[1] == []
    assert _fields(r.xreadgroup("g", "heir", {key: ">"})) == []


@contract
def test_groups_acknowledge_for_themselves(stage):
    """Each group has every entry, and what one acknowledges is pending in the other."""
    r, key = stage.client(), stage.key("orders")
    entry = r.xadd(key, {"n": 1})
    for group in ("g", "h"):
        r.xgroup_create(key, group, id="0")
        assert _fields(r.xreadgroup(group, "ann", {key: ">"})) == [{"n": "1"}]
    assert r.xack(key, "g", entry) == 1
    assert (r.xpending(key, "g")["pending"], r.xpending(key, "h")["pending"]) == (0, 1)


@contract
def test_autoclaim_in_portions(stage):
    """XAUTOCLAIM with COUNT tells where to go on, and 0-0 at the end."""
    r, key = stage.client(), stage.key("orders")
    ids = [r.xadd(key, {"n": n}) for n in range(3)]
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "dead", {key: ">"})
    stage.sleep(1)
    cursor, first, _ = r.xautoclaim(key, "g", "heir", min_idle_time=0, count=2)
    assert (cursor, [entry for entry, _ in first]) == (ids[2], ids[:2])
    cursor, rest, _ = r.xautoclaim(key, "g", "heir", min_idle_time=0, start_id=cursor, count=2)
    assert (cursor, [entry for entry, _ in rest]) == ("0-0", ids[2:])


@contract
def test_deleted_entries_are_dropped_however_fresh(stage):
    """XAUTOCLAIM reports what was deleted while pending, also what nobody may claim yet; a history shows it empty."""
    r, key = stage.client(), stage.key("orders")
    gone, kept = r.xadd(key, {"n": 1}), r.xadd(key, {"n": 2})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "ann", {key: ">"})
    r.xdel(key, gone)
    assert _fields(r.xreadgroup("g", "ann", {key: "0"})) in ([{}, {"n": "2"}], [None, {"n": "2"}])
    assert r.xautoclaim(key, "g", "heir", min_idle_time=stage.ms(900)) == ["0-0", [], [gone]]
    assert [row["message_id"] for row in r.xpending_range(key, "g", "-", "+", 9)] == [kept]


@contract
def test_claim_answers_in_the_order_asked(stage):
    """XCLAIM returns entries in the order of its arguments."""
    r, key = stage.client(), stage.key("orders")
    one, two = (r.xadd(key, {"n": n}) for n in (1, 2))
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "dead", {key: ">"})
    assert r.xclaim(key, "g", "heir", 0, [two, one]) == [(two, {"n": "2"}), (one, {"n": "1"})]


@contract
def test_pending_entries_by_idle_time_and_consumer(stage):
    """XPENDING tells who holds what, for how long, and can be asked for the idle ones alone."""
    r, key = stage.client(), stage.key("orders")
    old, new = r.xadd(key, {"n": 1}), r.xadd(key, {"n": 2})
    r.xgroup_create(key, "g", id="0")
    r.xreadgroup("g", "ann", {key: ">"}, count=1)
    stage.sleep(4)
    r.xreadgroup("g", "bob", {key: ">"}, count=1)
    idle = r.xpending_range(key, "g", "-", "+", 9, idle=stage.ms(3))
    assert [(row["message_id"], row["consumer"]) for row in idle] == [(old, "ann")]
    assert [row["message_id"] for row in r.xpending_range(key, "g", "-", "+", 9, consumername="bob")] == [new]
    assert {row["name"]: row["pending"] for row in r.xinfo_consumers(key, "g")} == {"ann": 1, "bob": 1}


@contract
def test_blocked_reader_of_a_group_that_goes(stage):
    """Who is blocked in XREADGROUP while the group is destroyed, or its stream deleted, gets an error, not silence."""
    key = stage.key("orders")
    for remove, error in (
        (lambda r: r.xgroup_destroy(key, "g"), "^NOGROUP the consumer group this client was blocked on no longer"),
        (lambda r: r.delete(key), "^UNBLOCKED the stream key no longer exists$"),
    ):
        stage.client().xgroup_create(key, "g", mkstream=True)

        def reader(error=error):
            with pytest.raises(ResponseError, match=error):
                stage.client().xreadgroup("g", "ann", {key: ">"}, block=stage.ms(20))
            return "told"

        def remover(remove=remove):
            stage.sleep(3)
            remove(stage.client())

        assert stage.together(reader, remover)[0] == "told"


# -- scripts


@contract
def test_script_gets_keys_and_arguments(stage):
    """EVAL passes KEYS and ARGV and returns Lua values as Redis values."""
    r, key = stage.client(), stage.key("cart")
    assert r.eval("return {KEYS[1], ARGV[1], #ARGV}", 1, key, "tea", "milk") == [key, "tea", 2]
    assert r.eval("return {1, 3.9, 'x', true, false, {2}}", 0) == [1, 3, "x", 1, None, [2]]
    assert r.eval("return {1, nil, 3}", 0) == [1]
    assert r.eval("return redis.status_reply('FINE')", 0) == "FINE"
    assert r.eval("return redis.call('get', KEYS[1])", 1, key) is None
    assert r.eval("return redis.call('get', KEYS[1]) == false", 1, key) == 1
    assert r.eval("return tonumber(redis.call('incr', KEYS[1])) + 1", 1, key) == 2


@contract
def test_script_by_digest(stage):
    """EVALSHA runs a loaded script; an unknown digest is an error."""
    r, key = stage.client(), stage.key("counter")
    with pytest.raises(NoScriptError):
        r.evalsha("0" * 40, 0)
    digest = r.script_load(f"return redis.call('incrby', KEYS[1], ARGV[1]) -- {key}")
    assert r.script_exists(digest, "0" * 40) == [True, False]
    assert (r.evalsha(digest, 1, key, 5), r.evalsha(digest, 1, key, 5)) == (5, 10)
    double = r.register_script(f"return redis.call('get', KEYS[1]) * 2 -- {key}")
    assert double(keys=[key]) == 20


@contract
def test_script_errors(stage):
    """An error inside a script names its cause; what ran before it stays."""
    r, key = stage.client(), stage.key("cart")
    with pytest.raises(ResponseError, match=NOT_AN_INTEGER):
        r.eval("redis.call('set', KEYS[1], 'tea') return redis.call('incr', KEYS[1])", 1, key)
    assert r.get(key) == "tea"
    with pytest.raises(ResponseError, match=r"^no stock$"):
        r.eval("return redis.error_reply('no stock')", 0)
    assert r.eval("local r = redis.pcall('incr', KEYS[1]) return r['err'] ~= nil", 1, key) == 1
    with pytest.raises(ResponseError):
        r.eval("stock = 1 return stock", 0)
    assert r.eval("return 7", 0) == 7


@contract
def test_script_compares_and_deletes_at_once(stage):
    """A release that checks its token deletes nobody else's lock."""
    r, key = stage.client(), stage.key("lock")
    release = r.register_script(
        "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
    )
    r.set(key, "mine")
    assert (release(keys=[key], args=["yours"]), release(keys=[key], args=["mine"])) == (0, 1)


@contract
def test_script_is_one_step(stage):
    """Nobody else's command comes between those of a script."""
    key = stage.key("stock")
    stage.client().set(key, 5)
    script = """
        local left = tonumber(redis.call('get', KEYS[1]))
        if left == 0 then return 0 end
        redis.call('set', KEYS[1], left - 1)
        return 1
    """

    def buy(r):
        return sum(r.eval(script, 1, key) for _ in range(3))

    sold = stage.together(*[partial(buy, stage.client()) for _ in range(3)])
    assert (sum(sold), stage.client().get(key)) == (5, "0")


@contract
def test_script_draws_from_a_generator_of_its_own(stage):
    """math.random is drand48: with a seed it gives the same numbers everywhere."""
    script = "math.randomseed(7) return {math.random(1000000), math.random(5, 9), tostring(math.random())}"
    assert stage.client().eval(script, 0) == [266445, 8, "0.26549059351231"]


@contract
def test_script_knows_json(stage):
    """cjson reads and writes JSON inside a script."""
    r = stage.client()
    assert r.eval("return cjson.decode(ARGV[1])['items'][2]", 0, '{"items": ["tea", "milk"]}') == "milk"
    assert r.eval("return cjson.encode({1, 'a', true})", 0) == '[1,"a",true]'


# -- publish and subscribe


@contract
def test_late_subscriber_misses(stage):
    """A message goes to who has subscribed by then; nobody else ever gets it."""
    r, news = stage.client(), stage.key("news")
    assert r.publish(news, "too early") == 0
    with stage.client().pubsub(ignore_subscribe_messages=True) as p:
        p.subscribe(news)
        assert p.get_message(timeout=stage.s(1)) is None
        assert r.publish(news, "in time") == 1
        message = p.get_message(timeout=stage.s(5))
        assert message == {"type": "message", "pattern": None, "channel": news, "data": "in time"}
        assert p.get_message(timeout=stage.s(1)) is None


@contract
def test_fan_out(stage):
    """Each subscriber gets each message, in order; a pattern subscribes to many channels."""
    news, every = stage.key("news"), stage.key("*")

    def reader(subscribe):
        p = stage.client().pubsub(ignore_subscribe_messages=True)
        getattr(p, subscribe)(every if subscribe == "psubscribe" else news)
        got = []
        while len(got) < 2:
            message = p.get_message(timeout=stage.s(9))
            got += [message["data"]] if message else []
        p.close()
        return got

    def writer():
        stage.sleep(3)
        r = stage.client()
        return [r.publish(news, "one"), r.publish(news, "two")]

    got = stage.together(lambda: reader("subscribe"), lambda: reader("psubscribe"), lambda: reader("subscribe"), writer)
    assert got == [["one", "two"], ["one", "two"], ["one", "two"], [3, 3]]


@contract
def test_listen_until_unsubscribed(stage):
    """`listen()` waits for messages, and ends after UNSUBSCRIBE."""
    news = stage.key("news")

    def reader():
        p, seen = stage.client().pubsub(), []
        p.subscribe(news)
        for message in p.listen():
            seen.append((message["type"], message["data"]))
            if message["data"] == "stop":
                p.unsubscribe()
        p.close()
        return seen

    def writer():
        stage.sleep(2)
        r = stage.client()
        r.publish(news, "go")
        r.publish(news, "stop")

    assert stage.together(reader, writer)[0] == [
        ("subscribe", 1),
        ("message", "go"),
        ("message", "stop"),
        ("unsubscribe", 0),
    ]


@contract
def test_background_thread_calls_handlers(stage):
    """`run_in_thread` calls a handler for each message until it is stopped."""
    r, news, seen = stage.client(), stage.key("news"), []
    p = stage.client().pubsub()
    p.subscribe(**{news: lambda message: seen.append(message["data"])})
    thread = p.run_in_thread(sleep_time=stage.s(0.5), daemon=True)
    stage.sleep(2)
    r.publish(news, "one")
    r.publish(news, "two")
    stage.sleep(2)
    thread.stop()
    thread.join(timeout=stage.s(20))
    assert (seen, thread.is_alive()) == (["one", "two"], False)


@contract
def test_cut_subscriber_misses_and_returns(stage):
    """What is published while a subscriber's connection is cut is lost; redis-py subscribes again by itself."""
    r, news = stage.client(), stage.key("news")
    p = stage.client(client_name="subscriber").pubsub(ignore_subscribe_messages=True)
    p.subscribe(news)
    assert p.get_message(timeout=stage.s(1)) is None
    (number,) = [one["id"] for one in r.client_list() if one["name"] == "subscriber"]
    assert r.client_kill_filter(_id=number) == 1
    assert r.publish(news, "lost") == 0
    with pytest.raises(redis.ConnectionError):
        p.get_message(timeout=stage.s(1))
    assert p.get_message(timeout=stage.s(1)) is None
    assert r.publish(news, "heard") == 1
    assert p.get_message(timeout=stage.s(1))["data"] == "heard"
    p.close()


# -- redis-py's lock


@contract
def test_lock_excludes(stage):
    """Whoever holds the lock is alone; who waits gets it afterwards."""
    key, inside, seen = stage.key("lock"), [], []

    def worker(name):
        with stage.client().lock(key, timeout=stage.s(30), sleep=stage.s(0.2)):
            inside.append(name)
            seen.append(len(inside))
            stage.sleep(2)
            inside.remove(name)

    stage.together(*[partial(worker, name) for name in "abc"])
    assert seen == [1, 1, 1]


@contract
def test_lock_gives_up_waiting(stage):
    """`blocking_timeout` bounds the wait; a lock that is not blocking does not wait at all."""
    r, key = stage.client(), stage.key("lock")
    held = r.lock(key, timeout=stage.s(60))
    assert held.acquire() is True
    assert r.lock(key, sleep=stage.s(0.5), blocking_timeout=stage.s(2)).acquire() is False
    assert r.lock(key, blocking=False).acquire() is False
    with pytest.raises(LockError, match="Unable to acquire lock"), r.lock(key, blocking_timeout=0):
        pass
    held.release()
    assert r.lock(key, blocking=False).acquire() is True


@contract
def test_expired_lock_is_not_released(stage):
    """A lock whose time is over belongs to the next holder, and its release is an error."""
    mine, other, key = stage.client(), stage.client(), stage.key("lock")
    slow = mine.lock(key, timeout=stage.s(2))
    slow.acquire()
    stage.sleep(4)
    next_ = other.lock(key, timeout=stage.s(60))
    assert next_.acquire(blocking=False) is True
    with pytest.raises(LockNotOwnedError, match="Cannot release a lock that's no longer owned"):
        slow.release()
    assert next_.owned() is True
    with pytest.raises(LockError):
        slow.release()


@contract
def test_lock_can_be_extended(stage):
    """`extend` and `reacquire` renew a lock that is still held."""
    r, key = stage.client(), stage.key("lock")
    lock = r.lock(key, timeout=stage.s(4))
    lock.acquire()
    stage.sleep(2)
    assert lock.reacquire() is True
    assert lock.extend(stage.s(4)) is True
    stage.sleep(5)
    assert lock.owned() is True
    lock.release()
    with pytest.raises(LockError):
        lock.extend(1)


def _fields(reply):
    """Return the fields of each entry of an XREAD reply, whatever the protocol's shape."""
    if isinstance(reply, dict):
        reply = list(reply.items())
    entries = [
        entry for _, found in reply or [] for entry in (found[0] if found and isinstance(found[0], list) else found)
    ]
    return [entry[1] for entry in entries]
