"""wizard: a checkout of three pages, each of which any instance can serve."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import DAY, asked, browser, field
from ..exercise import Exercise
from ..history import History
from .checkout import HILL, LAMP, PATIENCE, QUAY, TEA, Outcome, begin, confirm, deploy, listed, orders_of
from .common import forgeries, unanswered

wizard = Exercise(
    "03.wizard",
    "A checkout of three pages makes one order, whoever serves which page",
    hints=[
        "Write down for each page what it must know, and who knows it. What does the browser send along with each "
        "page, and what of it could a customer have typed?",
        "Give each checkout a number of its own on its first page. What has been entered may lie in a store under "
        "that number, or travel in a cookie that is signed; the price is the shop's word either way.",
        "«Look whether it is there, then write it» is two moments. Which command of Redis writes a field only if it is "
        "not there yet? What does a UNIQUE column of the checkout's number do, together with ON CONFLICT DO NOTHING?",
    ],
)


@wizard.scenario(preemptions=0)
def page_by_page(world: World, shop: Any) -> Any:
    """Ada and Bob fill in their pages in turn, each served by another of three instances; Eve skips the address."""
    deploy(world, shop, instances=3)
    ada, bob, eve = (browser(world, name) for name in ("ada", "bob", "eve"))
    ada.post("/checkout", json={"item": "lamp"})
    bob.post("/checkout", json={"item": "tea"})
    ada.post("/checkout/address", json={"address": QUAY})
    bob.post("/checkout/address", json={"address": HILL})
    told = [confirm(ada), confirm(bob)]
    eve.post("/checkout", json={"item": "tea"})
    refused = eve.post("/checkout/confirm").is_client_error
    return Outcome(told, orders_of(world), refused)


@wizard.scenario(preemptions=0)
def a_second_lamp(world: World, shop: Any) -> Any:
    """A minute after her order Ada orders the same again, from the first page on."""
    deploy(world, shop)
    ada = browser(world, "ada")
    told = []
    for _ in range(2):
        begin(ada)
        told.append(confirm(ada))
        world.run(60)
    return Outcome(told, orders_of(world))


@wizard.scenario(preemptions=0)
def a_price_of_ones_own(world: World, shop: Any) -> Any:
    """Mallory adds a price to what she enters; then she looks into her cookies, and changes the price in there."""
    deploy(world, shop)
    mallory = browser(world, "mallory")
    _ask(mallory, "/checkout", {"item": "lamp", "price": 1})
    _ask(mallory, "/checkout/address", {"address": QUAY, "price": 1})
    _ask(mallory, "/checkout/confirm", {"price": 1})
    if begin(mallory):
        forger = browser(world, "mallory")
        for name, value in dict(mallory.cookies).items():
            for forged in forgeries(value, str(LAMP["price"]), "1"):
                forger.cookies.clear()
                forger.cookies.update({**mallory.cookies, name: forged})
                _ask(forger, "/checkout/confirm", {})
    return Outcome([], orders_of(world))


def _ask(client: Client, path: str, body: dict[str, Any]) -> None:
    client.post(path, json=body)


@wizard.scenario(preemptions=0)
def sent_again(world: World, shop: Any) -> Any:
    """Ada's browser sends the last page again, cookies included: at once, and when it is opened a day later."""
    deploy(world, shop)
    ada = browser(world, "ada")
    begin(ada)
    page = ada.build_request("POST", "/checkout/confirm")
    told = [field(ada.send(page), "order") for _ in range(2)]
    orders = orders_of(world)
    world.run(DAY)
    ada.send(page)
    return Outcome(told, orders, later=orders_of(world))


@wizard.scenario(preemptions=1)
def double_click(world: World, shop: Any) -> Any:
    """Ada clicks twice on the last button, and each click reaches another instance."""
    deploy(world, shop)
    left, right = (browser(world, f"ada-{hand}") for hand in ("left", "right"))
    with world.calm():
        begin(left)
        right.cookies.update(left.cookies)
    told = world.together(lambda: confirm(left), lambda: confirm(right))
    return Outcome(told, orders_of(world))


@wizard.scenario(preemptions=0, kills=1)
def an_instance_goes(world: World, shop: Any) -> Any:
    """The balancer is sticky, an instance may die at any step, and Ada sends a page again that was not answered."""
    deploy(world, shop, "sticky")
    ada = browser(world, "ada", timeout=PATIENCE)
    if not begin(ada, tries=3):
        return Outcome([None], orders_of(world), refused=True)
    told = [confirm(ada, tries=3)]
    with world.calm():
        return Outcome(told, orders_of(world))


# Invariants, the most telling first


@page_by_page.must("LOST-STEP", "what was entered on one page is known on the next")
def known_on_the_next(history: History) -> str | None:
    """Say whose checkout the last page knew nothing of."""
    for request in history.sent:
        if request.client in ("ada", "bob") and _forgotten(request):
            return f"{asked(history, request)}; the page before it was answered by another instance."
    return None


@an_instance_goes.must("LOST-STEP", "what was entered on one page is known on the next, whoever has died")
def known_to_survivors(history: History) -> str | None:
    """Say which page was entered, acknowledged, and forgotten."""
    for request in history.sent:
        if request.client == "ada" and _forgotten(request):
            return f"{asked(history, request)}; the page before it had been acknowledged."
    return None


