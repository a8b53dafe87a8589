"""Who reaches whom."""

from __future__ import annotations

import pytest

from fleetlab.sim import Process, Simulation
from fleetlab.world.network import Network


@pytest.fixture
def network() -> Network:
    """A network of a fresh simulation."""
    return Network(Simulation())


def test_partition_cuts_both_ways_until_healed(network):
    """A partition keeps two places apart and nobody else."""
    network.partition("shop-1", "redis")
    assert network.state("shop-1", "redis") == network.state("redis", "shop-1") == "partition"
    assert network.state("shop-2", "redis") == ""
    network.heal("redis", "shop-1")
    assert network.state("shop-1", "redis") == ""


def test_heal_takes_one_place_or_none(network):
    """Healing one place ends its partitions, healing nobody in particular ends all."""
    for pair in (("shop-1", "redis"), ("shop-1", "database"), ("shop-2", "redis")):
        network.partition(*pair)
    network.heal("shop-1")
    assert [network.state(who, "redis") for who in ("shop-1", "shop-2")] == ["", "partition"]
    network.heal()
    assert network.whole


def test_outage_ends_by_itself(network):
    """An outage concerns everybody, and is over after its time."""
    network.outage("redis", 10)
    assert network.state("shop-1", "redis") == "outage"
    network.sim.run(until=10)
    assert network.state("shop-1", "redis") == ""


def test_outages_that_overlap_end_with_the_last(network):
    """A short outage does not cut a long one short; what is no length is refused."""
    network.outage("redis", 10)
    network.outage("redis", 1)
    network.sim.run(until=9)
    assert network.state("shop-1", "redis") == "outage"
    with pytest.raises(ValueError, match=r"outage\(seconds\) is a number of seconds, 0 or more, not -1"):
        network.outage("redis", -1)


def test_places_may_be_objects(network):
    """Whatever has a name is a place."""
    network.partition(Process(network.sim, "shop-1"), "redis")
    assert network.state("shop-1", "redis") == "partition"


def test_changes_are_events(network):
    """Each change is in the trace, an outage with its end."""
    network.partition("shop-1", "redis")
    network.outage("redis", 10)
    network.heal()
    assert [(e.who, e.kind, e.to, e.until) for e in network.sim.trace] == [
        ("shop-1", "partition", "redis", None),
        ("redis", "outage", "", 10.0),
        ("shop-1", "heal", "redis", None),
    ]


def test_latencies_can_be_set(network):
    """Stores answer within a millisecond, hops take longer, and both can be slowed down."""
    assert network.latency["redis"] == (0.0002, 0.001)
    assert network.latency["shop-1"] == (0.001, 0.003)
    network.slow("redis", 0.5, 0.5)
    assert network.latency["redis"] == (0.5, 0.5)


def test_way_to_one_service_can_be_slow(network):
    """A deployment has bounds of its own, and those of every hop where it has none."""
    network.slow("http", 0.1, 0.1)
    network.slow("stock", 2.0, 2.0)
    assert [network.hop(name) for name in ("stock", "shop")] == [(2.0, 2.0), (0.1, 0.1)]


def test_listeners_hear_of_changes(network):
    """Whoever registered is told, in order."""
    heard = []
    network.on_change(heard.append)
    network.partition("a", "b")
    network.heal()
    network.outage("b", 1)
    assert heard == ["partition", "heal", "outage"]
