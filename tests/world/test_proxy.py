"""A reverse proxy in front of a service keeps what it may keep, as RFC 9111 has it."""

from __future__ import annotations

import pytest
from flask import Flask, request

from fleetlab import World
from fleetlab.world.browser import browser
from fleetlab.world.proxy import reverse_proxy


def shop(env):
    """A shop that counts how often each page is made, and says who may keep it."""
    app = Flask("shop")
    made = {"price": 0, "me": 0, "news": 0, "cart": 0}

    def page(name, rule, etag="v1", **headers):
        made[name] += 1
        answer = app.make_response((f"{name} {made[name]}", 200, {"Cache-Control": rule, **headers}))
        answer.set_etag(etag)
        return answer.make_conditional(request)

    app.get("/price")(lambda: page("price", "public, max-age=60"))
    app.post("/price", endpoint="set")(lambda: ("", 204))
    app.get("/me", endpoint="me")(lambda: page("me", "private, max-age=60"))
    app.get("/cart", endpoint="cart")(lambda: page("cart", "private, no-cache", f"v{made['cart'] // 2}"))
    app.get("/news", endpoint="news")(lambda: page("news", "max-age=60", Vary="Accept-Language"))
    return app


@pytest.fixture
def world():
    """A shop behind a proxy of two instances."""
    with World(seed=1) as world:
        world.deploy(shop, name="shop", instances=1)
        world.deploy(reverse_proxy("shop"), name="cdn", instances=2)
        yield world


@pytest.fixture
def cdn(world):
    """A client of the proxy that always meets its first instance."""
    world["cdn-2"].kill()
    return world.client("ada", base_url="http://cdn")


def seen(response):
    """Return the body and what the cache did."""
    return response.text, response.headers["cache-status"]


def test_fresh_response_is_kept_and_its_age_told(world, cdn):
    """The second request does not reach the shop."""
    assert seen(cdn.get("/price")) == ("price 1", "cdn-1; fwd=miss; stored")
    world.run(10)
    second = cdn.get("/price")
    assert seen(second) == ("price 1", "cdn-1; hit")
    assert second.headers["age"] == "10"


def test_stale_response_is_asked_about_and_not_sent_again(world, cdn):
    """The origin says 304, and what was kept is good for another while."""
    cdn.get("/price")
    world.run(61)
    assert seen(cdn.get("/price")) == ("price 1", "cdn-1; fwd=stale; fwd-status=304")
    assert seen(cdn.get("/price")) == ("price 1", "cdn-1; hit")


def test_client_that_has_the_page_gets_no_body(cdn):
    """The proxy itself answers If-None-Match from what it keeps."""
    cdn.get("/price")
    answer = cdn.get("/price", headers={"If-None-Match": '"v1"'})
    assert (answer.status_code, answer.content) == (304, b"")


def test_private_page_is_never_kept(cdn):
    """A page of one user lands in no shared cache."""
    assert [seen(cdn.get("/me")) for _ in range(2)] == [("me 1", "cdn-1; fwd=miss"), ("me 2", "cdn-1; fwd=miss")]


def test_variants_are_kept_apart(cdn):
    """Vary names the headers that make another page of it."""
    for language in ("de", "en"):
        cdn.get("/news", headers={"Accept-Language": language})
    assert cdn.get("/news", headers={"Accept-Language": "de"}).headers["cache-status"] == "cdn-1; hit"


def test_write_through_the_proxy_drops_what_it_changes(cdn):
    """An unsafe method invalidates its URL (RFC 9111, section 4.4)."""
    cdn.get("/price")
    cdn.post("/price")
    assert seen(cdn.get("/price")) == ("price 2", "cdn-1; fwd=miss; stored")


def test_purge_drops_a_url(cdn):
    """Of one instance of the proxy, and says how much that was."""
    cdn.get("/price")
    assert [cdn.request("PURGE", "/price").text for _ in range(2)] == ["1 dropped\n", "0 dropped\n"]
    assert seen(cdn.get("/price")) == ("price 2", "cdn-1; fwd=miss; stored")


def test_each_instance_keeps_its_own(world):
    """Two edges ask the origin twice."""
    ada = world.client("ada", base_url="http://cdn")
    assert [seen(ada.get("/price"))[1] for _ in range(4)] == [
        "cdn-1; fwd=miss; stored",
        "cdn-2; fwd=miss; stored",
        "cdn-1; hit",
        "cdn-2; hit",
    ]


def test_kept_pages_outlive_the_origin_and_others_are_a_502(world, cdn):
    """While the shop is out of reach, what is fresh is still served."""
    cdn.get("/price")
    world.network.outage("shop", 30)
    assert seen(cdn.get("/price"))[1] == "cdn-1; hit"
    answer = cdn.get("/me")
    assert (answer.status_code, answer.text) == (502, "shop gave no answer: ConnectError\n")


