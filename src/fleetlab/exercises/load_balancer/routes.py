"""routes: which of ten services a request is for, whatever the order of the rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from fleetlab.world.http import Sent
from fleetlab.world.rules import Rule, gateway, matches
from fleetlab.world.world import World

from ..answer import app_factory
from ..exercise import Exercise
from ..history import History

V2 = ".*vnd[.]shop[.]v2[+]json.*"
TABLE: list[Rule] = [
    {"host": "static.shop.example", "backend": "static"},
    {"path": "/api/users/me/picture", "backend": "pictures"},
    {"path": "/api/users", "backend": "users"},
    {"path": "/api/orders", "method": "POST", "backend": "checkout"},
    {"path": "/api/orders", "headers": {"X-Client": "mobile", "Accept": V2}, "backend": "mobile-v2"},
    {"path": "/api/orders", "headers": {"X-Client": "mobile"}, "backend": "mobile"},
    {"path": "/api/orders", "headers": {"Accept": V2}, "backend": "orders-v2"},
    {"path": "/api/orders", "backend": "orders"},
    {"method": "POST", "headers": {"X-Client": "mobile"}, "backend": "app"},
    {"path": "/", "backend": "website"},
]
"""The rules of the edge, from the most special to the most general: whoever takes the first that matches is lucky."""


def function_of_two(answer: Any) -> str:
    """Say what keeps an answer from being a function of rules and request."""
    try:
        inspect.signature(answer).bind(None, None)
    except TypeError:
        if not callable(answer) or inspect.isclass(answer):
            wrong = app_factory(answer).split(":")[0]
            return f"{wrong}: hand over the function itself, which takes rules and a request, as in check(route)."
        return f"{getattr(answer, '__name__', 'The answer')} must take exactly two parameters, rules and request."
    except ValueError:
        return ""
    return ""


routes = Exercise(
    "03.routes",
    "Each request reaches the service that the table says",
    hints=[
        "Collect all the rules that match before you choose one. And compare paths as what they are: lists of "
        "segments, of which the rule names the first ones. What is the list of «/»?",
        "`request.host` is what the client wrote: any case, perhaps with a port. `request.headers` does not care about "
        "case; `re.fullmatch` wants the whole value, where `re.match` wants its beginning.",
        "Python compares tuples from left to right, which is just what precedence means: give `max` a key that returns "
        "(host named, length of path, method named, number of headers).",
    ],
    complaint=function_of_two,
)


@dataclass(frozen=True, slots=True)
class Probe:
    """A request and where it has to go; `id` names the harm if it goes elsewhere, `why` says what the table says."""

    id: str
    path: str
    backend: str
    why: str
    host: str = "www.shop.example"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


FIELDS = {"host": "WRONG-HOST", "path": "NEIGHBOUR", "method": "WRONG-METHOD", "headers": "WRONG-HEADER"}
"""The harm that is done where a rule is taken for a match although this field of it is none."""

NEW = {"accept": "application/vnd.shop.v2+json, */*;q=0.1"}
PROBES = [
    Probe("NOT-LONGEST", "/api/users/me/picture/large", "pictures", "of the paths that match, it is the longest"),
    Probe("NEIGHBOUR", "/", "website", "no other path is as short"),
    Probe("NEIGHBOUR", "/help/returns", "website", "the rule with the path / matches every path"),
    Probe("NEIGHBOUR", "/api/users", "users", "the path itself matches as well"),
    Probe("NEIGHBOUR", "/api/users/7", "users", "what lies below a path matches"),
    Probe("NEIGHBOUR", "/api/users-export", "website", "users-export is another segment than users"),
    Probe("NEIGHBOUR", "/api", "website", "it is shorter than the path /api/users"),
    Probe("NEIGHBOUR", "/API/users", "website", "in a path the case counts"),
    Probe("NEIGHBOUR", "/api/users/me", "users", "it is shorter than the path /api/users/me/picture"),
    Probe("WRONG-HOST", "/logo.png", "static", "the host matches", "static.shop.example"),
    Probe("WRONG-HOST", "/logo.png", "static", "in a host the case does not count", "Static.Shop.Example"),
    Probe("WRONG-HOST", "/logo.png", "static", "the port is no part of the host's name", "static.shop.example:8443"),
    Probe("WRONG-HOST", "/logo.png", "website", "this is another host", "notstatic.shop.example"),
    Probe("WRONG-HOST", "/logo.png", "website", "this is another host", "static.shop.example.evil.example"),
    Probe("WRONG-METHOD", "/api/orders", "checkout", "the method matches", method="POST"),
    Probe("WRONG-METHOD", "/api/orders/7", "orders", "the rule for POST does not match"),
    Probe("WRONG-HEADER", "/api/orders", "mobile", "the header's name has no case", headers={"x-client": "mobile"}),
    Probe("WRONG-HEADER", "/api/orders", "orders", "only the whole value matches", headers={"x-client": "mobile-test"}),
    Probe("WRONG-HEADER", "/api/orders", "orders-v2", "Accept may list more than one type", headers=NEW),
    Probe("WRONG-HEADER", "/api/orders", "orders", "this is v3", headers={"accept": "application/vnd.shop.v3+json"}),
    Probe("PRECEDENCE", "/api/users/7", "static", "a host goes before a path", "static.shop.example"),
    Probe("PRECEDENCE", "/api/orders", "mobile-v2", "two headers go before one", headers={"x-client": "mobile", **NEW}),
    Probe("PRECEDENCE", "/api/orders", "checkout", "a method goes before a header", method="POST", headers=NEW),
    Probe(
        "PRECEDENCE",
        "/api/orders",
        "checkout",
        "a method goes before any number of headers",
        method="POST",
        headers={"x-client": "mobile", **NEW},
    ),
    Probe(
        "PRECEDENCE",
        "/api/users",
        "users",
        "a path goes before method and headers",
        method="POST",
        headers={"x-client": "mobile"},
    ),
    Probe("PRECEDENCE", "/feedback", "app", "two fields go before none", method="POST", headers={"x-client": "mobile"}),
]
PRIVATE = [rule for rule in TABLE if rule["backend"] in ("users", "static")]
STRANGERS = [
    Probe("GUESSED", "/", "", "no rule matches"),
    Probe("GUESSED", "/api/orders", "", "no rule matches", method="POST"),
    Probe("GUESSED", "/api/users", "users", "the path matches"),
]


def _service(env: Any) -> Callable[..., list[bytes]]:
    """Answer every request with the name of the service."""
    name = env.name.rpartition("-")[0].encode()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name]

    return app


def _send(world: World, rules: Sequence[Rule], answer: Any, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Put an edge before the services of a table, and send it requests, one after the other."""
    with world.calm():
        for name in dict.fromkeys(str(rule["backend"]) for rule in rules):
            world.deploy(_service, instances=1, name=name)
        world.deploy(gateway(rules, answer), instances=1, name="edge")
        ada = world.client("ada", base_url="https://edge")
        for probe in probes:
            ada.request(probe.method, probe.path, headers={"host": probe.host, **probe.headers})
    return probes


