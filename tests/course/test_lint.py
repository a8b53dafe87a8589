"""Each rule of the lint passes a good lesson and is seen to fail on a broken one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleetlab.course.lint import RULES, Book, complaints
from fleetlab.course.lint.book import Cell, read

OPENING = "# Who has the cart?\n\nIt is lost.\n\nYou will\n\n- see it\n- mend it\n- compare it\n\n25 min · needs 02"
ENDING = (
    "## In production\n\nRedis.\n\n## Recap\n\n- one\n- two\n- three\n\n"
    + "<details><summary>Why?</summary>So.</details>\n" * 3
    + "[lab](../labs/09_sessions.ipynb)"
)


def code(number: int, source: str, printed: str = "", *tags: str) -> Cell:
    return Cell(number, "code", source, tags, True, (printed,) if printed else (), len(printed))


def text(number: int, source: str, *tags: str) -> Cell:
    return Cell(number, "markdown", source, tags)


@pytest.fixture
def lesson(tmp_path: Path) -> Book:
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "09_sessions.ipynb").write_text("{}")
    (tmp_path / "notebooks").mkdir()
    cells = (
        text(1, OPENING),
        code(2, 'from fleetlab import World, course_map\n\ncourse_map("09")', "the map", "setup"),
        text(3, "**Predict:** how many?"),
        code(4, "print(66)", "66\n", "practice:s09-shared-session-need"),
        text(5, "It is 66. **Predict:** and now?"),
        code(6, "print(33)", "33\n"),
        text(7, ENDING),
    )
    return Book("notebooks/09_sessions.ipynb", "lesson", cells, tmp_path, 5000)


def with_cell(book: Book, number: int, cell: Cell) -> Book:
    return replace(book, cells=tuple(cell if old.number == number else old for old in book.cells))


def opening(book: Book, old: str, new: str) -> Book:
    return with_cell(book, 1, text(1, OPENING.replace(old, new)))


def ending(book: Book, old: str, new: str) -> Book:
    return with_cell(book, 7, text(7, ENDING.replace(old, new)))


BROKEN = {
    "one-title": lambda book: opening(book, "# Who", "Who"),
    "minutes-and-needs": lambda book: opening(book, "25 min", "a while"),
    "you-will": lambda book: opening(book, "- compare it\n", ""),
    "short-set-up": lambda book: with_cell(book, 2, code(2, "x = 1\n" * 5 + 'course_map("09")')),
    "place-on-the-map": lambda book: with_cell(book, 2, code(2, 'course_map("08")')),
    "something-runs-early": lambda book: opening(book, "It is lost.", "word " * 250),
    "predictions": lambda book: with_cell(book, 5, text(5, "It is 66.")),
    "ending": lambda book: ending(book, "- three\n", ""),
    "in-production": lambda book: ending(book, "## In production", "## Elsewhere"),
    "short-cells": lambda book: with_cell(book, 6, code(6, "print(33)\n" * 21, "33")),
    "known-tags": lambda book: with_cell(book, 6, code(6, "print(33)", "33", "practise:typo")),
    "no-unexecuted-cell": lambda book: with_cell(book, 6, Cell(6, "code", "print(33)", (), False)),
    "no-stray-marker": lambda book: with_cell(book, 6, code(6, "# <stub>\nprint(33)", "33")),
    "small": lambda book: replace(book, size=300_001),
    "no-error-output": lambda book: with_cell(book, 6, code(6, "1/0", "Traceback (most recent call last)\n33")),
    "numbers-are-printed": lambda book: with_cell(book, 5, text(5, "It is 67. **Predict:** and now?")),
    "links-are-alive": lambda book: ending(book, "../labs/09", "../labs/10"),
    "lead-ins": lambda book: replace(book, cells=(*book.cells, text(8, "word " * 250), text(9, "word " * 250))),
    "no-outputs": lambda book: replace(book, kind="lab"),
}


def test_a_good_lesson_has_nothing_to_complain_about(lesson: Book) -> None:
    """The fixture that the broken ones are made of holds to every rule."""
    assert [str(complaint) for complaint in complaints(lesson)] == []


@pytest.mark.parametrize("name", sorted(RULES))
def test_each_rule_is_seen_to_fail(lesson: Book, name: str) -> None:
    """A lesson broken in one place is told so by the rule for it."""
    assert name in {complaint.rule for complaint in complaints(BROKEN[name](lesson))}


def test_a_damaged_notebook_is_named(tmp_path: Path) -> None:
    """A file that is no notebook is an error in one sentence."""
    path = tmp_path / "x.ipynb"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"x\.ipynb is not a notebook"):
        read(path, "lesson", tmp_path)


def test_a_notebook_is_read_with_tags_outputs_and_execution(tmp_path: Path) -> None:
    """Stored cells become cells that rules can ask."""
    cell = {
        "cell_type": "code",
        "source": ["print(1)"],
        "metadata": {"tags": ["practice:x"]},
        "execution_count": None,
        "outputs": [{"output_type": "stream", "text": ["1\n"]}],
    }
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))
    found = read(path, "lesson", tmp_path).cells[0]
    assert (found.source, found.tags, found.executed, found.outputs) == ("print(1)", ("practice:x",), False, ("1\n",))
