"""One notebook as the rules see it: its cells, their tags, and what they print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..judge import MIME

_PICTURE = re.compile(r"data:[\w/+.;-]+,[\w+/=%]+")  # whose letters hold any number
KINDS = {"notebooks": "lesson", "labs": "lab", "solutions": "solution"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its number from 1, "code" or "markdown", its text, tags, outputs as text, and the verdict among them."""

    number: int
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    executed: bool = True
    outputs: tuple[str, ...] = ()
    size: int = 0
    outcome: str = ""
    schedules: int = 0

    @property
    def lines(self) -> list[str]:
        """Its lines, without blank ones."""
        return [line for line in self.source.splitlines() if line.strip()]

    @property
    def words(self) -> int:
        """How many words of prose a Markdown cell holds, without code, links' addresses and HTML."""
        text = re.sub(r"```.*?```|<[^>]+>|\]\([^)]*\)", " ", self.source, flags=re.DOTALL)
        return len(re.findall(r"[\w'’-]+", text))


@dataclass(frozen=True, slots=True)
class Book:
    """One notebook: its path below the course's folder, its kind (lesson, lab, solution, damaged) and its cells."""

    path: str
    kind: str
    cells: tuple[Cell, ...] = field(default=())
    root: Path = Path()
    size: int = 0

    @property
    def code(self) -> list[Cell]:
        """The code cells."""
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def prose(self) -> list[Cell]:
        """The Markdown cells."""
        return [cell for cell in self.cells if cell.kind == "markdown"]

    @property
    def printed(self) -> str:
        """Everything that the cells print, as one text."""
        return "\n".join(text for cell in self.code for text in cell.outputs)


def books(root: Path) -> Iterator[Book]:
    """Yield every notebook of the course in a fixed order; a file that is none has the kind "damaged"."""
    for folder, kind in KINDS.items():
        for path in sorted((root / folder).glob("*.ipynb")):
            if ".kept-" not in path.name:
                try:
                    yield read(path, kind, root)
                except ValueError:
                    yield Book(path.relative_to(root).as_posix(), "damaged", (), root)


def read(path: Path, kind: str, root: Path) -> Book:
    """Return one notebook; raises ValueError with the path for a file that is none."""
    try:
        raw = json.loads(path.read_text("utf-8"))
        cells = tuple(_cell(number, cell) for number, cell in enumerate(raw["cells"], 1))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a notebook: {error}") from None
    return Book(path.relative_to(root).as_posix(), kind, cells, root, path.stat().st_size)


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    outputs = cell.get("outputs", [])
    executed = cell["cell_type"] != "code" or cell.get("execution_count") is not None
    tags = tuple(cell.get("metadata", {}).get("tags", ()))
    texts = tuple(_output(output) for output in outputs)
    verdict: dict[str, Any] = next((output["data"][MIME] for output in outputs if MIME in output.get("data", {})), {})
    return Cell(
        number,
        cell["cell_type"],
        _text(cell["source"]),
        tags,
        executed,
        texts,
        len(json.dumps(outputs)),
        verdict.get("outcome", ""),
        verdict.get("schedules", 0),
    )


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    shown = [_text(data[kind]) for kind in ("text/plain", "text/html") if kind in data]
    return _PICTURE.sub("", "\n".join([_text(output.get("text", "")), *shown, *output.get("traceback", [])]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)
