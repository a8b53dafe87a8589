"""The course map says what is done, begun, next, open, and what still waits, in words as well as in a drawing."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from pantry import cell, notebook, store

from fleetlab.course.map import CourseMap, Stop, course_map
from fleetlab.course.progress import ProgressFile

STOPS = (
    Stop("01_instances", "Three copies", (), 20, "done", 2, 2),
    Stop("02_disposable", "Killed at any line", ("01_instances",), 25, "begun", 1, 3),
    Stop("09_sessions", "Ada logs in", ("02_disposable", "01_instances"), 35, "next", 0, 4),
    Stop("10_1_migrations", "Two versions, one schema", ("09_sessions", "07_unwritten"), None, "waits", 0, 3),
    Stop("12_clocks", "What time is it?", ("01_instances",)),
)


def test_the_text_has_one_line_a_lesson() -> None:
    """Each with a sign and a word for its state; needs that do not exist yet are left out."""
    assert str(CourseMap(STOPS, "09_sessions")).splitlines() == [
        "✓ 01 Three copies · 20 min · 2/2 passed · done",
        "◐ 02 Killed at any line · 25 min · 1/3 passed · begun · needs 01",
        "▶ 09 Ada logs in · 35 min · 0/4 passed · next · needs 02, 01 · you are here",
        "· 10_1 Two versions, one schema · 0/3 passed · waits · needs 09",
        "○ 12 What time is it? · open · needs 01",
    ]


def test_the_drawing_is_one_image_with_the_text_in_words() -> None:
    """For whoever cannot see it."""
    shown = CourseMap(STOPS)._repr_html_()
    assert shown.startswith('<img alt="Course map. ✓ 01 Three copies · 20 min · 2/2 passed · done; ◐ 02 ')
    assert shown.count("<") == 1


def test_lessons_stand_below_what_they_need() -> None:
    """A need that another need implies has no arrow of its own."""
    drawing = ElementTree.fromstring(CourseMap(STOPS).svg())
    heights = {text.text: float(text.get("y", 0)) for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert heights["✓ 01"] < heights["◐ 02"] == heights["○ 12"] < heights["▶ 09"] < heights["· 10_1"]
    roads = [path for path in drawing.iter("{http://www.w3.org/2000/svg}path") if path.get("class") == "call"]
    assert len(roads) == 4


def test_the_drawing_is_the_same_each_time() -> None:
    """To the byte."""
    assert CourseMap(STOPS).svg() == CourseMap(STOPS).svg()


def test_needs_in_a_circle_do_not_break_it() -> None:
    """A mistake in the curriculum is not the map's to judge."""
    circle = (Stop("01_a", "A", ("02_b",)), Stop("02_b", "B", ("01_a",)))
    ElementTree.fromstring(CourseMap(circle).svg())


def test_an_empty_course_says_so() -> None:
    """As text and as a drawing."""
    assert str(CourseMap(())) == "There is no lesson here yet."
    ElementTree.fromstring(CourseMap(()).svg())


def test_it_reads_the_course_and_the_progress(course: Path) -> None:
    """The small course has one lesson, of two exercises."""
    assert str(course_map("07")) == "▶ 07 Where is the jam? · 0/2 passed · next · you are here"
    ProgressFile().update(lambda progress: progress.checked("07.jam", "").checked("07.tea", ""))
    assert str(course_map()) == "✓ 07 Where is the jam? · 2/2 passed · done"


def test_a_page_made_for_others_shows_nobodys_progress(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed lessons, and their comparison with a new run, are the same for whoever has passed something."""
    ProgressFile().update(lambda progress: progress.checked("07.jam", ""))
    monkeypatch.setattr("fleetlab.course.map.unattended", lambda: True)
    assert str(course_map()) == "▶ 07 Where is the jam? · 0/2 passed · next"


def test_a_place_shows_what_leads_to_it_and_what_it_opens(course: Path) -> None:
    """Everything needed on the way is there; of what follows, the next step alone."""
    names = "01_introduction 02_disposable_instances 09_sessions 10_transactions 10_1_schema_migrations"
    for name in names.split():
        store(course / "notebooks" / f"{name}.ipynb", notebook(cell(f"# {name}", kind="markdown")))
    assert [stop.name for stop in course_map("02").stops] == [
        "01_introduction",
        "02_disposable_instances",
        "09_sessions",
        "10_transactions",
    ]
    assert [stop.name for stop in course_map("10_1").stops][-2:] == ["10_transactions", "10_1_schema_migrations"]
