"""pay_once: an idempotency key, so that a lost reply and a second attempt charge once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import httpx

from fleetlab.world.http import Client, Sent
from fleetlab.world.payments import PaymentProvider
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, whole
from ..exercise import Exercise
from ..history import History
from .common import client, euros, insistently

CENTS = 3000
SLOW, AFTERWARDS = 4.0, 1.0
"""How long a slow charge takes that is still answered, and for how long the shop is watched after its last answer, in
virtual seconds."""
Context = AbstractContextManager[None]

pay_once = Exercise(
    "10.pay_once",
    "A payment is charged once, however often it is sent",
    hints=[
        "Who else will be asked twice? Go along the way of the money: the shop may be asked again by Ada, and the "
        "provider by the shop. Each of the two needs to recognise what it has seen.",
        "Two equal payments differ in one thing only, their key. The provider takes one, too: a charge that is asked "
        "for again under the same key is the same charge. So a second call does no harm, and an instance may die "
        "before it, after it, or in between.",
        "Make the key the primary key of your table and let the database decide who was first: INSERT … ON CONFLICT DO "
        "NOTHING. Call the provider outside of any transaction, with Ada's key in its header, and write the row when "
        "the provider has said yes. A row that says «begun» is no payment.",
    ],
)


def _pay(client: Client, key: str, customer: str = "ada") -> httpx.Response:
    return client.post("/pay", json={"customer": customer, "cents": CENTS}, headers={"Idempotency-Key": key})


def _books(ada: Client) -> Any:
    """Return how many cents the shop says that Ada has paid, by the next instance."""
    return field(attempt(lambda: ada.get("/paid/ada")), "cents")


def _start(world: World, shop: Any) -> tuple[PaymentProvider, Client]:
    world.deploy(shop, instances=2, name="shop")
    return PaymentProvider(world), client(world, "ada")


@pay_once.scenario(preemptions=0)
def in_turn(world: World, shop: Any) -> Any:
    """Ada pays 30 €, sends it once more, then pays 30 € for something else; both instances say what she has paid."""
    provider, ada = _start(world, shop)
    with world.calm():
        for key in ("tea", "tea", "pot"):
            attempt(lambda key=key: _pay(ada, key))  # type: ignore[misc]
        return provider, [_books(ada) for _ in range(2)]


@pay_once.scenario(preemptions=0)
def slow_provider(world: World, shop: Any) -> Any:
    """The provider needs 20 s for the first charge it is asked for; whoever asks gives up after 5 s."""
    provider, ada = _start(world, shop)
    provider.delays.append(20.0)
    with world.calm():
        for key in ("tea", "pot"):
            insistently(world, lambda key=key: _pay(ada, key))  # type: ignore[misc]
        world.run(MINUTE)
        return provider, [_books(ada)]


@pay_once.scenario(preemptions=0)
def somebody_else(world: World, shop: Any) -> Any:
    """The provider takes four seconds for Ada's payment; Bob pays meanwhile, and the provider answers him at once."""
    provider, ada = _start(world, shop)
    bob = client(world, "bob")
    provider.delays.append(SLOW)  # the first alone
    with world.calm():
        world.spawn(lambda: attempt(lambda: _pay(ada, "tea")), name="ada")
        world.run(0.5)
        world.spawn(lambda: attempt(lambda: _pay(bob, "pot", "bob")), name="bob")
        world.run(0.5)
        behind_a_row = bool(world.database.lock.queue)  # one lock here, and on a real server one for each row
        world.run(SLOW)
        return behind_a_row


def _twice(world: World, shop: Any, before: Context, after: Context) -> Any:
    """Let a payment arrive twice, and then be sent until one says yes; the provider takes a second for each."""
    provider, ada = _start(world, shop)
    provider.delays.extend([1.0, 1.0])
    with before:
        both = [world.spawn(lambda: attempt(lambda: _pay(ada, "tea")), name="ada") for _ in range(2)]
        world.run(0.5)
    with after:
        for one in both:
            one.wait()
    with world.calm():
        world.run(MINUTE)
        insistently(world, lambda: _pay(ada, "tea"))
        return provider, [_books(ada)]


@pay_once.scenario(preemptions=1)
def twice_at_once(world: World, shop: Any) -> Any:
    """Ada's payment arrives twice at the same moment, at two instances; she sends it until one says yes."""
    return _twice(world, shop, nullcontext(), world.calm())


@pay_once.scenario(preemptions=1)
def two_answers_at_once(world: World, shop: Any) -> Any:
    """The same, and both instances hear of the provider at the same moment."""
    return _twice(world, shop, world.calm(), nullcontext())