def test_stale_response_that_has_changed_is_replaced(world, cdn):
    """A new one takes the place of the one that was kept, and the status says that it came from the origin."""
    cdn.get("/price")
    world.deployments["shop"].rollout(dearer_shop)
    world.run(61)
    assert seen(cdn.get("/price")) == ("price 9", "cdn-1; fwd=stale; fwd-status=200; stored")
    assert cdn.request("PURGE", "/price").text == "1 dropped\n"


def dearer_shop(env):
    """A shop with another page."""
    app = Flask("shop")
    app.get("/price")(lambda: ("price 9", 200, {"Cache-Control": "max-age=60", "ETag": '"v2"'}))
    return app


def slow_shop(env):
    """A shop that needs a second for each page, and counts how often it makes one."""
    app, made = Flask("shop"), []

    def page(rule="max-age=60", status=200, **headers):
        env.work(1)
        made.append(request.path)
        return f"page {len(made)}", status, {"Cache-Control": rule, **headers}

    app.get("/slow")(page)
    app.get("/me", endpoint="me")(lambda: page("private"))
    app.get("/always", endpoint="always")(lambda: page("public, no-cache"))
    app.get("/news", endpoint="news")(lambda: page(Vary="Accept-Language"))
    app.get("/cookie", endpoint="cookie")(lambda: page(**{"Set-Cookie": "user=ada"}))
    app.get("/broken", endpoint="broken")(lambda: page(status=500))
    app.get("/tea/<name>", endpoint="tea")(lambda name: page())
    app.get("/tea", endpoint="teas")(page)
    app.get("/teapots", endpoint="pots")(page)
    return app


@pytest.fixture
def slow():
    """A slow shop behind one proxy."""
    with World(seed=1) as world:
        world.deploy(slow_shop, name="shop", instances=1)
        world.deploy(reverse_proxy("shop"), name="cdn", instances=1)
        yield world


def at_once(world, path, *headers):
    """Ask for a path once for each set of headers, all at the same moment; return the answers."""
    answers = []
    clients = [(world.client(base_url="http://cdn"), each) for each in headers]
    world.together(*[lambda c=c, h=h: answers.append(c.get(path, headers=h)) for c, h in clients])
    return answers


def asked(world):
    """Return how many requests have come to the shop."""
    return sum(event.kind == "request" and event.to == "shop-1" for event in world.trace)


def test_concurrent_misses_become_one_request(slow):
    """Who waits is told by what was kept, and the status says so."""
    answers = at_once(slow, "/slow", *[{}] * 8)
    assert {answer.text for answer in answers} == {"page 1"}
    assert asked(slow) == 1
    states = sorted(seen(answer)[1] for answer in answers)
    assert states == ["cdn-1; fwd=miss; collapsed"] * 7 + ["cdn-1; fwd=miss; stored"]


def test_each_variant_is_asked_for_once(slow):
    """Who waited for another language asks for the own one, again together."""
    answers = at_once(slow, "/news", *[{"Accept-Language": tongue} for tongue in ("de", "en", "de", "en")])
    assert sorted(answer.text for answer in answers) == ["page 1", "page 1", "page 2", "page 2"]


@pytest.mark.parametrize("path", ["/me", "/always", "/cookie"])
def test_those_who_waited_for_what_is_for_nobody_else_ask_at_once(slow, path):
    """A second for the first, and one for all others together; later ones do not wait for each other either."""
    assert len({answer.text for answer in at_once(slow, path, *[{}] * 4)}) == 4
    assert 2 <= slow.now < 2.1
    at_once(slow, path, *[{}] * 4)
    assert 3 <= slow.now < 3.1


def test_failure_is_shared_but_not_its_page(slow):
    """Nobody asks a shop again that has just failed for the same request, and nobody sees another one's error page."""
    answers = at_once(slow, "/broken", *[{}] * 4)
    assert sorted(answer.text for answer in answers) == ["Another request for this has just failed.\n"] * 3 + ["page 1"]
    assert {answer.status_code for answer in answers} == {500}
    assert asked(slow) == 1


def test_request_that_wants_an_answer_of_its_own_is_not_collapsed(slow):
    """What `Authorization` or a reload is answered says nothing about what others are."""
    at_once(slow, "/slow", {"Authorization": "Bearer 1"}, {"Cache-Control": "no-cache"}, {}, {})
    assert asked(slow) == 3


def test_response_with_a_cookie_is_not_stored(slow):
    """The next user would be given it."""
    ada = slow.client("ada", base_url="http://cdn")
    states = [ada.get("/cookie").headers["cache-status"] for _ in range(2)]
    assert states == ["cdn-1; fwd=miss"] * 2


