"""invoice_numbers: without a gap as well, so that a number exists if and only if its invoice does."""

from __future__ import annotations

import json
from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, patiently, whole
from ..exercise import Exercise
from ..history import History
from .common import TIMEOUT, blocked, listed, stalled

REFUSED = 422

invoice_numbers = Exercise(
    "02.invoice_numbers",
    "Invoices are numbered without a gap",
    hints=[
        "A sequence and `INCR` hand out a number at once and never take it back. When exactly may an instance die so "
        "that the number is used up and the invoice is not there?",
        "Number and invoice have to come into being in one moment, or not at all. Which tool makes several changes "
        "into one?",
        "Keep the last number in a row. `UPDATE … SET n = n + 1 RETURNING n` locks it until the COMMIT; insert the "
        "invoice in the same transaction. What is rolled back, by a refusal or by a death, gives its number back.",
    ],
)


def _bill(client: Client, customer: str, amount: int = 10) -> None:
    attempt(lambda: client.post("/invoices", json={"customer": customer, "amount": amount}))


def _books(client: Client) -> Any:
    return field(patiently(lambda: client.get("/invoices")), "invoices")


@invoice_numbers.scenario(preemptions=0)
def in_turn(world: World, office: Any) -> Any:
    """Five invoices, one of which is refused; an instance is restarted and another one starts in between."""
    fleet = world.deploy(office, instances=2, name="office")
    clerk = world.client("clerk")
    with world.calm():
        _bill(clerk, "ada")
        _bill(clerk, "bob", amount=0)
        _bill(clerk, "cem")
        fleet.restart("office-1")
        fleet.scale(3)
        _bill(clerk, "dot")
        _bill(clerk, "eve")
        return _books(clerk)


def _at_once(world: World, office: Any, amount: int) -> Any:
    world.deploy(office, instances=2, name="office")
    one, two = world.client("one"), world.client("two")
    world.together(lambda: _bill(one, "ada"), lambda: _bill(two, "bob", amount))
    with world.calm():
        _bill(one, "cem")
        return _books(one)


@invoice_numbers.scenario(preemptions=1)
def one_is_refused(world: World, office: Any) -> Any:
    """Two clerks bill at the same moment, each at another instance; one invoice is over nothing. Then comes Cem."""
    return _at_once(world, office, 0)


@invoice_numbers.scenario(preemptions=0, kills=1)
def an_instance_dies(world: World, office: Any) -> Any:
    """Ada is billed, then Bob, an instance may die at any step; a minute later it is Cem's turn."""
    fleet = world.deploy(office, instances=2, name="office")
    clerk = world.client("clerk", timeout=TIMEOUT)
    _bill(clerk, "ada")
    _bill(clerk, "bob")
    if stalled(world):
        return None
    with world.calm():
        world.run(MINUTE)
        fleet.scale(2)
        _bill(clerk, "cem")
        return _books(clerk)


@invoice_numbers.scenario(preemptions=2)
def two_clerks(world: World, office: Any) -> Any:
    """As before, and neither invoice is refused."""
    return _at_once(world, office, 10)


# Invariants, the most telling first


def _bills(history: History) -> list[Sent]:
    return [request for request in history.sent if request.method == "POST"]


def _sums(request: Sent) -> tuple[str, int]:
    """Return whom an invoice was for, and over how much."""
    body = json.loads(request.request.content)
    return body["customer"], body["amount"]


def _number(request: Sent) -> int | None:
    number = field(request.response, "number")
    return number if whole(number) else None


def _stored(history: History) -> list[tuple[int, str]] | None:
    """Return number and customer of the invoices that are in the books; None where they cannot be read."""
    try:
        return sorted((invoice["number"], invoice["customer"]) for invoice in history.result)
    except (TypeError, KeyError):
        return None


@invoice_numbers.must(
    "UNANSWERED",
    "without a fault every invoice gets its number, or is refused with 422",
    in_turn,
    two_clerks,
    one_is_refused,
)
def all_answered(history: History) -> str | None:
    for request in _bills(history):
        if _sums(request)[1] <= 0 and request.status != REFUSED:
            return f"{asked(history, request)} for an invoice over nothing; the office has to answer 422."
        if _sums(request)[1] > 0 and _number(request) is None:
            return f'{asked(history, request)}; the office has to answer 200 {{"number": n}}.'
    if _stored(history) is None:
        wanted = '{"invoices": [{"number": 1, "customer": "ada"}, …]}'
        return f"{asked(history, history.sent[-1])}; the office has to answer {wanted}."
    return None


@an_instance_dies.must("BLOCKED", "nobody waits for an instance that is dead")
def nobody_waits(history: History) -> str | None:
    late = blocked(history)
    last = _bills(history)[-1]
    if late is None and (_number(last) is None or _stored(history) is None):
        unheard = last if _number(last) is None else history.sent[-1]
        return f"{asked(history, unheard)}, a minute after an instance has died."
    return late


@invoice_numbers.must("TWICE", "no two invoices have one number")
def none_twice(history: History) -> str | None:
    told = [(_number(request), _sums(request)[0]) for request in _bills(history) if _number(request) is not None]
    for place, (number, customer) in enumerate(told):
        others = [name for other, name in told[:place] if other == number]
        if others:
            return f"The invoices of {listed([others[0].title(), customer.title()])} are both number {number}."
    return None


@invoice_numbers.must("LOST", "every invoice whose number was told is in the books")
def none_lost(history: History) -> str | None:
    stored = {customer for _, customer in _stored(history) or []}
    for request in _bills(history):
        if _number(request) is not None and _sums(request)[0] not in stored:
            return f"{_sums(request)[0].title()}'s invoice got number {_number(request)}, and is not in the books."
    return None


@invoice_numbers.must("GAP", "the numbers in the books are 1, 2, 3 and so on")
def no_gap(history: History) -> str | None:
    numbers = [number for number, _ in _stored(history) or []]
    if numbers != list(range(1, len(numbers) + 1)):
        return f"The books hold the invoices {listed(numbers)}: the auditor asks for the one that is missing."
    return None


@invoice_numbers.must("CHANGED", "an invoice keeps the number that was told")
def same_number(history: History) -> str | None:
    stored = {customer: number for number, customer in _stored(history) or []}
    for request in _bills(history):
        customer, told = _sums(request)[0], _number(request)
        if told is not None and stored[customer] != told:
            return f"{customer.title()} was sent invoice {told}, and in the books it is number {stored[customer]}."
    return None


__all__ = ["invoice_numbers"]
