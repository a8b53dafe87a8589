"""`fleetlab status` and `fleetlab start` know where the learner is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pantry import cell, notebook, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.commands.start import place
from fleetlab.course.commands.status import course_map
from fleetlab.course.labs import authored_exercises
from fleetlab.course.mistake import Mistake
from fleetlab.course.outline import next_up, outline
from fleetlab.course.progress import Progress, ProgressFile

CURRICULUM = """
lessons:
  - {lesson: 07_pantry, title: Pantry, minutes: 20, exercises: [jam, tea]}
  - {lesson: 08_cellar, title: Cellar, minutes: 25, needs: ["07"], exercises: [wine]}
  - {lesson: 09_attic, title: Attic, needs: [07_pantry, 08_cellar]}
  - {lesson: 10_roof, title: Not there}
"""


@pytest.fixture
def curriculum(course: Path) -> Path:
    """Return the curriculum of a course with three lessons."""
    for name in ("08_cellar", "09_attic"):
        store(course / "notebooks" / f"{name}.ipynb", notebook(cell(f"# {name}", kind="markdown")))
    path = course / "curriculum.yaml"
    path.write_text(CURRICULUM)
    return path


def passed(*keys: str) -> Progress:
    """Return the progress of somebody who passed these exercises in this order."""
    progress = Progress()
    for key in keys:
        progress = progress.checked(key, "")
    return progress


def run(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(app, list(arguments))


def test_the_table_counts_what_is_passed(course: Path) -> None:
    """A person sees each lesson with its exercises passed, and what is next."""
    ProgressFile().update(lambda progress: progress.checked("07.jam", ""))
    shown = run("status").stdout
    assert "07_pantry" in shown
    assert "1/2" in shown
    assert shown.endswith("Next: `fleetlab start 07`; not passed yet there: 07.tea.\n")


def test_programs_get_the_same(course: Path) -> None:
    """With --json the course is one document."""
    ProgressFile().update(lambda progress: progress.checked("07.jam", "S07-WRONG"))
    data = json.loads(run("status", "--json").stdout)
    lesson = data["lessons"][0]
    assert data["next"] == "07_pantry"
    assert lesson["title"] == "Where is the jam?"
    assert lesson["exercises"] == [
        {"exercise": "07.jam", "passed": False, "failed": "S07-WRONG", "attempts": 1, "hints": 0},
        {"exercise": "07.tea", "passed": False, "failed": "", "attempts": 0, "hints": 0},
    ]


def test_the_next_lesson_is_one_whose_needs_are_met(course: Path, curriculum: Path) -> None:
    """What was worked at last goes on; then the first open lesson that nothing unfinished stands before."""

    def following(progress: Progress) -> str:
        found = next_up(outline(course, progress, curriculum), progress.last)
        return found.name if found else ""

    assert following(Progress()) == "07_pantry"
    assert following(passed("07.jam", "07.tea")) == "08_cellar"
    assert following(passed("08.wine", "07.jam")) == "07_pantry"
    assert following(passed("08.wine", "07.jam", "07.tea")) == ""


def test_the_map_is_a_tree_of_needs(course: Path, curriculum: Path) -> None:
    """Each lesson stands under the last one it needs; a mark and no colour says how far it is."""
    progress = passed("07.jam", "07.tea")
    plan = outline(course, progress, curriculum)
    assert course_map(plan, next_up(plan)) == [
        "[x] 07 pantry",
        "└─ [>] 08 cellar",
        "   └─ [ ] 09 attic  (also needs 07)",
    ]


def test_a_broken_curriculum_is_a_sentence(course: Path) -> None:
    """A curriculum that is no list of lessons is said so."""
    (course / "curriculum.yaml").write_text("lessons: [1, 2]")
    with pytest.raises(Mistake, match=r"^curriculum.yaml is not a list of lessons.$"):
        outline(course, Progress(), course / "curriculum.yaml")


def test_exercises_are_known_from_their_source(course: Path) -> None:
    """The tags of a lab's source name its exercises, in each way that MyST writes tags; prose does not."""
    text = ':tags: [exercise:a, x]\n:tags: ["exercise:b"]\ntags:\n  - exercise:c\nAn exercise:d of prose.'
    assert authored_exercises(text) == ["a", "b", "c"]


def test_start_opens_where_the_learner_left_off(course: Path) -> None:
    """The first time it is the first lesson; a lab once it is begun; a lesson that is named whatever was done."""
    assert place(course, None) == ("notebooks", "07_pantry")
    ProgressFile().update(lambda progress: progress.checked("07.jam", ""))
    assert place(course, None) == ("labs", "07_pantry")
    assert place(course, "7") == ("notebooks", "07_pantry")
    ProgressFile().update(lambda progress: progress.checked("07.tea", ""))
    assert place(course, None) == ("notebooks", "07_pantry")


def test_no_course_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command says so in one line where there is no course, and exits with 2."""
    monkeypatch.setattr("fleetlab.course.folder.__file__", str(tmp_path / "a" / "b" / "c" / "folder.py"))
    monkeypatch.chdir(tmp_path)
    result = run("status")
    assert result.exit_code == 2
    assert result.stderr == "No course here: run this in the folder that holds notebooks/ and pyproject.toml.\n"
