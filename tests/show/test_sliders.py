"""Sliders redraw a function's result; their static form shows its defaults."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fleets import shop

from fleetlab import Trace, World
from fleetlab.show import charts
from fleetlab.show.sliders import explore


def area(wide: int = 3, tall: float = 0.5) -> Any:
    """Print the sides, return a table."""
    print(f"{wide} by {tall}")
    return charts.table([(wide * tall,)], ["area"])


def busy(instances: int = 3, requests: int = 30) -> Trace:
    """Return what happens to some requests."""
    world = World(1)
    world.deploy(shop, instances, name="shop")
    ada = world.client("ada")
    for n in range(requests):
        ada.post(f"/cart/item-{n}")
    return world.trace


def test_the_static_form_shows_the_defaults() -> None:
    """Values, then what was printed, then what was returned."""
    shown = explore(area, wide=(1, 9), tall=(0.0, 1.0))
    assert str(shown) == "wide 3, tall 0.5:\n3 by 0.5\narea\n----\n 1.5"
    assert shown.html().startswith("<p>wide 3, tall 0.5:</p><pre>3 by 0.5</pre><table>")


def test_an_argument_without_a_default_begins_at_its_lowest() -> None:
    """A list begins at its first value."""
    assert str(explore(lambda ttl, n: ttl * n, ttl=[60, 600], n=(2, 5))) == "ttl 60, n 2:\n120"


def test_moving_a_slider_redraws() -> None:
    """Whole numbers, fractions and lists each get the slider that suits them."""
    shown = explore(area, wide=[1, 3, 10], tall=(0.0, 1.0))
    assert shown.widget is shown.widget
    assert [type(slider).__name__ for slider in shown.sliders.values()] == ["SelectionSlider", "FloatSlider"]
    shown.sliders["wide"].value = 10
    assert shown._line.value == '<span role="status">wide 10, tall 0.5</span>'
    assert "10 by 0.5" in shown._place.value


def test_the_same_values_are_computed_once() -> None:
    """Going back costs nothing."""
    calls: list[int] = []
    shown = explore(lambda n=1: calls.append(n), n=(1, 3))
    assert shown.widget is shown.widget
    for value in (2, 1, 2):
        shown.sliders["n"].value = value
    assert calls == [1, 2]


def test_an_error_is_shown_in_place() -> None:
    """A value that does not work is something to learn from."""
    assert str(explore(lambda n=0: 1 / n, n=(0, 3))) == "n 0:\nZeroDivisionError: division by zero"


def test_a_picture_keeps_its_words() -> None:
    """A chart is an image with alternative text."""
    assert '<img alt="Bar chart: Sent.' in explore(lambda n=2: charts.bars(["a"], [n], title="Sent"), n=(1, 3)).html()


def test_nothing_to_move_is_refused() -> None:
    """With a sentence that shows how."""
    with pytest.raises(ValueError, match="needs a range for at least one argument"):
        explore(area)


def test_a_world_is_redrawn_in_less_than_300_ms() -> None:
    """Thirty requests, their picture included, in processor time; the first run, which imports, is not counted."""
    shown = explore(busy, instances=(1, 9))
    assert shown.widget is shown.widget
    began = time.process_time()
    shown.sliders["instances"].value = 5
    assert time.process_time() - began < 0.3
