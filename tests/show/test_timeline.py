"""State lanes: one bar a state, with its numbers in text."""

from __future__ import annotations

import pytest

from fleetlab.show.timeline import spans, timeline

LANES = {"schema": [(0, "1"), (10, "2")], "shop-1": [(0, "v1"), (15, "")], "shop-2": [(15, "v2")]}


def test_a_state_lasts_until_the_next_one_or_the_end():
    """A gap ends it too."""
    assert spans(LANES["schema"], 30) == [(0, 10, "1"), (10, 30, "2")]
    assert spans(LANES["shop-1"], 30) == [(0, 15, "v1")]


def test_a_state_that_follows_itself_is_one():
    """Whoever samples a state at each step gets one bar all the same."""
    assert spans([(0, "v1"), (1, "v1"), (2, "v2")], 3) == [(0, 2, "v1"), (2, 3, "v2")]


def test_text_and_alternative_text_say_what_the_picture_shows():
    """Lane, state, from when to when."""
    drawn = timeline(LANES, 30, xlabel="seconds", title="A release")
    assert str(drawn).splitlines()[3] == "schema  1      0 to 10"
    assert "shop-2 is v2 from 15 to 30" in drawn.alt
    assert drawn.png.startswith(b"\x89PNG")


def test_the_same_lanes_are_the_same_bytes():
    """Nothing in it depends on the day."""
    assert timeline(LANES, 30).png == timeline(LANES, 30).png


def test_moments_that_go_backwards_are_refused():
    """The lane is named."""
    with pytest.raises(ValueError, match="'schema'"):
        timeline({"schema": [(10, "2"), (0, "1")]}, 30)
