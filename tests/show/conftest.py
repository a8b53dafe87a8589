"""Traces that several tests draw: a lost cart, the same cart whole, a long load test."""

from __future__ import annotations

import pytest
from stories import LANES, build, cart, event

from fleetlab.sim.trace import Trace


@pytest.fixture
def lost_cart() -> Trace:
    """Ada's tea is lost; steps 3, 4 and 5 are marked."""
    title = "Ada's tea is lost: shop-2 read the cart between shop-1's read and shop-1's write"
    return cart(broken=True).highlight([3, 4, 5], title, "schedule 3 of 86 · 1 preemption")


@pytest.fixture
def whole_cart() -> Trace:
    """The same two tabs in another order: nothing is lost."""
    return cart(broken=False).highlight([], "Both items are in the cart")


@pytest.fixture
def load_test() -> Trace:
    """Two hundred calls, one a millisecond; two in the middle are marked."""
    calls = [event(n / 1000, f"shop-{n % 2 + 1}", "call", f"INCR hits:{n}", "redis", reply=str(n)) for n in range(200)]
    return build(LANES, calls).highlight([99, 101], "Two hits too many")
