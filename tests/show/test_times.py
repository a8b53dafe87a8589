"""Virtual seconds as people read them."""

from __future__ import annotations

import pytest

from fleetlab.show.times import duration, gutter


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0014, "1.4 ms"), (45, "45 s"), (150, "2 min 30 s"), (1800, "30 min"), (11100, "3 h 05 min"), (216000, "2.5 d")],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    """Milliseconds, seconds, minutes, hours, days."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        ([0, 0.0002, 0.0011], ["0.0 ms", "0.2 ms", "1.1 ms"]),
        ([0, 0.00001, 0.00003], ["0.00 ms", "0.01 ms", "0.03 ms"]),
        ([0, 0.001, 30, 30, 30.0013], ["0.0 s", "+1.0 ms", "30.0 s", "", "+1.3 ms"]),
        ([0, 150, 150.2], ["0:00 min", "2:30 min", "+200 ms"]),
        ([0, 3600, 86400], ["0:00:00", "1:00:00", "24:00:00"]),
    ],
)
def test_the_gutter_counts_on_from_where_a_stretch_begins(times: list[float], labels: list[str]) -> None:
    """Moments far apart are absolute, those close behind one are relative, equal ones are not repeated."""
    assert gutter(times) == labels
