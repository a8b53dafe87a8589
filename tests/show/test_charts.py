"""Charts and tables: a picture, and every number of it in text."""

from __future__ import annotations

import pytest

from fleetlab.show import charts, style


def test_bars_print_their_numbers() -> None:
    """What is drawn stands in text, with its unit."""
    chart = charts.bars(["memory", "redis"], [1.25, 1200], unit="ms", title="Latency")
    assert str(chart).splitlines() == ["Latency", "           ms", "------  -----", "memory   1.25", "redis   1,200"]
    assert chart.png.startswith(b"\x89PNG")


def test_several_series_stand_side_by_side() -> None:
    """Each series is a column."""
    chart = charts.bars(["redis"], {"p50": [1], "p99": [2]}, unit="ms")
    assert str(chart).splitlines() == [
        "       p50 (ms)  p99 (ms)",
        "-----  --------  --------",
        "redis         1         2",
    ]


def test_lines_print_their_numbers() -> None:
    """One row a point, the unit of y behind the title."""
    chart = charts.lines([1, 2], {"no cache": [0.5, 1]}, xlabel="users", ylabel="ms", title="Waiting")
    assert str(chart).splitlines() == [
        "Waiting · ms",
        "users  no cache",
        "-----  --------",
        "    1       0.5",
        "    2         1",
    ]


def test_a_chart_is_the_same_bytes_each_time() -> None:
    """No date, no version, no state of pyplot."""
    assert charts.bars(["a"], [1]).png == charts.bars(["a"], [1]).png


def test_a_png_carries_its_words() -> None:
    """The notebook gets alternative text with the image."""
    data, metadata = charts.bars(["a"], [1], title="One")._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert metadata["alt"].startswith("Bar chart: One.")


def test_a_chart_says_what_does_not_match() -> None:
    """A missing value is named, not drawn."""
    with pytest.raises(ValueError, match=r"^p99: 1 values for 2 labels\.$"):
        charts.bars(["a", "b"], {"p99": [1]})


def test_a_table_prints_and_escapes() -> None:
    """Numbers stand right; markup stays text."""
    table = charts.table([{"store": "<b>", "ms": 1234.5}, {"store": "redis", "ms": 0.25}])
    assert str(table).splitlines() == ["store     ms", "-----  -----", "<b>    1,234", "redis   0.25"]
    assert '<td style="text-align:left">&lt;b&gt;</td>' in table._repr_html_()


def test_a_table_refuses_ragged_rows() -> None:
    """A row that is too short is shown in the message."""
    with pytest.raises(ValueError, match=r"^A row has 1 cells under 2 columns: \('a',\)\.$"):
        charts.table([("a",)], ["x", "y"])


def test_series_differ_by_more_than_colour() -> None:
    """Markers, dashes and hatches are as many as colours, all distinct."""
    for ways in (style.COLOURS, style.MARKERS, style.DASHES, style.HATCHES):
        assert len(set(ways)) == 8


@pytest.mark.parametrize("palette", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_colours_have_contrast(palette: dict[str, str]) -> None:
    """Every colour that text has reaches 4.5 to 1 on its ground (WCAG 2.2, 1.4.3)."""

    def light(name: str) -> float:
        parts = [int(palette[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for ink in ("ink", "soft", "bad", "dead", "lease", "ttl"):
        for ground in ("paper", "wash"):
            low, high = sorted((light(ink), light(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
