"""A rollout watched step by step: how many there are meanwhile, where it stops, and how it is taken back."""

from __future__ import annotations

import pytest
from shops import shop

from fleetlab import DeployError, World


@pytest.fixture
def world():
    """A fresh world, closed afterwards."""
    with World(seed=1) as world:
        yield world


def broken(env):
    """Start nothing."""
    raise RuntimeError("no such column: place")


def versions(instances):
    """Return the versions of instances, oldest first."""
    return [instance.version for instance in instances]


def counts(world):
    """Return how many instances were there after each start and each stop."""
    kinds, found = {"ready": 1, "stop": -1}, [0]
    for event in world.trace:
        if event.kind in kinds:
            found.append(found[-1] + kinds[event.kind])
    return found[1:]


def test_a_rollout_can_be_watched_after_each_step(world):
    """Old and new stand side by side until the last step."""
    fleet = world.deploy(shop, instances=3)
    seen = [versions(live) for live in fleet.rolling(shop)]
    assert seen == [["v1", "v1", "v2"], ["v1", "v2", "v2"], ["v2", "v2", "v2"]]


def test_to_break_off_leaves_the_rollout_there(world):
    """What has been replaced stays so, and what was not serves on."""
    fleet = world.deploy(shop, instances=3)
    for _ in fleet.rolling(shop, "v2"):
        break
    world.run(60)
    assert versions(fleet.live) == ["v1", "v1", "v2"]


def test_rolling_out_the_version_before_takes_back_what_was_begun(world):
    """Instances that run it already are left alone."""
    fleet = world.deploy(shop, instances=3, version="v1")
    for _ in fleet.rolling(shop, "v2"):
        break
    fleet.rollout(shop, "v1")
    assert [instance.name for instance in fleet.live] == ["shop-2", "shop-3", "shop-5"]
    assert versions(fleet.live) == ["v1", "v1", "v1"]


def test_the_version_that_is_there_already_is_no_rollout(world):
    """As where the image's tag is the same."""
    fleet = world.deploy(shop, instances=2, version="v1")
    assert list(fleet.rolling(shop, "v1")) == []


def test_without_a_label_everybody_is_replaced(world):
    """A release of the same code is a release."""
    fleet = world.deploy(shop, instances=2)
    fleet.rollout(shop)
    assert [instance.name for instance in fleet.live] == ["shop-3", "shop-4"]


@pytest.mark.parametrize(
    ("surge", "unavailable", "least", "most", "steps"),
    [(1, 0, 4, 5, 4), (2, 0, 4, 6, 2), (0, 1, 3, 4, 4), (1, 1, 3, 5, 2), (4, 0, 4, 8, 1), (9, 9, 0, 4, 1)],
)
def test_there_are_no_more_and_no_fewer_than_allowed(world, surge, unavailable, least, most, steps):
    """Surge goes above what there should be, unavailable below."""
    fleet = world.deploy(shop, instances=4)
    before = len(counts(world))
    assert len(list(fleet.rolling(shop, surge=surge, unavailable=unavailable))) == steps
    found = counts(world)[before - 1 :]
    assert (min(found), max(found), found[-1]) == (least, most, 4)


def test_a_rollout_that_may_change_nothing_is_refused(world):
    """Kubernetes refuses it too."""
    fleet = world.deploy(shop, instances=2)
    with pytest.raises(ValueError, match="allow one of them"):
        fleet.rollout(shop, surge=0, unavailable=0)


def test_a_version_that_does_not_start_leaves_the_old_ones(world):
    """With a surge nobody was stopped before it; what starts next is of the old version."""
    fleet = world.deploy(shop, instances=2)
    with pytest.raises(DeployError, match="no such column: place"):
        fleet.rollout(broken, "v2")
    assert versions(fleet.live) == ["v1", "v1"]
    assert versions(fleet.scale(3).live) == ["v1", "v1", "v1"]
