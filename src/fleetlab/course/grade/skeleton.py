"""The course's own lab with a learner's answers in it: what is run in place of the notebook that was handed in."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from ..cells import plain
from ..labs import Lab, Notebook, answer_of, check_of, is_code, original, source
from ..transfer import merged, work

# No answer of this course needs them, and each could reach for the check. A person should read such an answer.
UNUSUAL = frozenset(
    "IPython get_ipython display ipykernel zmq fork psutil subprocess _exit ctypes gc inspect importlib exec eval"
    " setattr __import__ __globals__ __code__ __closure__ __subclasses__ _getframe settrace setprofile verdict"
    " Verdict Judge CheckFailed Exercise observers scenarios".split()
)


class Skeleton:
    """One lab as its authors wrote it. Raises Mistake if its stub is not to be had."""

    def __init__(self, course: Path, name: str) -> None:
        self.lab = Lab(course, name)
        self.stub = original(self.lab)
        self.exercises = self.lab.exercises(self.stub)

    def filled(self, mine: Notebook) -> Notebook:
        """Return the course's cells with a learner's answers in place of the stubs, and the learner's added code."""
        theirs = work(mine, self.stub)
        theirs["own"] = [one for one in theirs["own"] if one["type"] == "code" and one["before"] in self.exercises]
        theirs["answers"] = {name: texts for name, texts in theirs["answers"].items() if name in self.exercises}
        answered = {answer_of(cell) for cell in mine["cells"]}
        # Whoever has no answer cell any more wrote the answer into another one: the stub must not take its place.
        kept = [cell for cell in self.stub["cells"] if not answer_of(cell) or answer_of(cell) in answered]
        return merged({**self.stub, "cells": kept}, theirs)

    def controls(self) -> dict[str, list[str]]:
        """Return each exercise's stub and check: code that cannot pass unless something changes the check."""
        cells = self.stub["cells"]
        return {
            name: [source(cell) for cell in cells if name in (answer_of(cell), check_of(cell))]
            for name in self.exercises
        }

    def remarks(self, mine: Notebook) -> dict[str, list[str]]:
        """Return what a person should know of each exercise: a check cell that was changed, code to look at."""
        checks = {check_of(cell): source(cell) for cell in mine["cells"]}
        own = {check_of(cell): source(cell) for cell in self.stub["cells"]}
        found: dict[str, list[str]] = {}
        for name in self.exercises:
            found[name] = []
            if checks.get(name, "").strip() != own[name].strip():
                what = "was changed" if name in checks else "is gone"
                found[name].append(f"The check cell {what}; the course's own was run.")
            unusual = sorted(self._unusual(mine, name))
            if unusual:
                found[name].append(f"Worth a look: {', '.join(unusual)}.")
        return found

    def _unusual(self, mine: Notebook, exercise: str) -> set[str]:
        """Return the unusual names in an answer, and in cells of no exercise; those that the course uses are none."""
        texts = [source(cell) for cell in mine["cells"] if is_code(cell) and answer_of(cell) in ("", exercise)]
        ours = [source(cell) for cell in self.stub["cells"] if is_code(cell)]
        return (_all_names(texts) & UNUSUAL) - _all_names(ours)


def _all_names(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in _names(text)}


def _names(text: str) -> set[str]:
    """Return every name, attribute and imported module of a cell, and each word of one that is not Python."""
    try:
        tree = ast.parse(plain(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(text.split())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {word for alias in node.names for word in alias.name.split(".")}
            found |= set((node.module or "").split(".")) if isinstance(node, ast.ImportFrom) else set()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in UNUSUAL:
            found.add(node.value)  # getattr(os, "fork")
    return found
