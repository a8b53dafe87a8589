"""Real httpx clients on a transport without sockets."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from flask import Flask, jsonify, redirect, request
from shops import by, shop

from fleetlab import World
from fleetlab.sim.choices import Choices
from fleetlab.sim.faults import Lost


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def answering(answer):
    """Return a factory of a shop that answers every request with what `answer()` returns."""

    def shop(env):
        app = Flask("shop")

        @app.route("/", defaults={"path": ""}, methods=["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"])
        @app.route("/<path:path>", methods=["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"])
        def everything(path):
            return answer()

        return app

    return shop


def test_headers_are_latin_1_as_wsgi_has_them(world):
    """A name with an accent in a header reaches the client, and breaks nobody's task."""
    world.deploy(answering(lambda: ("", 200, {"X-User": "Zo\xeb"})), name="shop")
    assert world.client("ada").get("/").headers["x-user"] == "Zo\xeb"


def test_gateways_own_502_is_told_from_an_apps(world):
    """An app may answer 502 for a service behind it; that is an answer, and its connection was not cut off."""
    world.deploy(answering(lambda: ("stock failed", 502)), name="shop")
    world.deploy(shop, name="other")
    ada = world.client("ada")
    ada.get("http://shop/")
    assert [(sent.status, sent.cut_off) for sent in world.sent] == [(502, False)]
    world.spawn(lambda: ada.get("http://other/slow/1.0"))
    world.run(0.002)
    world["other-1"].kill()
    world.run(1)
    assert [(sent.status, sent.cut_off) for sent in world.sent][1:] == [(502, True)]


# -- timeouts and refusals


def test_a_handler_that_never_returns_times_out_after_five_virtual_seconds(world):
    """The client sees httpx's own exception, as it would on a socket."""
    world.deploy(shop)
    ada = world.client("ada")
    with pytest.raises(httpx.ReadTimeout, match=r"^shop-1 did not answer within 5 s\.$"):
        ada.get("/slow/1000000.0")
    assert 5 <= world.now < 5.01
    assert (world.sent[0].status, world.sent[0].outcome) == (0, "ReadTimeout")


@pytest.mark.parametrize("timeout", [0.5, httpx.Timeout(9, read=0.5)])
def test_other_timeouts(world, timeout):
    """A timeout is in virtual seconds, of the client or of one call."""
    world.deploy(shop)
    with pytest.raises(httpx.ReadTimeout, match=r"within 0\.5 s"):
        world.client(timeout=timeout).get("/slow/1.0")
    assert by(world.client().get("/slow/6.0", timeout=7)) == "shop-2"


def test_no_timeout_waits_as_long_as_it_takes(world):
    """None means for ever."""
    world.deploy(shop)
    assert world.client(timeout=None).get("/slow/3600.0").status_code == 200
    assert world.now > 3600


def test_a_host_that_nobody_deployed(world):
    """The name is told, and what there is."""
    world.deploy(shop)
    with pytest.raises(httpx.ConnectError) as caught:
        world.client().get("http://orders/1")
    assert str(caught.value) == "Nobody answers at 'orders': deployed in this world: shop."
    assert caught.value.request.url == "http://orders/1"


@pytest.mark.parametrize("url", ["ftp://shop/", "shop/cart"])
def test_an_address_that_is_none(world, url):
    """Only http and https are spoken."""
    world.deploy(shop, name="shop")
    client = world.client(base_url="") if "//" not in url else world.client()
    with pytest.raises(httpx.UnsupportedProtocol, match=f"'/?{url}' is no address of a service"):
        client.get(url)


def test_any_port_and_https_reach_a_deployment(world):
    """A deployment is known by its name alone."""
    world.deploy(shop)
    ada = world.client()
    assert [by(ada.get(url)) for url in ("http://shop:8080/", "https://shop/")] == ["shop-1", "shop-2"]


def test_a_client_of_another_world(world):
    """Worlds do not mix: a client runs in its own."""
    world.deploy(shop)
    ada = world.client()
    with World() as other, pytest.raises(RuntimeError, match="belongs to another world"):
        other.call(ada.get, "/")


