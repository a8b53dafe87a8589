"""The fleet as a figure and as text."""

from __future__ import annotations

from types import SimpleNamespace

from stories import LANES, build, event

from fleetlab.show import Fleet, topology
from fleetlab.show.topology import describe


def test_a_description_is_drawn_and_told() -> None:
    """The figure is a PNG; its text names every node, every state and every cut."""
    shown = topology(
        {
            "balancers": ["shop"],
            "instances": {"shop-1": "ready", "shop-2": "dead"},
            "stores": ["redis"],
            "cut": [("shop-1", "redis")],
        }
    )
    assert shown.png.startswith(b"\x89PNG")
    assert str(shown).splitlines() == [
        "balancers shop",
        "instances shop-1 (ready), shop-2 (dead)",
        "stores    redis",
        "cut       shop-1 ✕ redis",
    ]


def test_links_that_nobody_gave_go_from_layer_to_layer() -> None:
    """A balancer reaches its instances, these reach the stores."""
    fleet = describe({"balancers": ["lb"], "instances": ["a", "b"], "stores": ["redis"]})
    assert fleet.edges == (("lb", "a"), ("lb", "b"), ("a", "redis"), ("b", "redis"))


def test_a_world_tells_its_own_topology() -> None:
    """Deployments, instances, and who really called whom."""
    trace = build(
        LANES,
        [
            event(0, "ada", "request", "GET /", "shop-1"),
            event(1, "shop-1", "call", "GET x", "redis"),
            event(2, "shop-2", "partition", "", "redis"),
        ],
    )
    instances = [SimpleNamespace(name="shop-1", state="ready"), SimpleNamespace(name="shop-2", state="paused")]
    assert describe(SimpleNamespace(trace=trace, deployments={"shop": instances})) == Fleet(
        clients=("ada",),
        balancers=("shop",),
        instances={"shop-1": "ready", "shop-2": "paused"},
        stores=("redis",),
        edges=(("shop", "shop-1"), ("shop", "shop-2"), ("ada", "shop"), ("shop-1", "redis")),
        cut=(("shop-2", "redis"),),
    )


def test_an_empty_fleet_has_a_figure() -> None:
    """Nothing deployed yet is no error."""
    assert str(topology({})) == "an empty fleet"
