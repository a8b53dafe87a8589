"""The course's own answers: they stand in solutions/, never in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class NoSolution(LookupError):
    """There is no solution where this was called from; the text says where to look."""


def find_solution(key: str, start: Path | None = None) -> str:
    """Return the text of the cells tagged `solution:NAME` for an exercise `LESSON.NAME`.

    Looks for a folder solutions/ from `start` (default: the current folder) upwards. Raises NoSolution.
    """
    lesson, name = key.split(".")
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        for path in sorted((folder / "solutions").glob(f"{lesson}_*.ipynb")):
            cells = json.loads(path.read_text("utf-8"))["cells"]
            found = [_text(cell) for cell in cells if f"solution:{name}" in cell["metadata"].get("tags", [])]
            if found:
                return "\n\n".join(found)
    raise NoSolution(f"No solution of {key} from here: open solutions/ in the course's folder.")


def _text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
