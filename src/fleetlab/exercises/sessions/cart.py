"""shared_cart: a session that every instance can find, that two tabs can change, and that ends by itself."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, browser, field, patiently
from ..exercise import Exercise
from ..history import History

shared_cart = Exercise(
    "09.shared_cart",
    "Ada's cart survives routing, two tabs and the loss of an instance",
    hints=[
        "Ask of each line: whose memory is this? Only what all instances share is there at the next request.",
        "Reading the cart, changing it and writing it back is three moments, and anybody may come between them. Which "
        "data type of Redis takes one more item in one command?",
        "How does a key end by itself, and what becomes of a key whose instance dies between two commands? Look up "
        "`EXPIRE`, and `pipeline(transaction=True)`. Looking at the cart is a use as well.",
    ],
)


def _cart(client: Client) -> list[str] | None:
    """Return the cart as its owner sees it; None where it cannot be seen."""
    cart = field(patiently(lambda: client.get("/cart")), "cart")
    return cart if isinstance(cart, list) else None


def _item(sent: Sent) -> str:
    return sent.path.rsplit("/", 1)[-1]


@shared_cart.scenario(preemptions=0, kills=1)
def one_after_another(world: World, shop: Any) -> Any:
    """Ada adds, Bob adds once and leaves for ever, Ada goes on a minute later; an instance may die."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = (browser(world, name, cookies={"user": name}) for name in ("ada", "bob"))
    patiently(lambda: ada.post("/cart/tea"), tries=1)
    patiently(lambda: bob.post("/cart/milk"), tries=1)
    world.run(MINUTE)
    seen, more = _cart(ada), patiently(lambda: ada.post("/cart/honey")).is_success
    if seen is None or not more:
        return None
    adas = _cart(ada)
    world.run(31 * MINUTE)
    return adas, _cart(bob)


@shared_cart.scenario(preemptions=0)
def half_an_hour(world: World, shop: Any) -> Any:
    """Ada is pinned to an instance and comes back within half an hour, also after a release; then she stays away."""
    fleet = world.deploy(shop, instances=2, name="shop", balancer="sticky")
    ada = browser(world, "ada", cookies={"user": "ada"})
    ada.post("/cart/tea")
    seen = {}
    for minute in (20, 45, 76):
        world.run(minute * MINUTE - world.now)
        seen[minute] = _cart(ada)
        if minute == 20:
            fleet.rollout(shop)
    return seen


def _two_tabs(world: World, shop: Any) -> tuple[Client, Client]:
    world.deploy(shop, instances=2, name="shop")
    left, right = (browser(world, f"ada-{tab}", cookies={"user": "ada"}) for tab in ("left", "right"))
    right.cookies = left.cookies.jar  # one browser: what one tab is sent, both have
    return left, right


@shared_cart.scenario(preemptions=1)
def looking_while_adding(world: World, shop: Any) -> Any:
    """Ada looks at her cart in one tab while she adds in another."""
    left, right = _two_tabs(world, shop)
    left.post("/cart/tea")
    world.together(lambda: left.post("/cart/milk"), lambda: right.get("/cart"))
    return _cart(right)


@shared_cart.scenario(preemptions=2)
def two_tabs(world: World, shop: Any) -> Any:
    """Ada adds from two tabs of one browser at once."""
    left, right = _two_tabs(world, shop)
    world.together(lambda: left.post("/cart/tea"), lambda: right.post("/cart/milk"))
    return _cart(left)


# Invariants, the most telling first


@shared_cart.must(
    "UNANSWERED",
    "without a fault every request is answered with 200, that for an empty cart too",
    one_after_another,
    half_an_hour,
)
@shared_cart.must("UNANSWERED", "without a fault every request is answered with 200", looking_while_adding, two_tabs)
def all_answered(history: History) -> str | None:
    for request in history.sent:
        if (request.ok and field(request.response, "cart") is None) or 400 <= request.status < 500:
            return f'{asked(history, request)}; the contract says 200 and {{"cart": [items]}}.'
        if not request.ok and not history.faults:
            return f"{asked(history, request)}, without any fault."
    return None


@one_after_another.must("BLOCKED", "nobody waits for another user, nor for an instance that died a minute ago")
def nobody_waits(history: History) -> str | None:
    for request in history.sent:
        if request.client == "bob" and request.seconds >= 1:
            return f"Bob waited {request.seconds:.0f} s for his {_item(request)}, behind Ada's request."
    if history.result is None:
        return "A minute after an instance has died, Ada cannot use her cart: three tries, no answer."
    return None


@one_after_another.must("MIXED-UP", "everybody sees his or her own items alone")
def own_items(history: History) -> str | None:
    return "Ada's cart holds milk, which Bob has put into his." if "milk" in history.result[0] else None


@one_after_another.must("LOST-ITEM", "every item that was acknowledged is in the cart")
def none_lost_with_an_instance(history: History) -> str | None:
    return _lost(history, history.result[0])


@shared_cart.must("LOST-ITEM", "every item that was acknowledged is in the cart", looking_while_adding, two_tabs)
def nothing_lost(history: History) -> str | None:
    return _lost(history, history.result)


def _lost(history: History, cart: list[str]) -> str | None:
    added = [_item(request) for request in history.acknowledged if request.client.startswith("ada")]
    lost = [item for item in added if item not in cart]
    verb = "was acknowledged and is" if len(lost) == 1 else "were acknowledged and are"
    return f"Ada's {' and '.join(lost)} {verb} gone from her cart." if lost else None


@half_an_hour.must("GONE-TOO-EARLY", "the cart stays for half an hour after its last use, and looking at it is a use")
def still_there(history: History) -> str | None:
    if "tea" not in history.result[20]:
        return "At minute 20 Ada's cart is empty; she has used it at minute 0."
    if "tea" not in history.result[45]:
        return "At minute 45 Ada's cart is empty; she has looked at it at minute 20, and after that came a release."
    return None


@one_after_another.must("NEVER-GONE", "the cart is gone half an hour after its last use, whoever died meanwhile")
def gone_with_its_instance(history: History) -> str | None:
    bobs = history.result[1]
    return f"32 minutes after its last use Bob's cart still holds {' and '.join(bobs)}." if bobs else None


@half_an_hour.must("NEVER-GONE", "the cart is gone half an hour after its last use")
def gone(history: History) -> str | None:
    adas = history.result[76]
    return f"31 minutes after its last use Ada's cart still holds {' and '.join(adas)}." if adas else None


__all__ = ["shared_cart"]
