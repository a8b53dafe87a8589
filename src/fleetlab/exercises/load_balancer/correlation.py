"""correlation: one id goes with an order through three services, and into every line that they log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import asked
from ..exercise import Exercise
from ..history import History
from ..wording import clean
from .lines import about, ids, lines_of

HEADER = "x-request-id"
ADA, BOB = "ada-7f3a", "bob-91c2"
LONGEST = "A1-z" * 16
HOSTILE = {
    "quotes": b'x", "level": "critical", "y": "',
    "spaces": b"1 level=critical event=refunded",
    "long": b"b" * 65,
    "longer": b"c" * 4000,
    "escape": b"d\x1b[2K",
    "letters": b"\xe9\xe8\xea",
    "underscore": b"e_e_e",
}
"""Ids that a client may send and nobody may use: what is ordered with each, and the id."""

correlation = Exercise(
    "03.correlation",
    "One id goes with an order through three services, into every line",
    hints=[
        "Three things happen to an id: it comes in with a request, it stands in each line meanwhile, it goes out with "
        "each call and with the answer. Flask's before_request and after_request are one place for all routes.",
        "Two orders are under way in one process at the same time: a variable of the module belongs to both. "
        "`bind_contextvars` of structlog binds to the context of one request. A new thread begins with an empty one.",
        "`contextvars.copy_context().run` is a function that calls another in a copy of this context, so a Thread can "
        "have it for its target. An error handler of Flask runs where the id is still bound, if before_request bound "
        "it. And re.fullmatch decides which ids are taken over.",
    ],
)


NEXT: dict[str, dict[str, str]] = {"shop": {"THEN": "stock"}, "stock": {"LATER": "parcel"}, "parcel": {}}
"""The services, and whom each calls: before its answer, or in a thread of its own."""


def _deploy(world: World, service: Any, names: Sequence[str] = tuple(NEXT), stocks: int = 1) -> None:
    """Start services, which run the same code, and whose variables say who comes next; none is told of who is not."""
    for name in names:
        variables = {"NAME": name, **{when: other for when, other in NEXT[name].items() if other in names}}
        world.deploy(service, instances=stocks if name == "stock" else 1, name=name, env=variables)


def _client(world: World, name: str, own_id: str | bytes = b"", service: str = "shop") -> Client:
    """Return a client that sends an id of its own with each request."""
    client = world.client(name, base_url=f"http://{service}")
    if own_id:
        client.headers.update(((HEADER.encode(), own_id if isinstance(own_id, bytes) else own_id.encode()),))
    return client


@correlation.scenario(preemptions=0)
def one_after_the_other(world: World, service: Any) -> Any:
    """Ada orders with an id of her own, once a short and once the longest one; then Bob twice, without."""
    _deploy(world, service)
    with world.calm():
        _client(world, "ada", ADA).post("/orders/tea")
        _client(world, "ada", LONGEST).post("/orders/honey")
        for _ in range(2):
            _client(world, "bob").post("/orders/milk")
        world.run(1)


@correlation.scenario(preemptions=0)
def bob_is_under_way(world: World, service: Any) -> Any:
    """Bob's order waits two seconds for an instance of stock that stands still; meanwhile Ada's comes and goes."""
    _deploy(world, service, stocks=2)
    ada, bob = _client(world, "ada", ADA), _client(world, "bob", BOB)
    with world.calm():
        world["stock-1"].pause(2)
        task = world.spawn(bob.post, "/orders/milk")
        world.run(0.5)
        ada.post("/orders/tea")
        task.wait()
        world.run(1)


@correlation.scenario(preemptions=0)
def stock_is_gone(world: World, service: Any) -> Any:
    """There is no instance of stock, so the shop cannot take Ada's order."""
    _deploy(world, service, stocks=0)
    with world.calm():
        _client(world, "ada", ADA).post("/orders/tea")


@correlation.scenario(preemptions=0)
def strange_ids(world: World, service: Any) -> Any:
    """Mallory orders with ids that are no ids."""
    _deploy(world, service)
    with world.calm():
        for item, strange in HOSTILE.items():
            _client(world, "mallory", strange).post(f"/orders/{item}")
        world.run(1)


@correlation.scenario(preemptions=1)
def both_at_once(world: World, service: Any) -> Any:
    """Ada and Bob order at the same moment; stock has no parcels to think of."""
    _deploy(world, service, ["shop", "stock"])
    _order_together(world, "shop")


@correlation.scenario(preemptions=0)
def both_in_the_background(world: World, service: Any) -> Any:
    """Two orders reach stock at the same moment, and each goes on in a thread."""
    _deploy(world, service, ["stock", "parcel"])
    _order_together(world, "stock")


def _order_together(world: World, name: str) -> None:
    ada, bob = _client(world, "ada", ADA, name), _client(world, "bob", BOB, name)
    world.together(lambda: ada.post("/orders/tea"), lambda: bob.post("/orders/milk"))
    with world.calm():
        world.run(1)


# Invariants, the most telling first


@correlation.must(
    "UNANSWERED",
    "every order is answered with 200",
    one_after_the_other,
    bob_is_under_way,
    both_at_once,
    both_in_the_background,
)
def all_answered(history: History) -> str | None:
    """Say which order was refused, or failed."""
    for request in history.sent:
        if not request.ok:
            return f"{asked(history, request)}; the contract says 200."
    return None