def test_a_loop_that_takes_no_step_leaves_the_world_usable(world):
    """After the watchdog's report other instances answer, and nothing of the broken call comes back later."""

    def looping(env):
        app = shop(env)

        @app.get("/loop")
        def loop():
            while True:
                pass

        return app

    world.deploy(looping)
    ada = world.client()
    with pytest.raises(Exception, match=r"looping-1 is stuck: the loop at line \d+  while True: takes no step"):
        ada.get("/loop")
    assert by(ada.get("/")) == "looping-2"
    world.run(60)


# -- what goes over the wire


def test_query_strings_and_repeated_arguments(world):
    """An app sees the query as it was sent."""
    world.deploy(shop)
    answer = world.client().get("/echo", params=[("a", "1"), ("a", "2"), ("b", "tea & milk")])
    assert answer.json()["args"] == {"a": ["1", "2"], "b": ["tea & milk"]}


def test_paths_are_decoded_once(world):
    """Umlauts, other scripts and an escaped percent sign arrive as they were meant."""
    world.deploy(answering(lambda: {"path": request.path}))
    ada = world.client()
    assert [ada.get(path).json()["path"] for path in ("/Käse", "/茶", "/50%25", "/a%2520b")] == [
        "/Käse", "/茶", "/50%", "/a%20b",
    ]  # fmt: skip


def test_repeated_request_headers_are_joined(world):
    """As HTTP says, with commas."""
    world.deploy(answering(lambda: {"via": request.headers["Via"], "agent": request.headers["User-Agent"]}))
    answer = world.client(headers={"user-agent": "browser"}).get("/", headers=[("via", "a"), ("via", "b")])
    assert answer.json() == {"via": "a,b", "agent": "browser"}


def test_two_cookies_in_one_answer(world):
    """Both are kept."""

    def answer():
        response = jsonify(seen=request.cookies)
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    world.deploy(answering(answer))
    ada = world.client()
    first = ada.get("/")
    assert first.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert dict(first.cookies) == {"a": "1", "b": "2"}
    assert ada.get("/").json() == {"seen": {"a": "1", "b": "2"}}


def test_head_and_options(world):
    """HEAD has the length and no body, OPTIONS names the methods."""
    world.deploy(shop)
    ada = world.client()
    head = ada.head("/")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "16", b"")
    assert sorted(ada.options("/").headers["allow"].split(", ")) == ["GET", "HEAD", "OPTIONS"]


def test_json_forms_and_large_bodies(world):
    """Whatever httpx can send arrives whole, in one piece or in parts."""
    world.deploy(answering(lambda: {"length": len(request.get_data()), "type": request.content_type}))
    ada = world.client()
    assert ada.post("/", json={"a": 1}).json() == {"length": 7, "type": "application/json"}
    assert ada.post("/", data={"a": "1"}).json() == {"length": 3, "type": "application/x-www-form-urlencoded"}
    assert ada.put("/", content=b"x" * 5_000_000).json()["length"] == 5_000_000
    assert ada.post("/", content=(b"x" * 1000 for _ in range(5))).json()["length"] == 5000


def test_files_can_be_uploaded(world):
    """Multipart forms are built and parsed by the real libraries."""
    world.deploy(answering(lambda: {"size": len(request.files["photo"].read())}))
    assert world.client().post("/", files={"photo": b"x" * 3000}).json() == {"size": 3000}


def test_redirects_are_followed_on_request(world):
    """httpx follows none by default."""
    world.deploy(answering(lambda: redirect("/there") if request.path == "/" else ("there", 200)))
    ada = world.client()
    assert (ada.get("/").status_code, ada.get("/", follow_redirects=True).text) == (302, "there")
    assert world.client(follow_redirects=True).get("/").text == "there"


def test_a_prepared_request(world):
    """build_request and send work from a cell."""
    world.deploy(shop)
    ada = world.client()
    assert by(ada.send(ada.build_request("GET", "/"))) == "shop-1"


def test_elapsed_is_in_virtual_time(world):
    """A response knows how long it took."""
    world.deploy(shop)
    assert 10 < world.client(timeout=None).get("/slow/10.0").elapsed.total_seconds() < 10.01


# -- cookies live in virtual time


