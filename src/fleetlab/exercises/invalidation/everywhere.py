"""invalidate_everywhere: each instance keeps prices in its own memory, and all of them forget what has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field
from ..exercise import Exercise
from ..history import History
from ..owner import sql
from .common import client

LIFE = MINUTE
"""How long after it was read from the database a price may be shown where no message comes, in virtual seconds."""
TEA, MILK = 3, 2
"""What tea and milk cost at first."""

invalidate_everywhere = Exercise(
    "11_3.invalidate_everywhere",
    "Every instance forgets a price that has changed",
    hints=[
        "The line that forgets runs in one process. Who tells the others, at which moment, and what becomes of the "
        "message for an instance whose connection is broken just then?",
        "`pubsub()` and `publish` of redis-py reach all who have subscribed by then; publish after the COMMIT, and "
        "subscribe before the first request. A thread that reads messages ends with its first ConnectionError unless "
        "you go on. What no message repairs, an end time beside each price does.",
        "One order is left: a request reads the old price, the message comes and finds nothing to forget, and then the "
        "request keeps the old price. Count the messages for each item. Note the count before the SELECT, and keep the "
        "price only if it is still the same.",
    ],
)


class Told(NamedTuple):
    """What each instance told for an item, as one client saw it, beside the price in the database, and how slowly."""

    prices: list[Any]
    right: Any
    slowest: float

    @property
    def wrong(self) -> Any:
        """The first price that is not the one in the database, or None."""
        return next((price for price in self.prices if price != self.right), None)

    @property
    def where(self) -> str:
        """The instances that told another price than the database has."""
        wrong = [f"shop-{number}" for number, price in enumerate(self.prices, 1) if price != self.right]
        return f"{' and '.join(wrong)} {'tells' if len(wrong) == 1 else 'tell'}"


def _shop(world: World, shop: Any, instances: int = 2) -> None:
    sql(world, "CREATE TABLE prices (item TEXT PRIMARY KEY, price INTEGER NOT NULL, version INTEGER NOT NULL)")
    sql(world, "INSERT INTO prices VALUES ('tea', :tea, 1), ('milk', :milk, 1)", tea=TEA, milk=MILK)
    world.deploy(shop, instances=instances, name="shop")


def _price(who: Client, item: str = "tea") -> Any:
    return field(attempt(lambda: who.get(f"/price/{item}")), "price")


def _put(owner: Client, price: int) -> None:
    attempt(lambda: owner.put("/price/tea", json={"price": price}))


def _soon(world: World, seconds: float, f: Callable[..., Any], *args: Any) -> None:
    """Do something a moment later."""
    world.run(seconds)
    f(*args)


def _each(world: World, who: Client, item: str = "tea") -> Told:
    """Ask each instance in turn for a price; the client has asked none before, or all of them equally often."""
    mark = len(world.sent)
    with world.calm():
        prices = [_price(who, item) for _ in world.deployments["shop"].live]
        right = sql(world, "SELECT price FROM prices WHERE item = :item", item=item)
    return Told(prices, right, max(sent.seconds for sent in world.sent[mark:]))


def _cut_from(world: World, store: str, who: Client, *items: str) -> list[Told]:
    """Ask each instance for prices while none reaches a store."""
    for instance in world.instances:
        world.partition(instance.name, store)
    told = [_each(world, who, item) for item in items]
    world.heal()
    return told


# -- situations


@invalidate_everywhere.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Three instances know two prices; the owner changes one three times, each time at another instance."""
    with world.calm():
        _shop(world, shop, instances=3)
        ada, owner = client(world, "ada"), client(world, "owner")
        before = [_each(world, ada, item) for item in ("tea", "milk")]
        world.run(15)
        alone = [_cut_from(world, store, ada, "tea")[0] for store in ("database", "redis")]
        world.run(1)
        changed = []
        for price in (TEA + 1, TEA + 2, TEA + 3):
            _put(owner, price)
            world.run(1)
            changed.append(_each(world, ada))
        return before, alone, changed, _cut_from(world, "database", ada, "milk")[0]


@invalidate_everywhere.scenario(preemptions=0)
def a_message_is_lost(world: World, shop: Any) -> Any:
    """shop-1 loses its connection to Redis for ten seconds, and the price changes meanwhile; later it changes again."""
    with world.calm():
        _shop(world, shop)
        ada, owner = client(world, "ada"), client(world, "owner")  # the owner's first request goes to shop-2
        _each(world, ada)
        world.partition("shop-1", "redis")
        world.redis.disconnect(world["shop-1"].process)
        world.run(1)
        _put(owner, TEA + 1)
        world.run(9)
        world.heal()
        while world.now <= LIFE:
            _each(world, ada)
            world.run(17)
        late = _each(world, ada)
        _price(owner)
        _put(owner, TEA + 2)
        world.run(1)
        return late, _each(world, ada)


