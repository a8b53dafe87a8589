"""What the course must cover, and where it does: practices, lessons, and the tags that tie them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jupytext
import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice that the article names: its section, and the depth at which the course covers it."""

    id: str
    section: str
    depth: str
    practice: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One lesson of the curriculum: the sections it carries, and whether it is ready."""

    lesson: str
    title: str
    sections: tuple[str, ...]
    minutes: int
    needs: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    starred: tuple[str, ...] = ()
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """One cell that carries tags: its source file, its kind ("code" or "markdown") and its tags."""

    source: str
    kind: str
    tags: tuple[str, ...]


@lru_cache(maxsize=1)
def practices() -> tuple[Practice, ...]:
    """Return every practice of the inventory, in the article's order."""
    return tuple(Practice(**row) for row in yaml.safe_load((HERE / "practices.yaml").read_text("utf-8")))


@lru_cache(maxsize=1)
def curriculum() -> tuple[Entry, ...]:
    """Return every lesson of the curriculum, in reading order."""
    rows = yaml.safe_load((HERE / "curriculum.yaml").read_text("utf-8"))["lessons"]
    return tuple(Entry(**{key: _frozen(value) for key, value in row.items()}) for row in rows)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def tagged(root: Path, lesson: str) -> Iterator[Tagged]:
    """Yield the tagged cells of a lesson's sources."""
    for folder in ("notebooks", "solutions"):
        path = root / "lessons" / folder / f"{lesson}.md"
        if path.exists():
            for cell in jupytext.read(path, fmt="md:myst").cells:
                if cell.metadata.get("tags"):
                    yield Tagged(folder, cell.cell_type, tuple(cell.metadata["tags"]))


def complaints(root: Path, entry: Entry) -> list[str]:
    """Return which practices of a lesson are not carried at their depth, and which of its tags mean nothing."""
    cells = list(tagged(root, entry.lesson))
    due = [practice for practice in practices() if practice.section in entry.sections]
    known = {practice.id for practice in practices()}
    found = [_missing(practice, cells) for practice in due]
    for cell in cells:
        for tag in cell.tags:
            kind, _, name = tag.partition(":")
            if kind == "practice" and name not in known:
                found.append(f"{tag} is not in the inventory.")
            if kind == "exercise" and name not in entry.exercises:
                found.append(f"{tag} is not in the curriculum.")
    checked = {tag for cell in cells for tag in cell.tags}
    found += [f"exercise {name} has no check cell." for name in entry.exercises if f"exercise:{name}" not in checked]
    return [sentence for sentence in found if sentence]


def _missing(practice: Practice, cells: list[Tagged]) -> str:
    tag = f"practice:{practice.id}"
    carriers = [cell for cell in cells if tag in cell.tags]
    shown = any(cell.kind == "code" and cell.source == "notebooks" for cell in carriers)
    if practice.depth in ("exercise", "demo") and not shown:
        return f"{practice.id} ({practice.depth}) is carried by no code cell of the lesson."
    if practice.depth == "exercise" and not any(_checks(cell) for cell in carriers):
        return f"{practice.id} (exercise) is on no check cell of the lab."
    return "" if carriers else f"{practice.id} ({practice.depth}) is carried by no cell."


def _checks(cell: Tagged) -> bool:
    return cell.source == "solutions" and cell.kind == "code" and any(tag.startswith("exercise:") for tag in cell.tags)