def forgetful(env):
    """Return a shop whose cookie lives for a minute."""
    app = Flask("shop")

    @app.get("/login")
    def login():
        response = jsonify(seen=request.cookies)
        response.set_cookie("sid", "1", max_age=60)
        return response

    @app.get("/")
    def index():
        return {"seen": request.cookies}

    return app


def test_cookies_expire_in_virtual_time(world):
    """Max-Age counts virtual seconds, for calls from a cell, prepared and streamed ones alike."""
    world.deploy(forgetful)
    ada = world.client()
    assert dict(ada.get("/login").cookies) == {"sid": "1"}
    world.run(50)
    assert ada.get("/").json() == ada.send(ada.build_request("GET", "/")).json() == {"seen": {"sid": "1"}}
    with ada.stream("GET", "/") as answer:
        assert answer.read() == b'{"seen":{"sid":"1"}}\n'
    world.run(10)
    assert ada.get("/").json() == {"seen": {}}


def test_cookies_expire_within_a_task(world):
    """A client that runs as a task sees the same clock."""
    world.deploy(forgetful)
    ada = world.client()

    def visit():
        ada.get("/login")
        time.sleep(50)
        before = ada.get("/").json()["seen"]
        time.sleep(10)
        return before, ada.get("/").json()["seen"]

    assert world.call(visit) == ({"sid": "1"}, {})


# -- one service calls another


def asking(env):
    """Return a service that asks another one for what its path says."""
    app = Flask("front")

    @app.get("/ask/<service>/")
    @app.get("/ask/<service>/<path:path>")
    def ask(service, path=""):
        try:
            answer = env.http.get(f"http://{service}/{path}")
        except httpx.HTTPError as error:
            return {"error": f"{type(error).__name__}: {error}"}, 500
        return {"status": answer.status_code, "text": answer.text}

    @app.get("/relative")
    def relative():
        return env.http.get("/").text

    return app


def test_services_call_each_other_by_name(world):
    """The caller's lane is the instance, and `world.sent` holds the clients' requests alone."""
    world.deploy(asking, name="front", instances=1)
    world.deploy(shop, name="orders", instances=1)
    assert world.client().get("/ask/orders/").json() == {"status": 200, "text": '{"by":"orders-1"}\n'}
    assert [(e.who, e.what, e.to) for e in world.trace if e.kind in ("request", "response")] == [
        ("client-1", "GET /ask/orders/", "front-1"),
        ("front-1", "GET /", "orders-1"),
        ("orders-1", '200 {"by":"orders-1"}', "front-1"),
        ("front-1", '200 {"status":200,"text":"{\\"by\\":\\"orders-1\\"}\\n"}', "client-1"),
    ]
    assert [sent.path for sent in world.sent] == ["/ask/orders/"]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("stock/", "ConnectError: Nobody answers at 'stock': deployed in this world: front, orders."),
        ("orders/slow/60.0", "ReadTimeout: orders-1 did not answer within 5 s."),
    ],
)
def test_a_service_sees_the_failures_of_another(world, path, error):
    """They are httpx's own exceptions."""
    world.deploy(asking, name="front", instances=1)
    world.deploy(shop, name="orders", instances=1)
    assert world.client(timeout=None).get(f"/ask/{path}").json() == {"error": error}


def test_a_service_has_no_host_of_its_own(world):
    """A path alone is no address, as in a real process."""
    world.deploy(asking, instances=1)
    assert world.client().get("/relative").status_code == 500
    assert str(world.instances[0].errors[0][1]).startswith("'/' is no address of a service")


def test_the_first_deployment_is_the_clients_default(world):
    """Another service is named by its address."""
    world.deploy(shop, name="shop", instances=1)
    world.deploy(shop, name="orders", instances=1)
    clients = (world.client(), world.client(base_url="http://orders"))
    assert [by(client.get("/")) for client in clients] == ["shop-1", "orders-1"]


# -- partitions and outages


def test_a_partition_keeps_a_client_from_connecting(world):
    """It waits as long as it tries to connect, in virtual time."""
    world.deploy(shop)
    ada = world.client("ada")
    world.partition("ada", "shop")
    with pytest.raises(httpx.ConnectTimeout, match="ada cannot reach shop: partition"):
        ada.get("/")
    assert 5 <= world.now < 5.01
    assert by(world.client("bob").get("/")) == "shop-1"


