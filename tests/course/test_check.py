"""`fleetlab check` tells each exercise's outcome, whatever the notebook does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pantry import ANSWERS, STUBS, cell, notebook, pantry, store
from typer.testing import CliRunner

from fleetlab.course.cli import app
from fleetlab.course.commands import shared
from fleetlab.course.judge import MIME, Judge, Result
from fleetlab.course.kernel import Kernel
from fleetlab.course.labs import Lab


def run(*arguments: str) -> Any:
    """Call the command."""
    return CliRunner().invoke(app, ["check", *arguments])


def told(result: Any) -> list[dict[str, Any]]:
    """Return the exercises of a JSON answer."""
    return timeless(json.loads(result.stdout)["labs"][0]["exercises"])


def timeless(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return results without their seconds, which differ."""
    return [{name: value for name, value in one.items() if name != "seconds"} for one in found]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Return one kernel for several tests: starting one takes a second."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as started:
        yield started


@pytest.fixture
def judged(lab: Lab, kernel: Kernel) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that judges the lab as it is stored, in a kernel without memory."""

    def judge(seconds: float = 20) -> list[dict[str, Any]]:
        kernel.run("%reset -f", 20)
        return timeless([result.data() for result in Judge(lab, lab.read(), seconds=seconds).results(kernel)])

    return judge


def not_reached(name: str, sentence: str, outcome: str = "not reached") -> dict[str, Any]:
    """Return the result of an exercise that has no verdict."""
    empty = {"id": "", "schedules": 0, "bound": "", "token": ""}
    return {"exercise": f"07.{name}", "outcome": outcome, "sentence": sentence, **empty}


JAM = {
    "exercise": "07.jam",
    "outcome": "passed",
    "id": "",
    "sentence": "",
    "schedules": 3,
    "bound": "one preemption",
    "token": "",
}
TEA = {**JAM, "exercise": "07.tea"}
WRONG = {"outcome": "failed", "id": "S07-WRONG", "sentence": "It is wrong.", "token": "0-1"}


def test_each_exercise_gets_its_verdict(answer: Callable[..., None]) -> None:
    """One passed and one failed exercise are told apart, and the exit code is 1."""
    answer(jam=ANSWERS["jam"])
    result = run("07", "--json")
    assert result.exit_code == 1
    assert told(result) == [JAM, {**TEA, **WRONG}]


def test_the_solutions_pass(course: Any) -> None:
    """With --solutions the course's own answers are checked, and exit code 0 means that all passed."""
    result = run("--solutions")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if line.startswith("✓")] != []
    assert "✓ 07.tea: passed" in result.stdout


def test_an_error_before_the_check_is_named(answer: Callable[..., None], judged: Callable[..., Any]) -> None:
    """A cell that ends in an error is named by its first line, and the other exercise is still judged."""
    answer(jam="def jam(:\n    pass", tea=ANSWERS["tea"])
    sentence = "The check was not reached: the cell «def jam(:» ended in SyntaxError: invalid syntax (line 1)."
    first, second = judged()
    assert first["sentence"] == sentence
    assert first["outcome"] == "not reached"
    assert second == TEA


def test_an_endless_cell_is_stopped(answer: Callable[..., None], judged: Callable[..., Any]) -> None:
    """A cell that does not end is interrupted, named, and costs its own exercise only."""
    answer(jam="while True:\n    pass", tea=ANSWERS["tea"])
    sentence = "The check was not reached: the cell «while True:» did not end within 1 s."
    assert judged(1) == [not_reached("jam", sentence), TEA]


def test_an_endless_check_never_finished(answer: Callable[..., None], judged: Callable[..., Any]) -> None:
    """An answer that does not end under its check has the outcome of its own."""
    answer(jam="def jam():\n    while True: pass", tea=ANSWERS["tea"])
    sentence = "The check did not end within 1 s."
    assert judged(1) == [not_reached("jam", sentence, "never finished"), TEA]


def test_a_dead_kernel_ends_the_lab_in_a_sentence(answer: Callable[..., None]) -> None:
    """A cell that kills its process is named, for each exercise behind it."""
    answer(jam="import os\nos._exit(1)")
    sentence = "The check was not reached: the cell «import os» ended in the kernel's death."
    assert told(run("--json")) == [not_reached("jam", sentence), not_reached("tea", sentence)]


def test_a_verdict_in_place_of_a_progress_line_counts(lab: Lab, judged: Callable[..., Any]) -> None:
    """A display that is replaced counts as what it shows in the end."""
    text = "handle = display('busy', display_id=True)\n"
    text += f"handle.update({{'{MIME}': {{'exercise': '07.jam', 'outcome': 'passed'}}}}, raw=True)"
    store(lab.path, notebook(cell(text, "exercise:jam")))
    assert judged()[0]["outcome"] == "passed"


def test_a_removed_check_cell_is_missed(lab: Lab, judged: Callable[..., Any]) -> None:
    """An exercise whose check cell is gone is not forgotten."""
    book = pantry(ANSWERS)
    store(
        lab.path,
        {**book, "cells": [one for one in book["cells"] if "exercise:tea" not in one["metadata"].get("tags", [])]},
    )
    sentence = "The lab has no check cell for it any more; `fleetlab reset 07_pantry.tea` brings it back."
    assert judged() == [JAM, not_reached("tea", sentence)]