def _forgotten(request: Sent) -> bool:
    return 400 <= request.status < 500 and request.path != "/checkout"


@page_by_page.must("UNANSWERED", "without a fault every page is answered with 200, also one that is sent again")
@a_second_lamp.must("UNANSWERED", "without a fault every page is answered with 200")
@double_click.must("UNANSWERED", "without a fault every page is answered with 200, also one that is sent twice")
def all_answered(history: History) -> str | None:
    """Say which request had no success, or told no order, and which list could not be read."""
    wrong = unanswered(history, refused=("eve",))
    if wrong is None and history.result.orders is None:
        return 'GET /orders has to answer {"orders": [{"item": …, "address": …, "price": …}, …]}.'
    if wrong is None and None in history.result.told:
        return 'POST /checkout/confirm has to answer {"order": number}.'
    return wrong


@sent_again.must("UNANSWERED", "the last page, sent again at once, is answered with 200 and the order's number")
def again_answered(history: History) -> str | None:
    """Say that the second send was refused."""
    confirmed = [request for request in history.sent if request.path == "/checkout/confirm"][:2]
    for request, told in zip(confirmed, history.result.told, strict=True):
        if told is None:
            return f"{asked(history, request)}; the contract says 200 with the order, whenever the page is sent."
    return None


@page_by_page.must("MIXED-UP", "everybody's order holds what he or she has entered")
def own_entries(history: History) -> str | None:
    """Say whose order holds what somebody else has entered."""
    orders = history.result.orders
    for name, wanted in (("Ada", LAMP), ("Bob", TEA)):
        if not listed(orders, wanted):
            return f"{name} was told that an order of {_told(wanted)} is placed; the orders are {_all(orders)}."
    return None


@page_by_page.must("INCOMPLETE", "without an address there is no order")
def nothing_without_an_address(history: History) -> str | None:
    """Say that a checkout was confirmed that had a page missing."""
    if not history.result.refused or len(history.result.orders) > 2:
        eve = _last_of(history, "eve")
        return f"{asked(history, eve)}; she has entered no address, so a 4xx was due, and no order."
    return None


@a_price_of_ones_own.must("FORGED-PRICE", "the price is the shop's, whatever the customer sends")
def price_of_the_shop(history: History) -> str | None:
    """Say that somebody paid what she liked."""
    for order in history.result.orders or ():
        if order.get("item") == "lamp" and order.get("price") != LAMP["price"]:
            return f"Mallory has ordered a lamp for {order.get('price')}; it costs {LAMP['price']}."
    return None


@sent_again.must("SECOND-ORDER", "a checkout makes one order, however often its last page is sent")
@double_click.must("SECOND-ORDER", "a checkout makes one order, also when its last page is sent twice at once")
@an_instance_goes.must("SECOND-ORDER", "a checkout makes one order, also when its last page is sent again")
def one_order(history: History) -> str | None:
    """Say that one checkout came to two orders, or was told two numbers."""
    outcome = history.result
    for orders, when in ((outcome.orders, ""), (outcome.later, ", once more a day later")):
        if orders is not None and len(orders) > 1:
            return f"Ada went through one checkout and sent its last page twice{when}: there are {len(orders)} orders."
    numbers = [number for number in outcome.told if number is not None]
    if len({str(number) for number in numbers}) > 1:
        return f"Ada went through one checkout, and was told two orders: {numbers[0]} and {numbers[1]}."
    return None


@a_second_lamp.must("SWALLOWED", "two checkouts make two orders, also of the same thing")
def two_checkouts(history: History) -> str | None:
    """Say that a second checkout was taken for the first."""
    count = listed(history.result.orders, LAMP)
    return (
        f"Ada went through two checkouts, and was told 200 twice: {count} of her orders is there."
        if count < 2
        else None
    )


@sent_again.must("LOST-ORDER", "an order that was told to the customer is there, and stays")
@double_click.must("LOST-ORDER", "an order that was told to the customer is there")
def order_is_there(history: History) -> str | None:
    """Say that an order was told that nobody finds."""
    outcome = history.result
    for orders in (outcome.orders, outcome.later):
        if orders is not None and not listed(orders, LAMP):
            return f"Ada was told order {outcome.told[0]}; the orders are {_all(orders)}."
    return None


@an_instance_goes.must("LOST-ORDER", "a checkout comes to its order, whoever has died")
def order_survives(history: History) -> str | None:
    """Say that a checkout never came to an order, or that its order is gone."""
    outcome = history.result
    if outcome.orders is None or outcome.refused or outcome.told == [None]:
        return "An instance has died, and Ada cannot finish: three tries, no answer."
    if not listed(outcome.orders, LAMP):
        return f"Ada was told order {outcome.told[0]}; an instance has died, and the orders are {_all(outcome.orders)}."
    return None


def _last_of(history: History, client: str) -> Any:
    return [request for request in history.sent if request.client == client][-1]


def _told(order: dict[str, Any]) -> str:
    return f"{order.get('item')} for {order.get('price')} to {order.get('address')}"


def _all(orders: list[Any] | None) -> str:
    return "; ".join(_told(order) for order in orders or ()) or "none"


__all__ = ["wizard"]