def test_a_partition_that_heals_in_time_is_only_slow(world):
    """The client connects once the way is free."""
    world.deploy(shop)
    ada = world.client("ada")
    world.partition("ada", "shop")
    task = world.spawn(lambda: ada.get("/"))
    world.run(3)
    world.heal()
    assert by(world.call(task.wait) and task.value()) == "shop-1"
    assert 3 <= world.sent[0].seconds < 3.01


def test_a_partition_loses_an_answer_that_is_on_its_way(world):
    """The handler has run, and its client never hears of it."""
    world.deploy(shop, instances=1)
    ada = world.client("ada")
    task = world.spawn(lambda: ada.get("/slow/1.0"))
    world.run(0.5)
    world.partition("ada", "shop-1")
    with pytest.raises(httpx.ReadTimeout):
        world.run(10)
    assert task.finished
    assert [event.what for event in world.trace if event.kind == "response"] == ['200 {"by":"shop-1"}']


def test_an_instance_out_of_reach_is_passed_over(world):
    """The balancer goes on to the next."""
    world.deploy(shop, instances=2)
    ada = world.client("ada")
    world.partition("ada", "shop-1")
    assert [by(ada.get("/")) for _ in range(3)] == ["shop-2", "shop-2", "shop-2"]


def test_a_lost_reply_is_a_timeout_after_the_effect():
    """Under exploration the fault strikes at the request: the handler has run, and the client waits in vain."""
    with World(schedule=Choices([(0, 1)], [Lost()])) as world:
        world.deploy(shop, instances=1)
        ada = world.client("ada")
        with pytest.raises(httpx.ReadTimeout):
            ada.post("/count/visits")
        assert (world.redis.client().get("visits"), world.now) == ("1", 5)
        assert [(e.who, e.what, e.to) for e in world.trace if e.kind == "fault"] == [
            ("shop-1", "the reply is lost", "ada")
        ]


def test_an_outage_of_a_deployment_refuses_at_once(world):
    """Nobody listens, and no time is lost."""
    world.deploy(shop)
    world.network.outage("shop", 10)
    with pytest.raises(httpx.ConnectError, match="shop refuses connections: outage"):
        world.client().get("/")
    assert world.now < 0.01


def test_a_slow_way_to_a_service_is_waited_for() -> None:
    """A request takes as long as the way to its service, and the way to another one stays short."""
    world = World(seed=1)
    for name in ("shop", "stock"):
        world.deploy(lambda env: Flask(env.name), instances=1, name=name)
    world.network.slow("stock", 2.0, 2.0)
    for name in ("shop", "stock"):
        world.client("ada", base_url=f"http://{name}").get("/")
    assert [sent.seconds > 2 for sent in world.sent] == [False, True]


def test_an_answer_that_nobody_waits_for_is_no_response_in_the_trace() -> None:
    """Who gives up says so, and the answer that comes afterwards is a fault on its way back."""

    def slow(env: Any) -> Flask:
        app = Flask("shop")
        app.add_url_rule("/", "slow", lambda: time.sleep(3) or "done")
        return app

    world = World(seed=1)
    world.deploy(slow, instances=1, name="shop")
    with pytest.raises(httpx.ReadTimeout):
        world.client("ada", timeout=1).get("/")
    world.run(5)
    told = [(event.who, event.kind, event.what) for event in world.trace if event.kind in ("note", "fault", "response")]
    assert told == [("ada", "note", "gives up after 1 s"), ("shop-1", "fault", "200 done, and nobody listens")]


def test_a_page_is_told_by_what_its_status_means() -> None:
    """An error page says 500 Internal Server Error, and not how its HTML begins."""

    def broken(env: Any) -> Flask:
        app = Flask("shop")
        app.add_url_rule("/", "broken", lambda: 1 // 0)
        return app

    world = World(seed=1)
    world.deploy(broken, instances=1, name="shop")
    world.client("ada").get("/")
    assert [event.what for event in world.trace if event.kind == "response"] == ["500 Internal Server Error"]
