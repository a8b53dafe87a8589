"""A small course in a temporary folder: one lesson, one lab with two exercises, one solution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pantry import ANSWERS, MYST, SET_UP, STUBS, cell, notebook, pantry, store

from fleetlab.course.labs import Lab


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test's progress to itself, also in the kernels that it starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FLEETLAB_HOME", str(folder))
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the small course, and work in it."""
    folder = tmp_path / "course"
    store(folder / "labs" / "07_pantry.ipynb", pantry())
    store(folder / "solutions" / "07_pantry.ipynb", pantry(ANSWERS))
    store(folder / "notebooks" / "07_pantry.ipynb", notebook(cell("# Where is the jam?", kind="markdown")))
    (folder / "pyproject.toml").touch()
    source = folder / "lessons" / "solutions" / "07_pantry.md"
    source.parent.mkdir(parents=True)
    source.write_text(MYST.format(set_up=SET_UP), "utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def lab(course: Path) -> Lab:
    """Return the lab of the small course."""
    return Lab(course, "07_pantry")


@pytest.fixture
def answer(lab: Lab) -> Callable[..., None]:
    """Return a function that a learner answers with."""

    def write(**answers: str) -> None:
        store(lab.path, pantry({**STUBS, **answers}))

    return write
