"""Solutions are found where the course lies, and their absence is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toys import counter

from fleetlab.exercises import solution
from fleetlab.exercises.solution import NoSolution, find_solution


def cell(source: list[str], *tags: str) -> dict[str, Any]:
    """Return one cell of a notebook file."""
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a course with one solution in two cells."""
    for folder in ("solutions", "labs"):
        (tmp_path / folder).mkdir()
    cells = [
        cell(["Why it is right."], "solution:counter"),
        cell(["other()"], "solution:other"),
        cell(["def shop(env):\n", "    ..."], "solution:counter"),
        {"cell_type": "raw", "source": [], "metadata": {}},
    ]
    (tmp_path / "solutions" / "01_introduction.ipynb").write_text(json.dumps({"cells": cells}), "utf-8")
    (tmp_path / "solutions" / "01_1_damaged.ipynb").write_text("{", "utf-8")
    return tmp_path


def test_solution_is_every_cell_of_its_name(course: Path) -> None:
    """The reason and the code, from any folder of the course."""
    expected = "Why it is right.\n\ndef shop(env):\n    ..."
    assert find_solution("01.counter", course / "labs") == expected
    assert find_solution("01.counter", course) == expected


def test_exercise_prints_its_solution(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`solution()` looks from the current folder upwards."""
    monkeypatch.chdir(course / "labs")
    counter().solution()
    assert capsys.readouterr().out == "Why it is right.\n\ndef shop(env):\n    ...\n"


def test_missing_solution_is_a_sentence(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, the error says where to look, and a notebook shows no stack."""
    monkeypatch.chdir(course)
    monkeypatch.setattr(solution, "_CHECKOUT", course)
    with pytest.raises(NoSolution, match=r"No solution of 02\.counter can be found from here") as raised:
        find_solution("02.counter")
    assert raised.value._render_traceback_() == [f"NoSolution: {raised.value}"]
