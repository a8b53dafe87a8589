"""The inventory, the curriculum and the tags of the sources agree."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from fleetlab.course.inventory import complaints, curriculum, practices, tagged
from fleetlab.course.outline import topic
from fleetlab.exercises import Exercise

ROOT = Path(__file__).parents[2]
READY = [entry for entry in curriculum() if entry.ready]


def test_the_inventory_is_whole() -> None:
    """278 practices, each with an id of its own, a known depth and a section that a lesson carries."""
    rows = practices()
    assert (len(rows), len({row.id for row in rows})) == (278, 278)
    assert {row.depth for row in rows} == {"exercise", "demo", "artifact", "text"}
    assert {row.section for row in rows} <= {section for entry in curriculum() for section in entry.sections}


def test_a_lesson_needs_only_lessons_that_come_before_it() -> None:
    """The curriculum can be read from top to bottom."""
    names = [entry.lesson for entry in curriculum()]
    for position, entry in enumerate(curriculum()):
        for need in entry.needs:
            assert any(name.startswith(f"{need}_") for name in names[:position]), (entry.lesson, need)


@pytest.mark.parametrize("entry", READY, ids=lambda entry: entry.lesson)
def test_a_ready_lesson_carries_its_practices_at_their_depth(entry) -> None:
    """Every row of its sections is on a tagged cell, exercise rows on a check cell too; no tag means nothing."""
    assert complaints(ROOT, entry) == []


@pytest.mark.parametrize("entry", READY, ids=lambda entry: entry.lesson)
def test_the_exercises_of_a_ready_lesson_exist(entry) -> None:
    """Each name of the curriculum is an exercise of the lesson's module, with hints and scenarios."""
    module = importlib.import_module(f"fleetlab.exercises.{topic(entry.lesson)}")
    for name in entry.exercises:
        exercise = getattr(module, name)
        assert isinstance(exercise, Exercise)
        assert len(exercise.hints) >= 2
        assert exercise.scenarios


def test_a_missing_tag_is_complained_about() -> None:
    """The comparison can fail: a lesson that should carry another section's rows is told which are missing."""
    entry = replace(READY[0], sections=("10.1",), exercises=())
    due = [practice for practice in practices() if practice.section == "10.1"]
    found = [sentence for sentence in complaints(ROOT, entry) if sentence.startswith("s10")]
    assert len(found) == len(due) > 0


def test_tags_are_read_from_lessons_and_solutions() -> None:
    """A lesson's own cells and its lab's check cells both count."""
    assert {cell.source for cell in tagged(ROOT, "09_sessions")} == {"notebooks", "solutions"}


HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n---\n"
TAGS = '["practice:s09-stateless-jwt", "exercise:a"]'
CODE = f"```{{code-cell}} ipython3\n:tags: {TAGS}\n1\n```\n"
PROSE = f'+++ {{"tags": {TAGS}}}\n\nText.\n'


@pytest.mark.parametrize(
    ("lesson", "lab", "complaint"),
    [
        (CODE, CODE, []),
        (PROSE, CODE, ["s09-stateless-jwt (exercise) is carried by no code cell of the lesson."]),
        (CODE, PROSE, ["s09-stateless-jwt (exercise) is on no check cell of the lab."]),
        (CODE, "Nothing.\n", ["s09-stateless-jwt (exercise) is on no check cell of the lab."]),
    ],
)
def test_an_exercise_row_is_shown_in_the_lesson_and_checked_in_the_lab(
    tmp_path: Path, lesson: str, lab: str, complaint: list[str]
) -> None:
    """A tag on prose, or in one of the two alone, is not enough."""
    for folder, text in (("notebooks", lesson), ("solutions", lab)):
        (tmp_path / "lessons" / folder).mkdir(parents=True)
        (tmp_path / "lessons" / folder / "09_x.md").write_text(HEAD + text, "utf-8")
    entry = replace(READY[0], lesson="09_x", sections=("9",), exercises=("a",))
    assert [sentence for sentence in complaints(tmp_path, entry) if "stateless-jwt" in sentence] == complaint
