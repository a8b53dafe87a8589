"""Which instance answers the next request."""

from __future__ import annotations

from collections import Counter

import pytest
from shops import by, events, shop

from fleetlab import World


@pytest.fixture
def fleet():
    """Deploy the shop under a policy; all worlds are closed afterwards."""
    worlds = []

    def deploy(policy, seed=1, **options):
        worlds.append(World(seed))
        worlds[-1].deploy(shop, balancer=policy, **options)
        return worlds[-1]

    yield deploy
    for world in worlds:
        world.close()


def test_round_robin_takes_turns(fleet):
    """Whoever asks, the next instance answers."""
    world = fleet("round robin")
    ada, bob = world.client(), world.client()
    assert [by(client.get("/")) for client in (ada, bob, ada, ada)] == ["shop-1", "shop-2", "shop-3", "shop-1"]


def test_random_is_a_function_of_the_seed(fleet):
    """The same seed draws the same instances, another draws others, and all get their share."""
    draws = [[by(world.client().get("/")) for _ in range(60)] for world in (fleet("random", s) for s in (1, 1, 2))]
    assert draws[0] == draws[1] != draws[2]
    assert min(Counter(draws[0]).values()) > 10


def test_least_busy_spares_the_busy(fleet):
    """An instance with two requests at hand gets none while another has one."""
    world = fleet("least busy", instances=2)
    slow = world.client("slow", timeout=None)
    for _ in range(3):
        world.spawn(slow.get, "/slow/100.0")
        world.run(0.01)
    busiest = max(world.instances, key=lambda instance: instance.busy)
    assert [instance.busy for instance in world.instances].count(2) == 1
    assert busiest.name not in {by(world.client().get("/")) for _ in range(3)}


def test_sticky_pins_a_client_by_a_cookie(fleet):
    """Each client goes back to the instance that served it first."""
    world = fleet("sticky")
    ada, bob = world.client(), world.client()
    assert [by(client.get("/")) for client in (ada, bob, ada, bob, ada)] == [
        "shop-1", "shop-2", "shop-1", "shop-2", "shop-1",
    ]  # fmt: skip
    assert (ada.cookies["SERVED_BY"], bob.cookies["SERVED_BY"]) == ("shop-1", "shop-2")
    assert "set-cookie" not in ada.get("/").headers


def test_sticky_falls_to_another_when_the_pinned_one_is_gone(fleet):
    """The client is pinned anew, and stays there."""
    world = fleet("sticky")
    ada = world.client()
    ada.get("/")
    world["shop-1"].kill()
    assert len({by(ada.get("/")) for _ in range(4)}) == 1
    assert ada.cookies["SERVED_BY"] != "shop-1"


def test_source_address_pins_a_client_without_a_cookie(fleet):
    """Its address draws its instance; who asks under the same address gets the same one."""
    world = fleet("source address")
    served = {name: {by(world.client(name).get("/")) for _ in range(3)} for name in ("ada", "bob", "eve", "joe")}
    assert {len(names) for names in served.values()} == {1}
    assert len(set().union(*served.values())) > 1


def test_source_address_moves_only_the_clients_of_who_left(fleet):
    """The others stay where they are (rendezvous hashing)."""
    world = fleet("source address")
    clients = [world.client(f"user-{n}") for n in range(30)]
    before = [by(client.get("/")) for client in clients]
    world["shop-2"].kill()
    after = [by(client.get("/")) for client in clients]
    assert min(Counter(before).values()) >= 5
    assert [one == other for one, other in zip(before, after, strict=True)] == [one != "shop-2" for one in before]


def test_a_dead_instance_is_skipped_and_forgotten(fleet):
    """The first refused connection takes it out; no client sees an error."""
    world = fleet("round robin")
    ada = world.client()
    world["shop-2"].kill()
    deployment = world.deployments["shop"]
    assert [i.name for i in deployment.routable()] == ["shop-1", "shop-2", "shop-3"]
    assert [by(ada.get("/")) for _ in range(4)] == ["shop-1", "shop-3", "shop-1", "shop-3"]
    assert [i.name for i in deployment.routable()] == ["shop-1", "shop-3"]


def test_without_any_instance_the_balancer_says_503(fleet):
    """Scaled to zero, or all dead."""
    world = fleet("round robin", instances=0)
    assert world.client().get("/").status_code == 503
    world.deployments["shop"].scale(1)
    world["shop-1"].kill()
    answer = world.client().get("/")
    assert (answer.status_code, answer.text) == (503, "No instance accepts connections.")


def test_an_instance_that_dies_on_the_way_is_a_bad_gateway(fleet):
    """The request may have taken effect, so it is not sent again."""
    world = fleet("round robin")
    task = world.spawn(world.client("ada").get, "/slow/60.0")
    world.run(1)
    world["shop-1"].kill()
    world.run(1)
    assert task.value().status_code == 502
    assert events(world, "response") == [("shop-1", "response", "502 Bad Gateway")]


def test_a_starting_instance_gets_nothing(fleet):
    """The balancer learns of an instance when it is ready."""
    world = fleet("round robin", instances=1)
    deployment = world.deployments["shop"]
    world.spawn(deployment.scale, 2)
    assert by(world.client().get("/")) == "shop-1"


def test_an_unknown_policy_is_refused():
    """The sentence names those there are."""
    with World() as world, pytest.raises(ValueError, match="choose one of round robin, random, least busy, sticky"):
        world.deploy(shop, balancer="fastest")