@routes.scenario(preemptions=0)
def as_it_is_written(world: World, answer: Any) -> Any:
    """The table runs from the most special rule to the most general."""
    return _send(world, TABLE, answer, PROBES)


@routes.scenario(preemptions=0)
def the_other_way_round(world: World, answer: Any) -> Any:
    """The same table, from the most general rule to the most special."""
    return _send(world, TABLE[::-1], answer, PROBES)


@routes.scenario(preemptions=0)
def shuffled(world: World, answer: Any) -> Any:
    """The same table, cut like a deck of cards."""
    return _send(world, TABLE[5:] + TABLE[:5], answer, PROBES)


@routes.scenario(preemptions=0)
def without_a_default(world: World, answer: Any) -> Any:
    """A table of two rules, and requests that neither matches."""
    return _send(world, PRIVATE, answer, STRANGERS)


# Invariants, the most telling first


def _astray(history: History, *ids: str) -> str | None:
    """Return which request went where it does not belong, of those whose harm has one of these ids."""
    for probe, sent in zip(history.result, history.sent, strict=True):
        if _served(sent) == probe.backend:
            continue
        id_, why = _harm(probe, _served(sent))
        if id_ in ids:
            return f"{_asked(probe)} {_went(sent)}, in place of {probe.backend or 'nobody'}: {why}."
    return None


