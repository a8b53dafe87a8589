"""The rule table at the edge, and the proxy that follows it."""

from __future__ import annotations

import itertools

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from fleetlab import World
from fleetlab.world.rules import Rule, gateway, route

TABLE: list[Rule] = [
    {"backend": "web"},
    {"backend": "users", "path": "/api/users"},
    {"backend": "pictures", "path": "/api/users/me/picture/"},
    {"backend": "orders", "path": "/api/orders", "method": "POST"},
    {"backend": "mobile", "path": "/api/orders", "headers": {"X-Client": "mobile"}},
    {"backend": "v2", "path": "/api/orders", "headers": {"accept": r".*\bv2\+json\b.*"}},
    {"backend": "static", "host": "static.shop.example"},
    {"backend": "any", "host": "*.shop.example"},
]


def ask(path, host="shop.example", method="GET", **headers):
    """Return a request as an application sees it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(path, f"http://{host}/", method=method, headers=named).get_environ())


@pytest.mark.parametrize(
    ("request_", "backend"),
    [
        (ask("/"), "web"),
        (ask("/api/users"), "users"),
        (ask("/api/users/7"), "users"),
        (ask("/api/users-export"), "web"),
        (ask("/API/users"), "web"),
        (ask("/api"), "web"),
        (ask("/api/users/me/picture"), "pictures"),
        (ask("/api/orders", method="POST"), "orders"),
        (ask("/api/orders", x_client="mobile"), "mobile"),
        (ask("/api/orders", x_client="mobile-test"), "web"),
        (ask("/api/orders", method="POST", x_client="mobile"), "orders"),
        (ask("/api/orders", accept="application/vnd.shop.v2+json, */*;q=0.1"), "v2"),
        (ask("/api/orders", accept="application/vnd.shop.v20+json"), "web"),
        (ask("/api/users", "STATIC.shop.example:8443"), "static"),
        (ask("/api/users", "a.b.shop.example"), "any"),
        (ask("/api/users", "notshop.example"), "users"),
    ],
)
def test_the_most_special_rule_wins_whatever_the_order(request_, backend):
    """Host goes before path, path before method, method before headers."""
    for table in (TABLE, TABLE[::-1], TABLE[3:] + TABLE[:3]):
        assert route(table, request_) == backend


def test_of_two_equal_rules_the_first_wins():
    """As the Gateway API says where nothing else tells them apart."""
    twins = [{"backend": "one", "path": "/a"}, {"backend": "two", "path": "/a/"}]
    assert [route(table, ask("/a")) for table in itertools.permutations(twins)] == ["one", "two"]


def test_without_a_rule_that_matches_there_is_no_backend():
    """Nobody guesses."""
    assert route(TABLE[1:2], ask("/api/orders")) is None


def teller(env):
    """Answer with who was asked for what, and what the proxy told."""

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            env.work(60)
        told = [environ[f"HTTP_{name}"] for name in ("HOST", "X_FORWARDED_FOR", "X_FORWARDED_PROTO")]
        cookies = environ.get("HTTP_COOKIE", "")
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "close")])
        return ["|".join([env.name, environ["REMOTE_ADDR"], *told, cookies]).encode()]

    return app


@pytest.fixture
def edge():
    """Deploy backends behind a gateway, and return a client of it."""
    world = World(seed=1)

    def deploy(rules, *backends, **client):
        for name in backends:
            world.deploy(teller, name=name, instances=1)
        world.deploy(gateway(rules), name="edge", instances=1)
        return world, world.client("ada", base_url="https://edge", **client)

    yield deploy
    world.close()


def test_the_proxy_tells_what_it_has_seen(edge):
    """The peer is the proxy; client, scheme and host are in headers, after what the client claims."""
    _, ada = edge([{"backend": "web"}], "web", headers={"host": "shop.example", "x-forwarded-for": "bob"})
    answer = ada.get("/")
    assert answer.text == "web-1|edge-1|shop.example|bob, ada|https|"
    assert [value for name, value in answer.headers.multi_items() if name == "set-cookie"] == ["a=1", "b=2"]
    assert "connection" not in answer.headers


def test_the_proxy_keeps_no_cookies(edge):
    """What one client was given is not sent for another."""
    world, ada = edge([{"backend": "web"}], "web")
    ada.get("/")
    assert ada.get("/").text.endswith("|a=1; b=2")
    assert world.client("bob", base_url="https://edge").get("/").text.endswith("https|")


def test_weights_share_the_requests(edge):
    """Nine of ten and one of ten, about, and the same in every run."""
    _, ada = edge([{"backend": {"web": 9, "canary": 1}}], "web", "canary")
    counted = [ada.get("/").text.startswith("canary") for _ in range(200)].count(True)
    assert 10 <= counted <= 30


def test_the_proxy_answers_for_a_backend_that_does_not(edge):
    """404 without a rule, 503 without a backend, 504 without an answer in time."""
    rules = [{"backend": "web", "path": "/slow"}, {"backend": "nobody", "path": "/nobody"}]
    _, ada = edge(rules, "web", timeout=None)
    answers = [ada.get(path) for path in ("/else", "/nobody", "/slow")]
    assert [answer.status_code for answer in answers] == [404, 503, 504]
    assert [answer.text for answer in answers] == [
        "No rule matches GET edge/else.",
        "nobody cannot be reached.",
        "web did not answer in time.",
    ]


@pytest.mark.parametrize("rule", [{"backend": "web", "pth": "/"}, {"path": "/"}])
def test_a_rule_that_cannot_be_followed_is_refused(rule):
    """The sentence says what is wrong and which fields there are."""
    with pytest.raises(ValueError, match="the fields are backend, path, host, method, headers"):
        gateway([rule])


def test_a_route_that_leads_nowhere_is_told():
    """A function of one's own may return anything."""
    world = World(seed=1)
    world.deploy(gateway([], lambda rules, request: {"backend": "web"}), name="edge", instances=1)
    assert world.client().get("/").text == (
        "edge-1: TypeError: A route leads to a backend's name, or to names with a weight each, not to "
        "{'backend': 'web'}."
    )
    world.close()
