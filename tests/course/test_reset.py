"""`fleetlab reset` brings a stub back and loses nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pantry import ANSWERS, DATED, NOW, STUBS, cell, notebook, pantry, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.labs import Lab, answer_of, source
from fleetlab.course.mistake import Mistake
from fleetlab.course.reset import reset, sources, with_cells


def answers(lab: Lab) -> dict[str, str]:
    """Return the lab's answers as they are stored."""
    return {answer_of(one): source(one) for one in lab.read()["cells"] if answer_of(one)}


def test_a_whole_lab_comes_back(lab: Lab, answer: Callable[..., None]) -> None:
    """Every stub is back, and the learner's file is kept byte by byte under a dated name."""
    answer(jam=ANSWERS["jam"])
    before = lab.path.read_bytes()
    done = reset(lab, None, NOW)
    assert answers(lab) == STUBS
    assert done.kept == lab.path.with_name(f"07_pantry.kept-{DATED}.ipynb")
    assert done.kept.read_bytes() == before


def test_one_exercise_comes_back_alone(lab: Lab, answer: Callable[..., None]) -> None:
    """The other answer stays as it is."""
    answer(**ANSWERS)
    done = reset(lab, "jam", NOW)
    assert answers(lab) == {"jam": STUBS["jam"], "tea": ANSWERS["tea"]}
    assert done.kept is not None


def test_an_untouched_lab_is_not_copied(lab: Lab) -> None:
    """Where nothing was changed nothing is kept, also if outputs are there."""
    book = pantry()
    book["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    store(lab.path, book)
    assert reset(lab, None, NOW).kept is None
    assert reset(lab, "jam", NOW).kept is None


def test_two_resets_in_one_second_keep_both(lab: Lab, answer: Callable[..., None]) -> None:
    """A kept version is never written over."""
    for text in ("one = 1", "two = 2"):
        answer(jam=text)
        reset(lab, None, NOW)
    kept = sorted(path.name for path in lab.path.parent.glob("*.kept-*"))
    assert kept == [f"07_pantry.kept-{DATED}-2.ipynb", f"07_pantry.kept-{DATED}.ipynb"]


def test_a_damaged_lab_is_kept_too(lab: Lab) -> None:
    """A file that is no notebook any more is put aside, and the stub is back."""
    lab.path.write_text("<<<<<<< HEAD")
    kept = reset(lab, None, NOW).kept
    assert kept is not None
    assert kept.read_text() == "<<<<<<< HEAD"
    assert answers(lab) == STUBS


def test_a_lost_lab_comes_back(lab: Lab) -> None:
    """A lab whose file was deleted is written again."""
    lab.path.unlink()
    result = CliRunner().invoke(app, ["reset", "7"])
    assert result.stdout == "7 is as its authors wrote it.\n"
    assert answers(lab) == STUBS


def test_deleted_cells_come_back_in_their_place(lab: Lab) -> None:
    """An answer cell and a check cell that are gone are put where they belong; the learner's own cells stay."""
    book = pantry(ANSWERS)
    mine = notebook(*[one for one in book["cells"] if "jam" not in source(one) or not one["metadata"]], cell("x = 1"))
    back = with_cells(mine, pantry(), "jam")
    texts = [source(one).split("\n")[0] for one in back["cells"]]
    assert texts[2:] == ["def jam():", 'check("jam", jam, "jam")', "def tea():", 'check("tea", tea, "tea")', "x = 1"]
    assert len({one["id"] for one in back["cells"]}) == len(back["cells"])


def test_an_answer_in_two_cells_becomes_one_stub(lab: Lab) -> None:
    """A learner who split an answer into three cells gets one stub back."""
    book = pantry(ANSWERS)
    more = [cell("helper = 1", "solution:jam"), cell("other = 2", "solution:jam")]
    mine = notebook(*book["cells"][:2], *more, *book["cells"][2:])
    assert sources(with_cells(mine, pantry(), "jam")) == sources(pantry({**ANSWERS, "jam": STUBS["jam"]}))


def test_without_sources_the_commit_is_taken(lab: Lab, answer: Callable[..., None]) -> None:
    """A course that came without its text sources resets to its last commit."""
    (lab.course / "lessons" / "solutions" / "07_pantry.md").unlink()
    with pytest.raises(Mistake, match="stub of 07_pantry is not here"):
        reset(lab, None, NOW)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-f", "labs"], [*author, "commit", "-q", "-m", "Labs"]):
        subprocess.run(["git", *command], cwd=lab.course, check=True)
    answer(jam=ANSWERS["jam"])
    reset(lab, None, NOW)
    assert answers(lab) == STUBS


def test_the_command_says_where_the_answers_are(lab: Lab, answer: Callable[..., None]) -> None:
    """A person is told what was done, where the old version is, and what to do in JupyterLab."""
    answer(jam=ANSWERS["jam"])
    result: Any = CliRunner().invoke(app, ["reset", "07.jam"])
    assert result.exit_code == 0
    assert result.stdout.startswith("07.jam is as its authors wrote it; your version is kept as labs/07_pantry.kept-")
    assert result.stdout.endswith("choose File, Reload Notebook from Disk.\n")


def test_a_kept_version_is_no_lab(lab: Lab, course: Path) -> None:
    """What reset keeps beside a lab is not taken for another lab."""
    lab.path.with_name(f"07_pantry.kept-{DATED}.ipynb").write_text("{}")
    result: Any = CliRunner().invoke(app, ["reset", "8"])
    assert result.stderr == 'There is no lab "8"; there are: 07_pantry.\n'
