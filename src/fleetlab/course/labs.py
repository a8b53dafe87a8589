"""The labs of a course: their notebooks, and which cells of them are whose.

Notebooks are read as plain JSON: the library for it takes seconds to load, which each command would cost.
A check cell is tagged `exercise:NAME`; an exercise's answer cells are tagged `solution:NAME`, as in solutions/.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .folder import NUMBERS, NotFound, lesson_numbers, pick
from .home import replace_text
from .mistake import Mistake
from .progress import reason

Notebook = dict[str, Any]
Cell = dict[str, Any]
LESSON_NAME = re.compile(r"\d\d(_\d+)?_[a-z0-9_]+")
_TAGS = re.compile(r"^\s*(?::?tags:|- ).*", re.MULTILINE)
_TAG = re.compile(r"\bexercise:([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Lab:
    """One notebook of labs/ or, to try the course's own answers, of solutions/."""

    course: Path
    name: str
    shelf: str = "labs"

    @property
    def path(self) -> Path:
        """The notebook's file."""
        return self.course / self.shelf / f"{self.name}.ipynb"

    @property
    def prefix(self) -> str:
        """What the keys of its exercises begin with: 09, or 10_1."""
        return prefix(self.name)

    def key(self, exercise: str) -> str:
        """Return the key of one of its exercises, such as 09.shared_cart."""
        return f"{self.prefix}.{exercise}"

    def read(self) -> Notebook:
        """Return the notebook as it is stored now. Raises Mistake if there is none that can be read."""
        try:
            return parse(self.path.read_bytes())
        except FileNotFoundError:
            raise Mistake(f"There is no {self.shelf}/{self.name}.ipynb.") from None
        except OSError as error:
            raise Mistake(f"{self.shelf}/{self.name}.ipynb cannot be read ({reason(error)}).") from None
        except ValueError as error:
            raise Mistake(
                f"{self.shelf}/{self.name}.ipynb cannot be read ({error}); "
                f"`fleetlab reset {self.name}` puts it aside and brings the stub back."
            ) from None

    def write(self, notebook: Notebook) -> None:
        """Store the notebook as Jupyter does."""
        replace_text(self.path, dumps(notebook))

    def exercises(self, notebook: Notebook | None = None) -> list[str]:
        """Return its exercises in order: those that its authors wrote, though a learner may have removed a cell."""
        source = self.course / "lessons" / "solutions" / f"{self.name}.md"
        authored = authored_exercises(source.read_text("utf-8")) if source.is_file() else []
        try:
            cells = (notebook or self.read())["cells"]
        except Mistake:
            if not authored:
                raise
            cells = []  # a damaged lab has the exercises that its authors gave it
        return list(dict.fromkeys([*authored, *filter(None, map(check_of, cells))]))


def authored_exercises(text: str) -> list[str]:
    """Return the exercises of a lab's text source, in order."""
    return [name for line in _TAGS.findall(text) for name in _TAG.findall(line)]


def parse(text: str | bytes) -> Notebook:
    """Return a notebook from its file's text. Raises ValueError if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and "cell_type" in cell for cell in cells):
        raise ValueError("it is not a notebook")
    return {**found, "cells": cells}


def dumps(notebook: Notebook) -> str:
    """Return a notebook as the text of its file."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def prefix(name: str) -> str:
    """Return what the keys of a lesson's exercises begin with: 09, or 10_1."""
    match = NUMBERS.match(name)
    return match[0].rstrip("_") if match else name


def source(cell: Cell) -> str:
    """Return a cell's text, which a file may hold as one string or as lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def is_code(cell: Cell) -> bool:
    """Say whether a cell is code."""
    return bool(cell["cell_type"] == "code")


def _tagged(cell: Cell, kinds: tuple[str, ...]) -> str:
    for tag in cell.get("metadata", {}).get("tags", []):
        kind, _, name = str(tag).partition(":")
        if kind in kinds and name:
            return name
    return ""


def check_of(cell: Cell) -> str:
    """Return the exercise that a cell checks, empty if none."""
    return _tagged(cell, ("exercise",)) if is_code(cell) else ""


def answer_of(cell: Cell) -> str:
    """Return the exercise that a cell answers, empty if none."""
    return _tagged(cell, ("solution", "answer")) if is_code(cell) and not check_of(cell) else ""


def lab_names(course: Path, shelf: str = "labs") -> list[str]:
    """Return the labs in reading order; a version kept under a dated name is none."""
    names = [path.stem for path in (course / shelf).glob("*.ipynb") if LESSON_NAME.fullmatch(path.stem)]
    return sorted(names, key=lambda name: (lesson_numbers(name), name))


def find_lab(course: Path, wanted: str, shelf: str = "labs") -> Lab:
    """Return the lab called 09_sessions, 09, 9 or labs/09_sessions.ipynb. Raises NotFound."""
    names = lab_names(course, shelf)
    name = pick(names, wanted)
    lost = pick(sorted(path.stem for path in (course / "lessons" / "solutions").glob("*.md")), wanted)
    if name is None and lost and shelf == "labs":
        raise NotFound(f"labs/{lost}.ipynb is gone; `fleetlab reset {lost}` brings the stub back.")
    if name is None:
        raise NotFound(f'There is no lab "{wanted}"; there are: {", ".join(names) or "none yet"}.')
    return Lab(course, name, shelf)


def find_exercise(course: Path, wanted: str, shelf: str = "labs") -> tuple[Lab, str]:
    """Return lab and exercise of LAB.EXERCISE. Raises NotFound with those that there are."""
    lab_name, dot, name = wanted.partition(".")
    if not dot and pick(lab_names(course, shelf), lab_name) is None:
        raise NotFound(f'"{wanted}" names no exercise: write LAB.EXERCISE, as in 09_sessions.shared_cart.')
    lab = find_lab(course, lab_name, shelf)
    known = lab.exercises()
    if not name:
        raise NotFound(f'"{wanted}" is a whole lab; name one of its exercises: {", ".join(map(lab.key, known))}.')
    if name not in known:
        raise NotFound(f'{lab.name} has no exercise "{name}"; it has: {", ".join(known) or "none"}.')
    return lab, name


def original(lab: Lab) -> Notebook:
    """Return the lab as its authors wrote it, whatever became of the learner's copy. Raises Mistake.

    It is made from its text source: a learner may have committed answers to git.
    """
    text = lab.course / "lessons" / "solutions" / f"{lab.name}.md"
    if text.is_file():
        return _built(lab, text)
    stored = _committed(lab)
    if stored is None:
        raise Mistake(f"The stub of {lab.name} is not here: neither {text.name} in lessons/solutions/ nor a commit.")
    return parse(stored)


def _built(lab: Lab, text: Path) -> Notebook:
    import nbformat

    from .authoring import Target, notebook

    made = notebook(text.read_text("utf-8"), Target(text.name, "lab", f"labs/{lab.name}.ipynb", False))
    return parse(nbformat.writes(made))


def _committed(lab: Lab) -> str | None:
    command = ["git", "show", f"HEAD:./labs/{lab.name}.ipynb"]
    try:
        shown = subprocess.run(command, cwd=lab.course, capture_output=True, check=False)  # noqa: S603 - a fixed command
    except FileNotFoundError:  # no git on this machine
        return None
    return shown.stdout.decode("utf-8") if shown.returncode == 0 else None
