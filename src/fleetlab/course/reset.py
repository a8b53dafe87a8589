"""Brings a lab's stub back, whole or for one exercise; what the learner wrote is kept beside it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .home import keep
from .labs import Cell, Lab, Notebook, answer_of, check_of, original, source
from .mistake import Mistake


@dataclass(frozen=True, slots=True)
class Done:
    """What a reset came to: the stub's file, and where the learner's version is kept (None: nothing had changed)."""

    path: Path
    kept: Path | None


def reset(lab: Lab, exercise: str | None, now: datetime) -> Done:
    """Put back a whole lab, or the answer and check cells of one exercise."""
    stub = original(lab)
    if not lab.path.exists():
        lab.write(stub)
        return Done(lab.path, None)
    if exercise is None:
        return _whole(lab, stub, now)
    mine = lab.read()
    new = with_cells(mine, stub, exercise)
    if sources(new) == sources(mine):
        return Done(lab.path, None)
    kept = keep(lab.path, now)
    lab.write(new)
    return Done(lab.path, kept)


def _whole(lab: Lab, stub: Notebook, now: datetime) -> Done:
    try:
        untouched = sources(lab.read()) == sources(stub)
    except Mistake:  # not even a notebook: all the more reason to keep it
        untouched = False
    kept = None if untouched else keep(lab.path, now)
    lab.write(stub)
    return Done(lab.path, kept)


def sources(notebook: Notebook) -> list[tuple[str, str]]:
    """Return what a notebook says, without what it printed."""
    return [(cell["cell_type"], source(cell)) for cell in notebook["cells"]]


def with_cells(mine: Notebook, stub: Notebook, exercise: str) -> Notebook:
    """Return `mine` with the answer and check cells of one exercise as `stub` has them; all else stays."""
    fresh = [cell for cell in stub["cells"] if exercise in (answer_of(cell), check_of(cell))]
    rest = [cell for cell in mine["cells"] if exercise not in (answer_of(cell), check_of(cell))]
    old = [n for n, cell in enumerate(mine["cells"]) if exercise in (answer_of(cell), check_of(cell))]
    if len(old) == len(fresh):  # the usual case: each cell goes where its like was
        cells = list(mine["cells"])
        for number, cell in zip(old, fresh, strict=True):
            cells[number] = copy.deepcopy(cell)
        return named(mine, cells)
    place = old[0] if old else _place(rest, stub, exercise)
    return named(mine, [*rest[:place], *copy.deepcopy(fresh), *rest[place:]])


def _place(cells: list[Cell], stub: Notebook, exercise: str) -> int:
    """Return where lost cells belong: behind the last cell that stands before them in the stub and is still there."""
    before: list[tuple[str, str]] = []
    for cell in stub["cells"]:
        if exercise in (answer_of(cell), check_of(cell)):
            break
        before.append(_like(cell))
    there = [n for n, cell in enumerate(cells) if _like(cell) in before]
    return there[-1] + 1 if there else len(cells)


def _like(cell: Cell) -> tuple[str, str]:
    """Return what a cell is recognised by: its exercise, or its text."""
    name = check_of(cell) or answer_of(cell)
    return (f"{cell['cell_type']}:{name}", "check" if check_of(cell) else "answer") if name else ("", source(cell))


def named(mine: Notebook, cells: list[Cell]) -> Notebook:
    """Return the notebook with these cells, no two of them under one id."""
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if "id" in cell:
            if cell["id"] in seen:
                cells[number] = cell = {**cell, "id": f"{cell['id']}-{number}"[-64:]}
            seen.add(cell["id"])
    return {**mine, "cells": cells}
