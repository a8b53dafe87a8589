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
