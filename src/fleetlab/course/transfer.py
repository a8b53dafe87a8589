"""Progress and answers as one file, to carry from a machine that forgets to another.

    {"version": 1, "progress": {...}, "labs": {"09_sessions": {"answers": {"shared_cart": ["def shop(env): ..."]},
     "own": [{"before": "shared_cart", "type": "code", "source": "..."}]}}}

`answers` holds what differs from the stub; `own` the cells that the learner added or changed, and which exercise each
stood before.
"""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from .home import keep, replace_text
from .labs import Cell, Lab, Notebook, answer_of, check_of, is_code, lab_names, original, source
from .mistake import Mistake
from .progress import Progress, ProgressFile
from .progress import parse as parse_progress
from .reset import named, sources

VERSION = 1
Work = dict[str, Any]


def export(course: Path, file: Path, progress: ProgressFile) -> list[str]:
    """Write progress and answers to a file; return the labs whose answers are in it. Raises Mistake if it exists."""
    if file.exists():
        raise Mistake(f"{file} is there already; name another file.")
    labs = {name: work(lab.read(), _stub(lab)) for name in lab_names(course) for lab in [Lab(course, name)]}
    kept = {name: found for name, found in labs.items() if found["answers"] or found["own"]}
    data = {"version": VERSION, "progress": progress.read().data(), "labs": kept}
    replace_text(file, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return list(kept)


def _stub(lab: Lab) -> Notebook:
    """Return the lab as its authors wrote it; where that is not known, everything is the learner's."""
    try:
        return original(lab)
    except Mistake:
        return {"cells": []}


def work(mine: Notebook, stub: Notebook) -> Work:
    """Return what a learner has written into a lab."""
    written, given = _answers(mine), _answers(stub)
    answers = {name: texts for name, texts in written.items() if texts != given.get(name)}
    return {"answers": answers, "own": _own(mine, stub)}


def _answers(notebook: Notebook) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cell in notebook["cells"]:
        if answer_of(cell):
            found.setdefault(answer_of(cell), []).append(source(cell))
    return found


def _own(mine: Notebook, stub: Notebook) -> list[dict[str, str]]:
    given = set(sources(stub))
    own: list[dict[str, str]] = []
    waiting: list[dict[str, str]] = []
    for cell in mine["cells"]:
        name = answer_of(cell) or check_of(cell)
        if name:
            own += [{**entry, "before": name} for entry in waiting]
            waiting = []
        elif source(cell).strip() and (cell["cell_type"], source(cell)) not in given:
            waiting.append({"before": "", "type": cell["cell_type"], "source": source(cell)})
    return own + waiting


def read(file: Path) -> tuple[Progress, dict[str, Work]]:
    """Return progress and labs of an exported file. Raises Mistake if it is none."""
    try:
        data = json.loads(file.read_text("utf-8"))
        if data["version"] > VERSION:
            raise Mistake(f"{file} was exported by a newer version of the course (format {data['version']}).")
        labs = {str(name): _work(stored) for name, stored in data["labs"].items()}
        return parse_progress(data["progress"]), labs
    except FileNotFoundError:
        raise Mistake(f"There is no file {file}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Mistake(f"{file} was not written by `fleetlab export`.") from None


def _work(stored: Any) -> Work:
    answers = {str(name): [str(text) for text in list(texts)] for name, texts in stored["answers"].items()}
    own = [{part: str(entry[part]) for part in ("before", "type", "source")} for entry in stored["own"]]
    if any(entry["type"] not in ("code", "markdown", "raw") for entry in own):
        raise ValueError("a cell of no known type")
    return {"answers": answers, "own": own}


def bring_in(course: Path, file: Path, progress: ProgressFile, now: datetime) -> tuple[bool, list[Path], list[str]]:
    """Merge an exported file into this course.

    Returns whether the progress is stored, the versions of labs that are kept, and the labs that are not here.
    """
    theirs, labs = read(file)
    here = lab_names(course)
    kept = []
    for name in (name for name in here if name in labs):
        lab = Lab(course, name)
        mine = lab.read()
        new = merged(mine, labs[name])
        if sources(new) != sources(mine):
            kept.append(keep(lab.path, now))
            lab.write(new)
    stored = progress.update(lambda ours: ours.merged(theirs)) is not None
    return stored, kept, [name for name in labs if name not in here]


def merged(mine: Notebook, theirs: Work) -> Notebook:
    """Return a lab with the other one's answers in the place of its own, and its added cells beside them."""
    cells = copy.deepcopy(mine["cells"])
    for name, texts in theirs["answers"].items():
        if _answers({"cells": cells}).get(name) != texts:
            cells = _answered(cells, name, texts)
    there = set(sources({"cells": cells}))
    for entry in theirs["own"]:
        if (entry["type"], entry["source"]) not in there:
            cells.insert(_before(cells, entry["before"]), _cell(entry["type"], entry["source"]))
    return named(mine, cells)


def _answered(cells: list[Cell], name: str, texts: list[str]) -> list[Cell]:
    """Replace an exercise's answer cells; the first keeps its place, its id and its tags."""
    old = [n for n, cell in enumerate(cells) if answer_of(cell) == name]
    model = cells[old[0]] if old else _cell("code", "", [f"solution:{name}"])
    first = [{**model, "source": _lines(text), "outputs": [], "execution_count": None} for text in texts[:1]]
    more = [_cell("code", text, model["metadata"].get("tags", [])) for text in texts[1:]]
    rest = [cell for cell in cells if answer_of(cell) != name]
    place = old[0] if old else _before(rest, name)
    return [*rest[:place], *first, *more, *rest[place:]]


def _before(cells: list[Cell], name: str) -> int:
    return next((n for n, cell in enumerate(cells) if name and name in (answer_of(cell), check_of(cell))), len(cells))


def _cell(kind: str, text: str, tags: list[str] | None = None) -> Cell:
    name = f"own-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    cell: Cell = {
        "cell_type": kind,
        "id": name,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": _lines(text),
    }
    return {**cell, "outputs": [], "execution_count": None} if is_code(cell) else cell


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
