"""Two traces side by side: aligned by what happened, the first difference marked."""

from __future__ import annotations

from xml.etree import ElementTree

from stories import LANES, build, event

from fleetlab.show import compare
from fleetlab.sim.trace import Trace


def test_the_text_has_two_columns_and_an_arrow_at_the_first_difference(lost_cart: Trace, whole_cart: Trace) -> None:
    """→ marks the first difference, ≠ each one."""
    assert str(compare(lost_cart, whole_cart)).splitlines()[2:7] == [
        "  ada: POST /cart/tea -> shop-1                                | ada: POST /cart/tea -> shop-1",
        "  ada: POST /cart/milk -> shop-2                               | ada: POST /cart/milk -> shop-2",
        "  shop-1: GET cart:ada -> redis = []                           | shop-1: GET cart:ada -> redis = []",
        "→ shop-2: GET cart:ada -> redis = []                           ≠",
        '  shop-1: SET cart:ada ["tea"] -> redis = OK                   | shop-1: SET cart:ada ["tea"] -> redis = OK',
    ]


def test_time_alone_is_no_difference() -> None:
    """The same steps a second later are the same steps."""
    early, late = (build(LANES, [event(t, "shop-1", "call", "GET x", "redis", reply="1")]) for t in (0, 1))
    comparison = compare(early, late)
    assert comparison.first is None
    assert str(comparison).splitlines()[-1] == "  no difference"


def test_another_answer_is_a_difference() -> None:
    """A reply decides as much as a call."""
    one, two = (build(LANES, [event(0, "shop-1", "call", "GET x", "redis", reply=r)]) for r in ("1", "2"))
    assert compare(one, two).first == 0


def test_both_pictures_are_one_image(lost_cart: Trace, whole_cart: Trace) -> None:
    """One `<img>` holds both, with words that begin with the difference."""
    shown = compare(lost_cart, whole_cart)._repr_html_()
    assert shown.startswith(
        '<img alt="Two diagrams side by side, steps aligned. First difference, at step 4: '
        "left, shop-2 calls redis: GET cart:ada, answered []; right, nothing."
    )
    assert shown.count("<") == 1


def test_aligned_steps_stand_at_one_height(lost_cart: Trace, whole_cart: Trace) -> None:
    """The same step has the same y in both halves."""
    drawing = ElementTree.fromstring(compare(lost_cart, whole_cart).svg())
    labels = [text for text in drawing.iter("{http://www.w3.org/2000/svg}text") if text.text == '200 ["tea"]']
    assert len(labels) == 2
    assert labels[0].get("y") == labels[1].get("y")


def test_long_equal_stretches_are_folded(load_test: Trace) -> None:
    """Two long traces that differ at the end are drawn around the difference."""
    other = load_test.highlight([], "shorter")
    other.records.pop()
    drawing = compare(load_test, other).svg()
    assert drawing.count("steps  …") == 4
    assert "≠ first difference" in drawing


def test_two_empty_traces_do_not_differ() -> None:
    """Nothing compared with nothing."""
    assert compare(Trace(), Trace()).first is None
    ElementTree.fromstring(compare(Trace(), Trace()).svg())