@pay_once.scenario(preemptions=0, kills=1, lost_replies=1, deviations=1)
def no_answer(world: World, shop: Any) -> Any:
    """Ada pays 30 €; any one reply may be lost, or an instance die; she tries again with the same key."""
    provider, ada = _start(world, shop)
    insistently(world, lambda: _pay(ada, "tea"))
    world.run(AFTERWARDS)
    with world.calm():
        world.deployments["shop"].scale(2)
        return provider, [_books(ada)]


# Invariants, the most telling first


def _payments(history: History) -> list[Sent]:
    return [request for request in history.sent if request.path == "/pay"]


def _key(request: Sent) -> str:
    return str(request.request.headers["idempotency-key"])


def _told_paid(history: History) -> set[str]:
    """Return the keys of the payments that Ada was told are paid."""
    return {_key(request) for request in _payments(history) if request.ok}


@in_turn.must("CHARGED-TWICE", "a payment that is sent again is charged once")
@pay_once.must(
    "CHARGED-TWICE", "a payment that arrives twice at once is charged once", two_answers_at_once, twice_at_once
)
@no_answer.must("CHARGED-TWICE", "a payment that is sent again because no answer came is charged once")
@slow_provider.must("CHARGED-TWICE", "a charge that takes effect late is the same charge")
def once(history: History) -> str | None:
    provider, _ = history.result
    keys = {_key(request) for request in _payments(history)}
    if len(provider.charges) > len(keys):
        taken = euros(provider.taken("ada"))
        made = "one payment" if len(keys) == 1 else f"{len(keys)} payments"
        return f"Ada made {made} of {euros(CENTS)}, and the provider has taken {taken} from her."
    return None


@in_turn.must("SWALLOWED", "two equal payments are two payments")
def both(history: History) -> str | None:
    provider, _ = history.result
    second = next(request for request in _payments(history) if _key(request) == "pot")
    if 400 <= second.status < 500 or (second.ok and len(provider.charges) == 1):
        return (
            f"Ada paid {euros(CENTS)} for tea and {euros(CENTS)} for a pot, each with a key of its own; "
            f"the second came to {second.outcome}, and one was charged."
        )
    return None


@in_turn.must("UNANSWERED", "without a fault every payment is answered with 200")
@slow_provider.must("UNANSWERED", "a provider that does not answer is no error of the shop's: 503, and try again")
@pay_once.must(
    "UNANSWERED",
    "without a fault a payment is answered with 200, or with 409 while it is under way",
    two_answers_at_once,
    twice_at_once,
)
def answered(history: History) -> str | None:
    for request in history.sent:
        if request.status == 500 or (history.world.now < MINUTE and not request.ok and request.status != 409):
            return f"{asked(history, request)}; the shop has to answer 200, or 409 while it is under way."
        if request.ok and not whole(field(request.response, "paid" if request.path == "/pay" else "cents")):
            return f'{asked(history, request)}; the contract says {{"paid": cents}}, and {{"cents": n}} for /paid.'
    return None


@somebody_else.must("HELD-UP", "nobody waits for the payment of somebody else")
def nobody_waits(history: History) -> str | None:
    bobs = next(request for request in history.sent if request.client == "bob")
    if history.result or (bobs.ok and bobs.seconds < SLOW / 2):
        return None
    return (
        f"The provider took {SLOW:.0f} s for Ada's payment and answers Bob at once; "
        f"Bob's came to {bobs.outcome} after {bobs.seconds:.1f} s."
    )


@pay_once.must("STUCK", "a payment goes through in the end", two_answers_at_once, twice_at_once, slow_provider)
@no_answer.must("STUCK", "a payment goes through in the end, whoever died")
def gets_through(history: History) -> str | None:
    for key in dict.fromkeys(map(_key, _payments(history))):
        mine = [request for request in _payments(history) if _key(request) == key]
        if not any(request.ok for request in mine):
            return f"Ada sent her payment {len(mine)} times within a minute, and the last came to {mine[-1].outcome}."
    return None


@pay_once.must(
    "NOT-CHARGED", "who is told that it is paid has paid", two_answers_at_once, twice_at_once, no_answer, slow_provider
)
def really(history: History) -> str | None:
    provider, _ = history.result
    told = len(_told_paid(history))
    if len(provider.charges) < told:
        taken = euros(provider.taken("ada"))
        return f"Ada was told that {euros(told * CENTS)} are paid, and the provider has taken {taken}."
    return None


@in_turn.must("WRONG-BOOKS", "the shop's books say on every instance what the provider has taken")
@pay_once.must(
    "WRONG-BOOKS",
    "the shop's books say what the provider has taken",
    two_answers_at_once,
    twice_at_once,
    no_answer,
    slow_provider,
)
def books(history: History) -> str | None:
    provider, told = history.result
    taken = provider.taken("ada")
    for cents in told:
        if cents != taken:
            said = euros(cents) if whole(cents) else "nothing"
            return f"The provider has taken {euros(taken)} from Ada, and the shop's books say {said}."
    return None


__all__ = ["pay_once"]
