"""`fleetlab hint` and `fleetlab solution` help a little at a time, and labs write down what happens in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from fleetlab.course import recording
from fleetlab.course.cli import app
from fleetlab.course.progress import ProgressFile, Record
from fleetlab.exercises import Exercise
from fleetlab.exercises.verdict import Verdict


@pytest.fixture(autouse=True)
def exercises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the module of the small course's exercises where those of all lessons are."""
    module: Any = ModuleType("fleetlab.exercises.pantry")
    module.jam = Exercise("07.jam", "There is jam", hints=["Look around.", "On the left."])
    module.tea = Exercise("07.tea", "There is tea")
    monkeypatch.setitem(sys.modules, module.__name__, module)


def run(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(app, list(arguments))


def test_hints_come_one_at_a_time(course: Path) -> None:
    """Each call shows one more; when all are shown, all of them."""
    shown = [run("hint", "07_pantry.jam").stdout for _ in range(3)]
    first, second = "Hint 1 of 2: Look around.\n", "Hint 2 of 2: On the left.\n"
    assert shown == [first, second, first + second]
    assert ProgressFile().read().of("07.jam").hints == 2


def test_a_damaged_lab_still_has_hints(course: Path) -> None:
    """The exercises are those that its authors gave it."""
    (course / "labs" / "07_pantry.ipynb").write_text("{")
    assert run("hint", "07_pantry.jam").exit_code == 0


def test_what_ails_the_file_is_said_once(course: Path, home: Path) -> None:
    """A newer version's progress is left alone, and one sentence says so."""
    home.mkdir()
    (home / "progress.json").write_text('{"version": 99}')
    assert run("hint", "07_pantry.jam").stderr.count("A newer version") == 1


def test_an_exercise_without_hints_says_so(course: Path) -> None:
    """No hint is a sentence, not an error."""
    assert run("hint", "07.tea").stdout == "07.tea has no hints.\n"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("tea", '"tea" names no exercise: write LAB.EXERCISE, as in 09_sessions.shared_cart.'),
        ("07", '"07" is a whole lab; name one of its exercises: 07.jam, 07.tea.'),
        ("07.", '"07." is a whole lab; name one of its exercises: 07.jam, 07.tea.'),
        ("07.milk", '07_pantry has no exercise "milk"; it has: jam, tea.'),
        ("08.jam", 'There is no lab "08"; there are: 07_pantry.'),
    ],
)
def test_a_wrong_name_is_a_sentence(course: Path, wanted: str, sentence: str) -> None:
    """A name that means nothing is answered with what there is."""
    result = run("hint", wanted)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")


def test_the_solution_comes_after_success(course: Path) -> None:
    """Before an exercise is passed its solution is shown only to who insists."""
    result = run("solution", "07.jam")
    assert result.exit_code == 2
    assert result.stderr == "07.jam is not passed yet: `fleetlab hint 07.jam` helps, or add --anyway.\n"
    assert 'return "jam"' in run("solution", "07.jam", "--anyway").stdout
    ProgressFile().update(lambda progress: progress.checked("07.jam", ""))
    assert 'return "jam"' in run("solution", "07.jam").stdout


def test_a_missing_solution_is_a_sentence(course: Path) -> None:
    """A course without solutions says so."""
    (course / "solutions" / "07_pantry.ipynb").unlink()
    assert run("solution", "07.jam", "--anyway").stderr == "solutions/ holds no solution of 07.jam.\n"


def test_a_check_in_a_lab_is_written_down(home: Path) -> None:
    """A pass, a failure and a hint are written down; an answer that is not there yet is no attempt."""
    recording.checked(Verdict("07.jam", "not attempted"))
    recording.checked(Verdict("07.jam", "failed", "S07-WRONG"))
    recording.checked(Verdict("07.jam", "passed"))
    recording.hinted("07.jam", 1)
    assert ProgressFile().read().of("07.jam") == Record(passed=True, failed="S07-WRONG", attempts=2, hints=1)


CHECK = """
import contextlib, fleetlab
from fleetlab.exercises import CheckFailed, Exercise
jam = Exercise("07.jam", "There is jam", hints=["Look."])

@jam.scenario(preemptions=0)
def one(world, shop):
    world.deploy(shop)

@one.must("WRONG", "it is right")
def never(history):
    return True

with contextlib.suppress(CheckFailed):
    jam.check(lambda env: (lambda environ, start: []))
jam.hint()
"""


MARK = Record(failed="S07-WRONG", attempts=1, hints=1)


@pytest.mark.parametrize(
    ("folder", "mark"), [("labs", MARK), ("solutions", Record()), ("notebooks", Record()), (".", Record())]
)
def test_only_labs_leave_a_mark(course: Path, folder: str, mark: Record) -> None:
    """The same check and hint are written down in labs/ and nowhere else."""
    subprocess.run([sys.executable, "-c", CHECK], cwd=course / folder, capture_output=True, check=True, text=True)
    assert ProgressFile().read().of("07.jam") == mark


def test_outside_labs_nothing_is_imported(course: Path) -> None:
    """`import fleetlab` loads no exercise and no course machinery unless it is a lab that does so."""
    code = "import sys, fleetlab; print([name for name in sys.modules if name.startswith('fleetlab.exercises')])"
    found = subprocess.run([sys.executable, "-c", code], cwd=course / "notebooks", capture_output=True, text=True)
    assert found.stdout == "[]\n"
