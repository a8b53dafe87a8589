"""The payment provider: what it charges is charged, and a key makes a repetition harmless."""

from __future__ import annotations

import httpx
import pytest

from fleetlab import World
from fleetlab.world.partners import Partner
from fleetlab.world.payments import PaymentProvider

THIRTY = {"customer": "ada", "cents": 3000}


def start(**options):
    """Return a world, its provider, and a client of it."""
    world = World(seed=1)
    provider = PaymentProvider(world, **options)
    return world, provider, world.client("shop", base_url="http://payments")


def charge(client, key="", **body):
    """Ask for a charge and return status and body."""
    headers = {"Idempotency-Key": key} if key else {}
    response = client.post("/charges", json=body, headers=headers)
    return response.status_code, response.json()


def test_without_a_key_every_request_charges():
    """The provider cannot know that two requests mean the same."""
    _, provider, client = start()
    assert [charge(client, **THIRTY)[1]["id"] for _ in range(2)] == ["ch_1", "ch_2"]
    assert provider.taken("ada") == 6000


def test_a_key_seen_before_gets_the_first_answer():
    """One charge, however often it is asked for; another key is another charge."""
    _, provider, client = start()
    answers = [charge(client, key, **THIRTY) for key in ("a", "a", "b")]
    assert answers[0] == answers[1] == (201, {"id": "ch_1"})
    assert answers[2][1]["id"] == "ch_2"
    assert [one.key for one in provider.charges] == ["a", "b"]
    assert client.get("/charges").json()["charges"][1] == {"id": "ch_2", **THIRTY}


def test_a_key_for_another_charge_is_refused():
    """A key that comes back with another amount is somebody's mistake, and nothing is taken."""
    _, provider, client = start()
    charge(client, "a", **THIRTY)
    assert charge(client, "a", customer="ada", cents=1)[0] == 422
    assert provider.taken("ada") == 3000


@pytest.mark.parametrize("body", [{}, {"customer": "ada"}, {**THIRTY, "cents": 0}, {**THIRTY, "cents": True}])
def test_a_charge_that_says_too_little_is_refused(body):
    """And is not remembered under its key."""
    _, provider, client = start()
    assert charge(client, "a", **body)[0] == 400
    assert charge(client, "a", **THIRTY)[0] == 201
    assert len(provider.charges) == 1


def test_a_declined_card_is_declined_again():
    """The answer to a key is the same, be it good or bad."""
    _, provider, client = start(declined=("eve",))
    assert [charge(client, "a", customer="eve", cents=5)[0] for _ in range(2)] == [402, 402]
    assert provider.charges == []


def test_who_gives_up_has_still_asked():
    """A slow provider charges after its caller has left."""
    world, provider, client = start()
    provider.delays.append(20)
    with pytest.raises(httpx.ReadTimeout):
        charge(client, "a", **THIRTY)
    assert provider.charges == []
    world.run(20)
    assert [one.time > 19 for one in provider.charges] == [True]


def test_other_requests_are_answered():
    """There is nothing but charges, and no body but JSON."""
    _, _, client = start()
    assert client.get("/refunds").status_code == 404
    assert client.post("/charges", content=b"cents=5").status_code == 400


def test_a_partner_shares_its_memory_with_the_lesson():
    """What it counts is one number, in the instance that serves and for whoever looks."""

    class Echo(Partner):
        def answer(self, method, path, key, body):
            return 200, {"path": path}

    world = World(seed=1)
    echo = Echo(world, "echo")
    client = world.client("ada", base_url="http://echo")
    assert [client.get(path).json()["path"] for path in ("/a", "/b")] == ["/a", "/b"]
    assert echo.requests == 2
    assert not world["echo-1"].process.mortal
