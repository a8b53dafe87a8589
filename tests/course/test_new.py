"""`fleetlab new` writes files that are valid before their author has touched them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from fleetlab.course.authoring import Target, notebook
from fleetlab.course.cli import app
from fleetlab.course.labs import answer_of, check_of, source

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "lessons/notebooks/06_strong_boxes.md",
    "lessons/solutions/06_strong_boxes.md",
    "src/fleetlab/exercises/strong_boxes.py",
    "tests/answers/strong_boxes/open_once.py",
]


def run(*arguments: str) -> Any:
    """Call the command."""
    return CliRunner().invoke(app, ["new", *arguments])


@pytest.fixture
def written(course: Path) -> Path:
    """Return a course with a new lesson in it."""
    result = run("06_strong_boxes", "--exercise", "open_once")
    assert result.stdout.splitlines() == FILES
    return course


def load(name: str, path: Path) -> ModuleType:
    """Load a module that stands outside the package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_new_exercise_judges(written: Path) -> None:
    """The stub and the wrong answer fail with their ids, and the right one passes."""
    exercise = load("fleetlab.exercises.strong_boxes", written / FILES[2]).open_once
    answers = load("strong_boxes_answers", written / FILES[3])
    for made, expected in (answers.STUB, *answers.WRONG.values()):
        assert exercise.verdict(made).id == expected == "S06-LOST-VISIT"
    for made in answers.RIGHT.values():
        assert exercise.verdict(made).outcome == "passed"


def test_the_new_lab_is_built(written: Path) -> None:
    """Solution and lab come out of one source: the one passes, the other fails as expected."""
    exercise = load("fleetlab.exercises.strong_boxes", written / FILES[2]).open_once
    outcomes = []
    for form in ("solution", "lab"):
        made = notebook((written / FILES[1]).read_text("utf-8"), Target(FILES[1], form, "x.ipynb", False))
        names: dict[str, Any] = {}
        for cell in made.cells:
            if answer_of(cell):
                exec("from flask import Flask\n" + source(cell), names)  # a cell, as a kernel would run it
        outcomes.append(exercise.verdict(names["shop"]).id)
        assert [check_of(cell) for cell in made.cells if check_of(cell)] == ["open_once"]
    assert outcomes == ["", "S06-LOST-VISIT"]


def test_the_new_lesson_runs(written: Path) -> None:
    """The lesson's cells run, and its break breaks: the last of three visitors is told 1, then 3."""
    made = notebook((written / FILES[0]).read_text("utf-8"), Target(FILES[0], "lesson", "x.ipynb", False))
    code = "\n\n".join(source(cell) for cell in made.cells if cell.cell_type == "code")
    shown = code.replace("\nlast_number(in_memory)", "\nprint(last_number(in_memory))")
    shown = shown.replace("\nlast_number(in_redis)", "\nprint(last_number(in_redis))")
    found = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n3\n"


def test_the_new_files_have_the_projects_style(written: Path) -> None:
    """Style and order of imports are right from the start."""
    pytest.importorskip("ruff")
    (written / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    for command in (["check"], ["format", "--check"]):
        found = subprocess.run([sys.executable, "-m", "ruff", *command, *FILES[2:]], cwd=written, capture_output=True)
        assert found.returncode == 0, found.stdout.decode()


@pytest.mark.parametrize(
    ("lesson", "exercise", "sentence"),
    [
        (
            "secrets",
            "x",
            '"secrets" is no name for a lesson: write NN_topic or NN_M_topic in small letters, as 06_secrets.',
        ),
        (
            "06_../x",
            "x",
            '"06_../x" is no name for a lesson: write NN_topic or NN_M_topic in small letters, as 06_secrets.',
        ),
        ("06_class", "x", '"class" is no name that Python can import.'),
        ("06_boxes", "two words", '"two words" is no name that Python can import.'),
    ],
)
def test_a_bad_name_writes_nothing(course: Path, lesson: str, exercise: str, sentence: str) -> None:
    """A name that cannot be a file or a module is refused in a sentence."""
    before = sorted(course.rglob("*"))
    result = run(lesson, "--exercise", exercise)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")
    assert sorted(course.rglob("*")) == before


def test_nothing_is_written_over(written: Path) -> None:
    """A file that exists keeps all the others from being written."""
    (written / FILES[0]).write_text("precious")
    for name in FILES[1:]:
        (written / name).unlink()
    result = run("06_strong_boxes", "--exercise", "open_once")
    assert result.stderr == f"{FILES[0]} is there already; nothing was written.\n"
    assert (written / FILES[0]).read_text() == "precious"
    assert not (written / FILES[1]).exists()