@invalidate_everywhere.scenario(preemptions=0, pauses=1, pause_seconds=0.3)
def read_and_change(world: World, shop: Any) -> Any:
    """The owner changes a price at shop-2 while Ada reads it at shop-1, and Bob a moment later; one may stand still."""
    with world.calm():
        _shop(world, shop)
    ada, owner, bob = (client(world, name) for name in ("ada", "owner", "bob"))
    world.together(
        lambda: _price(ada), lambda: _soon(world, 0.02, _put, owner, TEA + 1), lambda: _soon(world, 0.1, _price, bob)
    )
    with world.calm():
        world.run(1)
        _price(ada)  # at shop-2: her round is complete
        return _each(world, ada)


@invalidate_everywhere.scenario(preemptions=0, pauses=1, pause_seconds=0.3)
def two_owners(world: World, shop: Any) -> Any:
    """Two owners change one price, one soon after the other; an instance may stand still for longer than that."""
    with world.calm():
        _shop(world, shop)
    owner, partner = client(world, "owner"), client(world, "partner")
    world.together(lambda: _put(owner, TEA + 1), lambda: _soon(world, 0.02, _put, partner, TEA + 2))
    with world.calm():
        world.run(1)
        _price(owner)  # at shop-2: her round is complete
        return _each(world, owner)


# Invariants, the most telling first


@in_turn.must("CONTRACT", 'each request is answered with 200, a price as {"price": 3}, and a change is in the database')
def as_agreed(history: History) -> str | None:
    for request in history.sent:
        if not request.ok and request.seconds < 1:
            return f"{asked(history, request)}, without any fault."
    before, _, changed, _ = history.result
    for told in before:
        if told.wrong is not None or None in told.prices:
            return f"The price is {told.right}, and the instances answered {told.prices}, before anything had changed."
    for number, told in enumerate(changed, 1):
        if told.right != TEA + number:
            return f"A change to {TEA + number} was acknowledged, and the database says {told.right}."
    return None


@in_turn.must("ASKS-DATABASE", "for a minute a price that has not changed is told from memory")
def database_spared(history: History) -> str | None:
    told = history.result[1][0]
    if None in told.prices or told.slowest >= 1:
        return (
            "15 seconds after each instance has told what tea costs, one of them cannot tell it without the database."
        )
    return None


@in_turn.must("ASKS-REDIS", "a price in memory is told without asking Redis")
def redis_spared(history: History) -> str | None:
    told = history.result[1][1]
    if None in told.prices or told.slowest >= 1:
        return "15 seconds after each instance has told what tea costs, one of them cannot tell it without Redis."
    return None


@in_turn.must("UNHEARD", "a second after a change was acknowledged every instance has heard of it")
def everybody_hears(history: History) -> str | None:
    for told in history.result[2]:
        if told.wrong is not None:
            return f"A second after the price became {told.right}, {told.where} {told.wrong}."
    return None


@in_turn.must("FLUSHED", "what has not changed stays in memory")
def others_stay(history: History) -> str | None:
    told = history.result[3]
    if None in told.prices or told.slowest >= 1:
        return "The price of tea has changed, and an instance has forgotten that of milk: it cannot tell it by itself."
    return None


@a_message_is_lost.must("OLD-FOR-EVER", "whatever message was lost, a minute after it was read no price is shown")
def ends_by_itself(history: History) -> str | None:
    late, _ = history.result
    if late.wrong is not None:
        return (
            f"shop-1 was cut off from Redis when the price became {late.right}, and more than a minute after it has "
            f"read {late.wrong} from the database it still tells it."
        )
    return None


@a_message_is_lost.must("DEAF", "an instance that was cut off hears again when it is connected again")
def hears_again(history: History) -> str | None:
    _, again = history.result
    if again.wrong is not None:
        return (
            f"shop-1 lost its connection to Redis, and has had most of a minute to make a new one; a second after the "
            f"price became {again.right}, {again.where} {again.wrong}."
        )
    return None


@read_and_change.must("PUT-BACK", "a second after a change nobody is told the old price, whoever was reading meanwhile")
def not_put_back(history: History) -> str | None:
    told: Told = history.result
    if told.wrong is not None:
        return f"Somebody read the price while it changed to {told.right}; a second later {told.where} {told.wrong}."
    return None


@two_owners.must("CROSSED", "after two changes at once all instances tell what the database says")
def one_truth(history: History) -> str | None:
    told: Told = history.result
    if told.wrong is not None:
        return f"Two changes at once have left {told.right} in the database; a second later {told.where} {told.wrong}."
    return None


__all__ = ["invalidate_everywhere"]