def test_a_check_that_is_called_elsewhere_counts(lab: Lab, judged: Callable[..., Any]) -> None:
    """A learner who retyped the check cell, tag and all lost, is judged all the same."""
    book = pantry(ANSWERS)
    for one in book["cells"]:
        if one["metadata"].get("tags") == ["exercise:tea"]:
            one["metadata"] = {}
    store(lab.path, book)
    assert judged() == [JAM, TEA]


def test_a_check_cell_of_something_else_has_no_verdict(lab: Lab, judged: Callable[..., Any]) -> None:
    """A check cell that was changed to check nothing does not pass, and does not keep an old verdict."""
    store(lab.path, notebook(cell("1 + 1", "exercise:jam"), cell("undefined", "exercise:tea")))
    wrong = "There is no verdict: the cell «undefined» ended in NameError: name 'undefined' is not defined."
    nothing = "The check cell ran, and checked something else."
    assert judged() == [not_reached("jam", nothing), not_reached("tea", wrong)]


@pytest.mark.parametrize(("wanted", "listed"), [("8", "07_pantry"), ("jam", "07_pantry")])
def test_an_unknown_lab_is_a_sentence(course: Any, wanted: str, listed: str) -> None:
    """A lab that nobody has written is answered with those there are."""
    result = run(wanted)
    assert result.exit_code == 2
    assert result.stderr == f'There is no lab "{wanted}"; there are: {listed}.\n'


def test_a_damaged_lab_is_a_sentence(lab: Lab) -> None:
    """A file that is no notebook is answered with how to get one back."""
    lab.path.write_text("<<<<<<< HEAD")
    result = run("07")
    assert result.exit_code == 2
    assert "it is not JSON" in result.stderr
    assert "fleetlab reset 07_pantry" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_damaged_lab_costs_its_own_exercises_only(course: Any, lab: Lab) -> None:
    """Among several labs, the others are judged, and each exercise of the damaged one says why it is not."""
    store(course / "labs" / "08_cellar.ipynb", pantry(ANSWERS))
    lab.path.write_bytes(b"\xff\xfe")
    result = run("--json")
    first, second = json.loads(result.stdout)["labs"]
    assert result.exit_code == 1
    again = "`fleetlab reset 07_pantry` puts it aside and brings the stub back."
    sentence = f"labs/07_pantry.ipynb cannot be read (it is not JSON); {again}"
    assert timeless(first["exercises"]) == [not_reached("jam", sentence), not_reached("tea", sentence)]
    assert second["lab"] == "08_cellar"
    assert len(second["exercises"]) == 2


def test_one_exercise_is_checked_alone(answer: Callable[..., None]) -> None:
    """LAB.EXERCISE, as all other commands take it; named twice, it is checked once."""
    answer(jam=ANSWERS["jam"])
    result = run("07.jam", "7.jam", "--json")
    assert (result.exit_code, told(result)) == (0, [JAM])


def test_a_lab_that_is_gone_can_be_had_again(lab: Lab) -> None:
    """A file that was deleted is answered with how to get it back."""
    lab.path.unlink()
    assert run("7").stderr == "labs/07_pantry.ipynb is gone; `fleetlab reset 07_pantry` brings the stub back.\n"


def test_damaged_progress_is_told(answer: Callable[..., None], home: Path) -> None:
    """What a kernel says about the file is not shown, so the command says it."""
    home.mkdir()
    (home / "progress.json").write_text("{")
    assert "Your progress was damaged and begins anew" in run("07").stderr


def test_an_error_that_ends_in_a_full_stop_gets_no_second(answer: Callable[..., None], judged: Any) -> None:
    """An error's text is quoted without its own."""
    answer(jam="raise ValueError('It is too late.')")
    assert judged()[0]["sentence"].endswith("ended in ValueError: It is too late.")


def test_only_the_cells_of_one_exercise_run(lab: Lab) -> None:
    """Judging one exercise leaves out the other's answer and check, and keeps the set-up."""
    judge = Judge(lab, pantry(), ["tea"])
    assert judge.plan() == [0, 3, 4]


def test_an_answer_that_is_used_later_runs(lab: Lab) -> None:
    """An exercise that builds on another one's answer gets it."""
    judge = Judge(lab, pantry({**STUBS, "tea": "def tea():\n    return jam()"}), ["tea"])
    assert judge.plan() == [0, 1, 3, 4]


def test_a_kernel_preloads_without_leaving_names(tmp_path: Any) -> None:
    """Modules are loaded while the kernel starts, unknown ones are no error, and no name is left behind."""
    with Kernel(tmp_path, ["colorsys", "no_such_module"]) as kernel:
        ran = kernel.run(
            "import sys\nprint('colorsys' in sys.modules, 'importlib' in globals(), 'name' in globals())", 20
        )
    assert "".join(output["text"] for output in ran.outputs) == "True False False\n"


@pytest.mark.parametrize(
    ("bound", "line"),
    [
        ("at most 1 kill", "  3 schedules, at most 1 kill"),
        ("at most 1 kill; 2 seeds", "  3 schedules; its scenarios' bounds: at most 1 kill; 2 seeds"),
    ],
)
def test_bounds_of_several_scenarios_are_named_as_such(bound: str, line: str) -> None:
    """Two bounds in one line would contradict each other, were they not each a scenario's."""
    assert shared.told(Result("07.jam", "passed", schedules=3, bound=bound)).splitlines()[1] == line