def test_ban_drops_a_path_and_what_lies_below(slow):
    """A path that merely begins alike stays."""
    ada = slow.client("ada", base_url="http://cdn")
    for path in ("/tea", "/tea?page=2", "/tea/green", "/teapots", "/slow"):
        ada.get(path)
    assert ada.request("BAN", "/tea").text == "3 dropped\n"
    assert [seen(ada.get(path))[1] for path in ("/teapots", "/tea/green")] == ["cdn-1; hit", "cdn-1; fwd=miss; stored"]
    assert ada.request("BAN", "/").text == "3 dropped\n"


def moody_shop(env):
    """A shop that fails once it is told to, under one rule for its page."""
    app, failing = Flask("shop"), []

    @app.get("/")
    def page():
        return ("sorry", 503) if failing else ("hello", 200, {"Cache-Control": env.vars["RULE"], "ETag": '"1"'})

    app.post("/fail")(lambda: (failing.append(1), "")[1])
    return app


def later(rule, seconds, *, kill):
    """Return what the proxy answers so many seconds after it kept a page, by a shop that fails or is dead."""
    with World(seed=1) as world:
        fleet = world.deploy(moody_shop, name="shop", instances=1, env={"RULE": rule})
        world.deploy(reverse_proxy("shop"), name="cdn", instances=1)
        ada = world.client("ada", base_url="http://cdn")
        ada.get("/")
        ada.post("/fail")
        if kill:
            next(iter(fleet)).kill()
        world.run(seconds)
        answer = ada.get("/")
        return answer.status_code, answer.headers["cache-status"].removeprefix("cdn-1; ")


@pytest.mark.parametrize("kill", [True, False])
def test_stale_response_stands_in_where_the_origin_fails(kill):
    """For as long as `stale-if-error` says, after the lifetime (RFC 5861, section 4)."""
    rule = "max-age=10, stale-if-error=20"
    assert later(rule, 5, kill=kill) == (200, "hit")
    assert later(rule, 25, kill=kill) == (200, "fwd=stale; fwd-status=503")
    assert later(rule, 31, kill=kill) == (503, "fwd=stale; fwd-status=503")


@pytest.mark.parametrize("more", ["", ", must-revalidate", ", proxy-revalidate", ", s-maxage=10", ", no-cache"])
def test_stale_response_stands_in_for_nobody_where_it_is_forbidden(more):
    """RFC 9111, section 4.2.4, has the list."""
    rule = f"max-age=10, stale-if-error=20{more}" if more else "max-age=10"
    assert later(rule, 25, kill=True)[0] == 503


def test_stale_response_stands_in_for_no_answer_at_all(world, cdn):
    """Then there is no status to tell."""
    world.deployments["shop"].rollout(patient_shop)
    cdn.get("/price")
    world.network.outage("shop", 100)
    world.run(30)
    assert seen(cdn.get("/price")) == ("price", "cdn-1; fwd=stale")


def patient_shop(env):
    """A shop whose page may be old where it fails."""
    app = Flask("shop")
    app.get("/price")(lambda: ("price", 200, {"Cache-Control": "max-age=10, stale-if-error=60"}))
    return app


def test_distance_is_paid_by_a_miss_alone(world):
    """An edge far from its origin answers a hit as quickly as any."""
    world.deploy(reverse_proxy("shop", distance=0.1), name="edge", instances=1)
    ada = world.client("ada", base_url="http://edge")
    took = [ada.get("/price").elapsed.total_seconds() for _ in range(2)]
    assert took[0] > 0.1 > 0.01 > took[1]
    with pytest.raises(ValueError, match=r"^reverse_proxy\(distance=\) is a number of seconds, 0 or more, not -1\.$"):
        reverse_proxy("shop", distance=-1)


def test_browser_sends_no_request_for_what_is_fresh(world):
    """Its cache is private: it keeps what is the user's own, too, and nobody else has it."""
    ada, bob = (browser(world, name, base_url="http://shop") for name in ("ada", "bob"))
    assert [ada.get("/me").text, ada.get("/me").text, bob.get("/me").text] == ["me 1", "me 1", "me 2"]
    assert [sent.client for sent in world.sent] == ["ada", "bob"]


def test_browser_asks_before_it_shows_what_says_no_cache(world):
    """A 304 comes without a body, and the user sees the page that was kept; a 200 takes its place."""
    ada = browser(world, "ada", base_url="http://shop")
    assert [ada.get("/cart").text for _ in range(4)] == ["cart 1", "cart 1", "cart 3", "cart 3"]
    assert [sent.status for sent in world.sent] == [200, 304, 200, 304]


def test_browser_counts_the_time_that_a_proxy_has_kept_a_page(world, cdn):
    """Two caches in a row do not add up: a page is 60 s old at the most, whoever kept it."""
    cdn.get("/price")
    world.run(50)
    ada = browser(world, "ada", base_url="http://cdn")
    assert ada.get("/price").headers["age"] == "50"
    asked = len(world.sent)
    world.run(5)
    ada.get("/price")
    assert len(world.sent) == asked
    world.run(6)
    assert "age" not in ada.get("/price").headers
    assert len(world.sent) == asked + 1
