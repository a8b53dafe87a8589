"""`fleetlab export` and `fleetlab import` carry progress and answers, and replace nothing without keeping it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pantry import ANSWERS, STUBS, cell, notebook, pantry, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.labs import Lab, answer_of, source
from fleetlab.course.progress import ProgressFile, Record


def run(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(app, list(arguments))


def texts(lab: Lab) -> list[str]:
    """Return the lab's cells as they are stored."""
    return [source(one) for one in lab.read()["cells"]]


def kept(lab: Lab) -> list[Path]:
    """Return the versions kept beside the lab."""
    return list(lab.path.parent.glob("*.kept-*"))


def test_answers_and_progress_come_back(lab: Lab, answer: Callable[..., None], home: Path) -> None:
    """On a machine that has forgotten everything, an import brings all back."""
    answer(jam=ANSWERS["jam"])
    ProgressFile().update(lambda progress: progress.checked("07.jam", ""))
    assert run("export", "mine.json").stdout == "mine.json holds your progress and the answers of 07_pantry.\n"
    (home / "progress.json").unlink()
    answer()
    assert run("import", "mine.json").exit_code == 0
    assert {answer_of(one): source(one) for one in lab.read()["cells"] if answer_of(one)} == {
        **STUBS,
        "jam": ANSWERS["jam"],
    }
    assert ProgressFile().read().of("07.jam") == Record(passed=True, attempts=1)


def test_what_was_there_is_kept(lab: Lab, answer: Callable[..., None]) -> None:
    """An answer that differs from the imported one is kept under a dated name; other answers stay where they are."""
    answer(jam=ANSWERS["jam"])
    run("export", "mine.json")
    answer(jam="def jam():\n    return 'honey'", tea=ANSWERS["tea"])
    before = lab.path.read_bytes()
    run("import", "mine.json")
    assert [path.read_bytes() for path in kept(lab)] == [before]
    assert {answer_of(one): source(one) for one in lab.read()["cells"] if answer_of(one)} == ANSWERS


def test_progress_that_cannot_be_stored_is_no_success(lab: Lab, home: Path, answer: Callable[..., None]) -> None:
    """Nobody is told that progress is merged while it is not; the answers are there all the same."""
    answer(**ANSWERS)
    run("export", "mine.json")
    answer()
    home.mkdir(exist_ok=True)
    (home / "progress.json").write_text('{"version": 99}')
    result = run("import", "mine.json")
    assert result.exit_code == 2
    assert "is merged" not in result.stdout
    assert result.stderr.endswith("Your progress is not merged; it stays in mine.json.\n")
    assert Lab(lab.course, lab.name).read()["cells"] != pantry()["cells"]


def test_a_folder_that_cannot_be_written_is_told_by_the_file_asked_for(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file beside it is nothing that a learner knows."""

    def refuse(**where: Any) -> None:
        raise PermissionError(13, "Permission denied", "{dir}/{prefix}xyz".format(**where))

    monkeypatch.setattr("fleetlab.course.home.tempfile.mkstemp", refuse)
    assert run("export", "own.json").stderr == "That did not work (permission denied): own.json\n"


def test_importing_twice_changes_nothing(lab: Lab, answer: Callable[..., None]) -> None:
    """A second import of the same file neither doubles cells nor keeps another copy."""
    answer(jam=ANSWERS["jam"])
    run("export", "mine.json")
    run("import", "mine.json")
    assert kept(lab) == []
    assert texts(lab) == [source(one) for one in pantry({**STUBS, "jam": ANSWERS["jam"]})["cells"]]


def test_a_learners_own_cells_go_along(lab: Lab) -> None:
    """Helper cells, answers in several cells and changed set-ups are carried, each to its place."""
    book = pantry(ANSWERS)
    more = [
        cell("helper = 1"),
        *book["cells"][2:3],
        cell("also = 2", "solution:jam"),
        *book["cells"][3:],
        cell("last = 3"),
    ]
    store(lab.path, notebook(*book["cells"][:2], *more))
    before = texts(lab)
    run("export", "mine.json")
    store(lab.path, pantry())
    run("import", "mine.json")
    assert texts(lab) == before
    assert len({one["id"] for one in lab.read()["cells"]}) == len(before)


def test_without_stubs_everything_goes_along(lab: Lab, answer: Callable[..., None]) -> None:
    """Where the authors' text is not at hand, no cell is left out, and none is doubled."""
    answer(**ANSWERS)
    before = texts(lab)
    (lab.course / "lessons" / "solutions" / "07_pantry.md").unlink()
    run("export", "mine.json")
    answer()
    run("import", "mine.json")
    assert texts(lab) == before


def test_an_export_never_replaces_a_file(course: Path) -> None:
    """A file that exists is left alone."""
    (course / "mine.json").write_text("precious")
    result = run("export", "mine.json")
    assert (result.exit_code, result.stderr) == (2, "mine.json is there already; name another file.\n")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 1}', '{"version": 1, "progress": {}, "labs": {}}', '{"version": "x"}', "\x00"],
)
def test_a_file_of_something_else_is_a_sentence(lab: Lab, text: str) -> None:
    """A file that was not exported changes nothing."""
    Path("other.json").write_text(text)
    before = lab.path.read_bytes()
    result = run("import", "other.json")
    assert (result.exit_code, result.stderr) == (2, "other.json was not written by `fleetlab export`.\n")
    assert lab.path.read_bytes() == before


def test_a_newer_export_is_a_sentence(course: Path) -> None:
    """What a later version has exported is not guessed at."""
    Path("new.json").write_text('{"version": 2}')
    assert run("import", "new.json").stderr == "new.json was exported by a newer version of the course (format 2).\n"
    assert run("import", "none.json").stderr == "There is no file none.json.\n"


def test_labs_that_are_not_here_are_named(course: Path) -> None:
    """Answers to a lab that this course does not have stay in their file, and that is said."""
    progress = {"version": 1, "exercises": {}}
    labs = {"99_else": {"answers": {"x": ["1"]}, "own": []}}
    Path("mine.json").write_text(json.dumps({"version": 1, "progress": progress, "labs": labs}))
    assert run("import", "mine.json").stdout.endswith("99_else is not here: its answers stay in mine.json.\n")
