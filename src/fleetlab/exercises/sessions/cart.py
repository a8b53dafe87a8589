"""shared_cart: a session that every instance can find, that two tabs can change, and that ends by itself."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..exercise import Exercise
from ..history import History
from .common import MINUTE, asked, browser, field, patiently, said

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


def _added(history: History, client: str) -> list[str]:
    """Return the items whose addition was acknowledged to a client (or to a client of that name's tabs)."""
    return [_item(sent) for sent in history.acknowledged if sent.client.startswith(client)]


def _item(sent: Sent) -> str:
    return sent.path.rsplit("/", 1)[-1]


@shared_cart.scenario(preemptions=2, kills=1)
def two_tabs(world: World, shop: Any) -> Any:
    """Ada adds from two tabs of one browser at once; an instance may die."""
    world.deploy(shop, instances=2, name="shop")
    left, right = (browser(world, f"ada-{tab}", cookies={"user": "ada"}) for tab in ("left", "right"))
    right.cookies = left.cookies.jar  # one browser: what one tab is sent, both have
    world.together(lambda: left.post("/cart/tea"), lambda: right.post("/cart/milk"))
    return _cart(left)


@shared_cart.scenario(preemptions=1)
def looking_while_adding(world: World, shop: Any) -> Any:
    """Ada looks at her cart in one tab while she adds in another."""
    world.deploy(shop, instances=2, name="shop")
    left, right = (browser(world, f"ada-{tab}", cookies={"user": "ada"}) for tab in ("left", "right"))
    left.post("/cart/tea")
    world.together(lambda: left.post("/cart/milk"), lambda: right.get("/cart"))
    return _cart(right)


@shared_cart.scenario(preemptions=0, kills=1)
def two_users(world: World, shop: Any) -> Any:
    """Ada and Bob at once, and Ada again a minute later; what happens to her instance is not Bob's business."""
    world.deploy(shop, instances=2, name="shop")
    ada, bob = (browser(world, name, cookies={"user": name}) for name in ("ada", "bob"))
    world.together(lambda: ada.post("/cart/tea"), lambda: bob.post("/cart/milk"))
    world.run(MINUTE)
    patiently(lambda: ada.post("/cart/honey"))
    return _cart(ada), _cart(bob)


@shared_cart.scenario(preemptions=0, kills=1)
def half_an_hour(world: World, shop: Any) -> Any:
    """Ada comes back within half an hour each time, also after a release, then stays away; so does Bob."""
    fleet = world.deploy(shop, instances=2, name="shop", balancer="sticky")
    ada, bob = (browser(world, name, cookies={"user": name}) for name in ("ada", "bob"))
    ada.post("/cart/tea")
    world.run(20 * MINUTE)
    seen = {20: _cart(ada)}
    world.run(15 * MINUTE)
    fleet.rollout(shop)
    world.run(10 * MINUTE)
    seen[45] = _cart(ada)
    bob.post("/cart/milk")
    world.run(31 * MINUTE)
    return seen, {"Ada": _cart(ada), "Bob": _cart(bob)}


# Invariants, the most telling first


@two_tabs.must("UNANSWERED", "without a fault every request is answered, the empty cart too")
@looking_while_adding.must("UNANSWERED", "without a fault every request is answered, the empty cart too")
@half_an_hour.must("UNANSWERED", "without a fault every request is answered, the empty cart too")
def all_answered(history: History) -> str | None:
    for request in history.sent:
        if not request.ok and not history.faults:
            return f"{asked(request)}, without any fault."
        if request.ok and request.path == "/cart" and not isinstance(said(request, "cart"), list):
            return f'{asked(request)}; the contract says {{"cart": [items]}}.'
    return None


@two_users.must("BLOCKED", "nobody waits for another user, nor for an instance that died a minute ago")
def nobody_waits(history: History) -> str | None:
    for request in history.sent:
        if request.seconds >= 1:
            whom = "for an instance that is dead" if request.time >= MINUTE else "behind another user"
            return f"{request.client} waited {request.seconds:.0f} s for {request.method} {request.path}, {whom}."
    return None


@two_tabs.must("BLOCKED", "the cart can be seen again after the loss of an instance")
def still_to_be_seen(history: History) -> str | None:
    return "Ada loads her cart three times, and no answer comes." if history.result is None else None


@two_users.must("MIXED-UP", "everybody sees his or her own items alone")
def own_items(history: History) -> str | None:
    for user, other, cart in zip(("Ada", "Bob"), ("Bob", "Ada"), history.result, strict=True):
        strange = [item for item in cart or () if (item == "milk") == (user == "Ada")]
        if strange:
            return f"{user}'s cart holds {' and '.join(strange)}, which {other} has put into a cart."
    return None


@two_tabs.must("LOST-ITEM", "every item that was acknowledged is in the cart")
@looking_while_adding.must("LOST-ITEM", "every item that was acknowledged is in the cart")
def nothing_lost(history: History) -> str | None:
    lost = [item for item in _added(history, "ada") if item not in history.result]
    return f"Ada's {' and '.join(lost)} was acknowledged and is gone from her cart." if lost else None


@two_users.must("LOST-ITEM", "every item that was acknowledged is in the cart")
def nothing_lost_later(history: History) -> str | None:
    for user, cart in zip(("ada", "bob"), history.result, strict=True):
        lost = [item for item in _added(history, user) if item not in (cart or ())]
        if lost:
            return f"{user.title()}'s {' and '.join(lost)} was acknowledged and is gone from the cart."
    return None


@half_an_hour.must("GONE-TOO-EARLY", "the cart stays for half an hour after its last use, and looking at it is a use")
def still_there(history: History) -> str | None:
    for minute, cart in history.result[0].items():
        if _added(history, "ada") and "tea" not in (cart or ()):
            since = "added to it at minute 0" if minute == 20 else "looked at it at minute 20; a release came between"
            return f"At minute {minute} Ada's cart is empty, although she {since}."
    return None


@half_an_hour.must("NEVER-GONE", "the cart is gone half an hour after its last use")
def gone(history: History) -> str | None:
    for user, cart in history.result[1].items():
        if cart:
            return f"31 minutes after its last use {user}'s cart still holds {' and '.join(cart)}."
    return None


__all__ = ["shared_cart"]
