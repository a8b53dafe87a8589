"""cache_down: a cache is what one can do without, slowly; its outage is not the site's, and not the database's."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked
from ..exercise import Exercise
from ..history import History
from .customers import PATIENCE, PRICES, Outage, Shop
from .reads import too_close

OUTAGE, SILENCE = 90.0, 15.0
"""For how long Redis refuses, and for how long it is silent, in virtual seconds."""
APART = 0.99
"""At least how many virtual seconds lie between two reads of an item by one instance; latencies take the rest."""
VISITORS = 60
"""How many people come while it is silent."""

cache_down = Exercise(
    "11_1.cache_down",
    "Without its cache the site is slow, and so it stays a site",
    hints=[
        "Count the calls of Redis in each route: each may fail, with `redis.ConnectionError` at once or with "
        "`redis.TimeoutError` after 5 s. Both are `redis.RedisError`. None of them is a reason to fail: what is in the "
        "cache is in the database, too.",
        "Who has just learnt that Redis is away should not ask again for some seconds: that is a circuit breaker. And "
        "the database must not get all that Redis has kept from it: let one thread read, under a lock, and keep for "
        "some seconds what it read. No thread may hold that lock while it waits for Redis.",
        "Two caches in a row add up. What an instance has kept for 5 s goes to Redis for at most 55 s, and never the "
        "other way round, or the minute is longer than a minute.",
    ],
)


@cache_down.seeded(seeds=1)
def one_page(world: World, app: Any) -> Any:
    """One instance; Redis refuses for a moment, in which the page is asked for and its price changes."""
    shop = Shop(world, app, instances=1)
    shop.look()
    shop.until(5)
    world.redis.outage(2)
    shop.look()
    shop.change(5)
    return Outage(shop.reads.all, 0, 5.0, 7.0)


@cache_down.seeded(seeds=2)
def redis_refuses(world: World, app: Any) -> Any:
    """Two instances; Redis refuses for 90 s, and the price of tea changes before that and in it."""
    shop = Shop(world, app, instances=2)
    shop.look(times=6)
    shop.until(5)
    shop.change(5)
    began = 10.0
    shop.until(began)
    world.redis.outage(OUTAGE)
    for time in range(11, 100, 16):
        shop.until(time)
        shop.crowd()
        shop.until(time + 3)
        shop.look(times=4)
        if time == 11:
            shop.until(time + 5)
            shop.change(6)
    return shop.seen_again(began, began + OUTAGE)


@cache_down.seeded(seeds=2)
def redis_is_silent(world: World, app: Any) -> Any:
    """One instance cannot reach Redis for 15 s and gets no refusal either; four people a second want tea."""
    shop = Shop(world, app, instances=1)
    shop.look(times=2)
    began = 5.0
    shop.until(began)
    world.partition("shop-1", "redis")

    def come(client: Client, number: int) -> None:
        world.run(number * SILENCE / VISITORS)
        client.get("/price/tea")

    clients = [world.client(f"visitor-{n % 40 + 1}", timeout=PATIENCE) for n in range(VISITORS)]
    world.together(*[lambda client=client, n=n: come(client, n) for n, client in enumerate(clients)])
    world.heal()
    return shop.seen_again(began, began + SILENCE + PATIENCE)


@cache_down.seeded(seeds=1)
def a_lost_delete(world: World, app: Any) -> Any:
    """Redis refuses for two seconds, in which the price changes; a third instance starts just before its entry ends."""
    shop = Shop(world, app, instances=2)
    shop.look(times=2)
    shop.until(50)
    world.redis.outage(2)
    shop.until(51)
    shop.change(5)
    shop.until(58)
    shop.fleet.scale(3)
    shop.look(times=3)
    shop.until(51 + MINUTE + 1)
    shop.look(times=3)
    return Outage(shop.reads.all, 1, 50.0, 52.0)


@cache_down.seeded(seeds=1)
def two_in_a_row(world: World, app: Any) -> Any:
    """Nothing is away; the price changes three times, and each time somebody asks so late that a copy is just alive."""
    shop = Shop(world, app, instances=1)
    for price, later in ((5, 9), (6, 29), (5, 49)):
        shop.look()
        began = world.now
        shop.change(price)
        for seconds in (later, MINUTE + 2, 2 * MINUTE):
            shop.until(began + seconds)
            shop.look()
    return Outage(shop.reads.all, 1, world.now, world.now)


# Invariants, the most telling first


def _looks(history: History, began: float = 0.0, ended: float = 1e9) -> list[Sent]:
    return [sent for sent in history.sent if sent.method == "GET" and began <= sent.time < ended]


def _price(request: Sent) -> Any:
    return request.json.get("price") if isinstance(request.json, dict) else None


@cache_down.must(
    "CONTRACT",
    "while all is well every request is answered with 200, and an item with its price",
    one_page,
    redis_refuses,
)
def as_agreed(history: History) -> str | None:
    for request in history.sent:
        if request.time < history.result.began and not request.ok:
            return f"{asked(history, request)}, while all was well."
    for request in _looks(history):
        item = request.path.rsplit("/", 1)[-1]
        known = {4, 5, 6} if item == "tea" else {PRICES[item]}
        if request.status == 200 and _price(request) not in known:
            return f'{asked(history, request)}; the contract says {{"item": ..., "price": {min(known)}}}.'
    return None


@redis_refuses.must("NOT-SHARED", "while all is well one read of the database serves the whole fleet")
def one_for_all(history: History) -> str | None:
    reads = [read for read in history.result.reads if read.time < 4]
    if len(reads) > 1:
        names = " and ".join(dict.fromkeys(read.instance for read in reads))
        return f"Six people look at tea while all is well, and the database is read {len(reads)} times, by {names}."
    return None


@redis_is_silent.must("DEAD-SITE", "four people a second are answered while Redis is silent, each within 8 s")
def alive(history: History) -> str | None:
    visits = [request for request in _looks(history) if request.client.startswith("visitor")]
    lost = [request for request in visits if request.error or _nobody_there(request)]
    if lost:
        share = f"{len(lost)} of {len(visits)} visitors get no answer within 8 s"
        return f"{share}: all 8 workers of the instance wait for Redis, 5 s a call, and four people a second come."
    return None


def _nobody_there(request: Sent) -> bool:
    return request.status == 503 and request.response is not None and "No instance" in request.response.text


@cache_down.must(
    "UNANSWERED",
    "without Redis every page is answered with 200",
    one_page,
    redis_refuses,
    redis_is_silent,
    a_lost_delete,
)
def answered(history: History) -> str | None:
    failed = [request for request in _looks(history) if not request.ok]
    if failed:
        count = f"{len(failed)} of {len(_looks(history))} pages fail because of Redis"
        return f"{count}: {asked(history, failed[0])}."
    return None


@cache_down.must("WRITE-REFUSED", "a price can be changed without Redis", one_page, redis_refuses, a_lost_delete)
def written(history: History) -> str | None:
    for request in history.sent:
        if request.method == "PUT" and not request.ok:
            return f"{asked(history, request)}, during the outage; the database was there all the time."
    return None


@cache_down.must(
    "DEAD-DATABASE", "without Redis an instance reads an item at most once a second", redis_refuses, redis_is_silent
)
def spared(history: History) -> str | None:
    result = history.result
    reads = [read for read in result.reads if result.began + 0.5 <= read.time < result.ended]
    found = too_close(reads, APART)
    if found is None:
        return None
    one, two = found
    both = f"{one.instance} reads the same price again after {(two.time - one.time) * 1000:.0f} ms"
    return f"{both}, and in {result.ended - result.began:.0f} s the fleet reads {len(reads)} times."


@cache_down.must(
    "TOO-OLD",
    "no price is shown more than a minute after its change was acknowledged",
    redis_refuses,
    two_in_a_row,
    a_lost_delete,
)
def in_time(history: History) -> str | None:
    changes = [(sent.time + sent.seconds, sent) for sent in history.sent if sent.method == "PUT" and sent.ok]
    for request in _looks(history):
        known = [change for moment, change in changes if moment + MINUTE < request.time]
        if request.path.endswith("tea") and known and _price(request) not in _since(history, known[-1]):
            late = request.time - known[-1].time
            return f"{late:.0f} s after its change was acknowledged, {request.client} is shown the old price of tea."
    return None


def _since(history: History, change: Sent) -> list[Any]:
    """Return the prices of this change and of later ones."""
    import json

    later = [sent for sent in history.sent if sent.method == "PUT" and sent.began >= change.began]
    return [json.loads(sent.request.content)["price"] for sent in later]


@cache_down.must("NOT-BACK", "15 s after Redis is back it is in use again", redis_refuses, redis_is_silent)
def back(history: History) -> str | None:
    if history.result.calls_after:
        return None
    return "Redis is back, and 15 s later four pages of items that nobody had asked for are made without a call of it."


__all__ = ["cache_down"]