@stock_is_gone.must("FALSE-SUCCESS", "an order that failed is not answered with success")
def failure_is_told(history: History) -> str | None:
    """Say that a failure was hidden from the customer."""
    if history.sent[0].ok:
        return f"{asked(history, history.sent[0])}; stock was not there, and has heard nothing of it."
    return None


@one_after_the_other.must("SILENT", "each service logs something about each order, as JSON with its item")
def nobody_is_silent(history: History) -> str | None:
    """Say who has logged nothing about an order."""
    told = {(line.service, line.item) for line in lines_of(history)}
    for item in ("tea", "honey", "milk"):
        for name in history.world.deployments:
            if (name, item) not in told:
                return f"{name} has logged nothing about the order of {item}, as JSON with its item."
    return None


@one_after_the_other.must("NO-ID", "every line about an order carries its id")
def lines_have_ids(history: History) -> str | None:
    """Say which line has no id."""
    for line in lines_of(history):
        if not line.id and not line.background:
            return f'{line}: there is no "request_id" in it.'
    return None


@one_after_the_other.must("NEW-ID", "the id that comes in goes through all services")
def ids_are_kept(history: History) -> str | None:
    """Say which service has made up an id where there was one."""
    for item, own_id in (("tea", ADA), ("honey", LONGEST)):
        for line in about(history, item):
            if line.id != own_id and not line.background:
                return f"Ada's order of {item} came with the id {own_id}; {line}."
    for line in about(history, "milk"):
        if not line.background and line.id not in ids(history, "shop", "milk"):
            return f"The shop gave Bob's order the id {ids(history, 'shop', 'milk')[0]}; {line}."
    return None


@correlation.must(
    "LOST-IN-BACKGROUND",
    "what is done after the answer carries the id of the order as well",
    one_after_the_other,
    bob_is_under_way,
)
def background_has_ids(history: History) -> str | None:
    """Say which line of the thread, or of whom it called, has no id or one that no order has."""
    for line in lines_of(history):
        if line.background and line.id not in ids(history, "shop"):
            return f"{line}: that was for the order of {line.item}, {' or '.join(ids(history, 'shop', line.item))}."
    return None


@one_after_the_other.must("SHARED-ID", "two orders without an id get two")
def ids_differ(history: History) -> str | None:
    """Say that two orders have one id."""
    if len(ids(history, "shop", "milk")) < 2:
        return f"Bob ordered milk twice, without an id; the shop logs both as {ids(history, 'shop', 'milk')[0]}."
    return None


@bob_is_under_way.must("BLOCKED", "nobody waits for another's order")
def nobody_waits(history: History) -> str | None:
    """Say who waited for whom."""
    for request in history.sent:
        if request.client == "ada" and request.seconds >= 1:
            return f"Ada waited {request.seconds:.1f} s for her tea, behind Bob's order, which waits for stock-1."
    return None


@correlation.must(
    "MIXED-UP",
    "a line carries the id of the order that it is about, also while orders overlap",
    bob_is_under_way,
    both_at_once,
    both_in_the_background,
)
def own_ids(history: History) -> str | None:
    """Say which line carries the id of another order."""
    for name, item, own_id in (("Ada", "tea", ADA), ("Bob", "milk", BOB)):
        for line in about(history, item):
            if line.id != own_id:
                return f"{name}'s order of {item} came with the id {own_id}; {line}."
    return None


@one_after_the_other.must("NOT-TOLD", "the answer says the id of its order in X-Request-ID")
@both_at_once.must("NOT-TOLD", "the answer says the id of its own order in X-Request-ID")
@stock_is_gone.must("NOT-TOLD", "an answer that tells of a failure says the id, too")
def answers_tell_ids(history: History) -> str | None:
    """Say which answer does not tell the id under which its lines are found."""
    for request in history.sent:
        told, sent = _header(request), request.request.headers.get(HEADER)
        if not told or (sent and told != sent):
            came = f"the order came with the id {sent}" if sent else "the lines about it have an id"
            return f"{asked(history, request)}, with X-Request-ID: {told or 'none'}; {came}."
    return None


@stock_is_gone.must("LOST-ON-ERROR", "a failure is logged as an error, with the id of the order that failed")
def failures_have_ids(history: History) -> str | None:
    """Say that a failure is not to be found under its id."""
    if any(line.id == ADA and line.fields.get("level") in ("error", "critical") for line in lines_of(history)):
        return None
    logged = [text for instance in history.world.instances for _, level, text in instance.log if level == "ERROR"]
    found = f"the only line about it is {clean(logged[0], 100)!r}" if logged else "no line tells of it"
    return f"Ada's order failed, and with her id {ADA} nobody finds out why: {found}."


@strange_ids.must("FORGED", "what is no id is neither logged nor passed on nor told")
def nothing_forged(history: History) -> str | None:
    """Say where a client's text got in under the name of an id."""
    for item, strange in HOSTILE.items():
        text = strange.decode("latin-1")
        for line in about(history, item):
            if text[:65] in line.id:
                return f"Mallory sent an id of {len(text)} characters, {clean(repr(text), 50)}; {line}."
    for request in history.sent:
        if _header(request) == request.request.headers.get(HEADER):
            return f"Mallory sent {clean(repr(_header(request)), 50)} for an id, and was told it as that of her order."
    return None


strange_ids.must("UNANSWERED", "every order is answered with 200, whatever id comes with it")(all_answered)


def _header(request: Sent) -> str:
    return request.response.headers.get(HEADER, "") if request.response is not None else ""


__all__ = ["correlation"]