def _harm(probe: Probe, served: str) -> tuple[str, str]:
    """Return the id of what went wrong, and why it is wrong: by the field that does not match, or by the probe."""
    if not probe.backend:
        return probe.id, probe.why
    from werkzeug.test import EnvironBuilder
    from werkzeug.wrappers import Request

    given = {"host": probe.host, **probe.headers}
    request = Request(EnvironBuilder(probe.path, method=probe.method, headers=given.items()).get_environ())
    for rule in TABLE:
        for name, id_ in FIELDS.items():
            field_alone = cast("Rule", {"backend": served, name: rule.get(name)})
            if rule["backend"] == served and name in rule and not matches(field_alone, request):
                return id_, probe.why if id_ == probe.id else f"the rule for {served} does not match by its {name}"
    return probe.id, probe.why


def _served(sent: Sent) -> str:
    """Return who has served a request; nothing where no rule was found."""
    found = sent.response is not None and sent.status == 200
    return sent.response.text if found and sent.response is not None else "" if sent.status == 404 else "?"


def _asked(probe: Probe) -> str:
    given = "".join(f", {name}: {value}" for name, value in probe.headers.items())
    return f"{probe.method} {probe.host}{probe.path}{given}"


def _went(sent: Sent) -> str:
    if sent.status == 200 and sent.response is not None:
        return f"went to {sent.response.text}"
    text = sent.response.text if sent.response is not None else sent.error
    return "went to nobody" if sent.status == 404 else f"came to {sent.status} ({text:.60})"


def _must(id: str, sentence: str) -> None:  # noqa: A002
    @as_it_is_written.must(id, sentence)
    def holds(history: History) -> str | None:
        return _astray(history, id)


@as_it_is_written.must("NO-DEFAULT", "what no other rule matches goes to the rule with the path /")
def default(history: History) -> str | None:
    """Return which request the rule for everything did not match."""
    for probe, sent in zip(history.result, history.sent, strict=True):
        if probe.backend == "website" and not _served(sent):
            return f"{_asked(probe)} {_went(sent)}, in place of website: the rule with the path / matches every path."
    return None


_must("NOT-LONGEST", "of the paths that match, the longest wins")
_must("NEIGHBOUR", "a path matches itself and what lies below it, and nothing else")
_must("WRONG-HOST", "a rule's host matches that host alone, in any case and on any port")
_must("WRONG-METHOD", "a rule's method matches that method alone")
_must("WRONG-HEADER", "a rule's headers match by name in any case, and by their whole values")
_must("PRECEDENCE", "host goes before path, path before method, method before the number of headers")


@routes.must("ORDER", "the order of the rules changes nothing", the_other_way_round, shuffled)
def whatever_the_order(history: History) -> str | None:
    """Return which request goes elsewhere if the same rules are listed in another order."""
    wrong = _astray(history, *dict.fromkeys(probe.id for probe in PROBES))
    return f"With the rules in another order, {wrong}" if wrong else None


@without_a_default.must("GUESSED", "what no rule matches goes to nobody")
def nobody_guesses(history: History) -> str | None:
    """Return which request went to somebody whom no rule names."""
    return _astray(history, "GUESSED")


__all__ = ["TABLE", "routes"]
