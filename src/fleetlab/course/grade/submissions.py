"""What learners handed in: one folder a learner, their labs anywhere below it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..folder import NotFound
from ..labs import Notebook, parse

LARGEST = 20_000_000
"""Bytes that a notebook may have: the course's own stay under 0.3 MB."""

_NO_LEARNER = {"__MACOSX"}
_NO_LABS = {"notebooks", "solutions", "lessons", ".ipynb_checkpoints", *_NO_LEARNER}
_MOODLE = re.compile(r"_assignsubmission_[a-z]+_?$")


@dataclass(frozen=True, slots=True)
class Submission:
    """One lab of one learner; no path where nothing was handed in, and a remark where there was a choice."""

    learner: str
    lab: str
    path: Path | None = None
    remark: str = ""


def submissions(folder: Path, labs: Collection[str], wanted: Collection[str] = ()) -> list[Submission]:
    """Return each learner's labs, sorted; one without a path for each wanted lab that a learner did not hand in.

    A link is no submission: it may point to somebody else's. Raises NotFound if there is no learner's folder.
    """
    learners = sorted(path for path in _folders(folder) if path.is_dir() and not path.is_symlink())
    if not learners:
        raise NotFound(f"{folder} holds no folder of a learner: it must hold one for each.")
    return [submission for learner in learners for submission in _of(learner, labs, wanted)]


def _folders(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if not _skipped(path.name, _NO_LEARNER))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no folder {folder}.") from None


def _skipped(name: str, names: Collection[str]) -> bool:
    return name.startswith(".") or name in names


def _of(folder: Path, labs: Collection[str], wanted: Collection[str]) -> list[Submission]:
    name = _MOODLE.sub("", folder.name)
    found: dict[str, list[Path]] = {}
    for path in _notebooks(folder):
        if path.stem in labs and (not wanted or path.stem in wanted):
            found.setdefault(path.stem, []).append(path)
    missing = [lab for lab in wanted or ([] if found else [""]) if lab not in found]
    handed_in = [_newest(name, lab, paths, folder) for lab, paths in found.items()]
    return sorted([*handed_in, *(Submission(name, lab) for lab in missing)], key=lambda one: one.lab)


def _notebooks(folder: Path) -> Iterator[Path]:
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not _skipped(name, _NO_LABS))
        yield from (path for name in sorted(files) if (path := Path(place, name)).suffix == ".ipynb" and _plain(path))


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _newest(learner: str, lab: str, paths: list[Path], folder: Path) -> Submission:
    """Return the version that was saved last; of two at the same instant, the one that lies higher up."""
    best = max(paths, key=lambda path: (path.stat().st_mtime, -len(path.parts)))
    if len(paths) == 1:
        return Submission(learner, lab, best)
    place = best.relative_to(folder).as_posix()
    return Submission(learner, lab, best, f"{len(paths)} files of this name; graded is the newest, {place}.")


def read(path: Path) -> Notebook:
    """Return a notebook that nothing is known of. Raises ValueError, with a reason, if it cannot be one."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB")
        notebook = parse(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    except OSError as error:
        raise ValueError((error.strerror or "it cannot be opened").lower()) from None
    if not all(map(_sound, notebook["cells"])):
        raise ValueError("it is not a notebook")
    return notebook


def _sound(cell: dict[str, object]) -> bool:
    """Say whether a cell has the types that the rest of the course takes for granted."""
    data, text = cell.get("metadata", {}), cell.get("source", "")
    tags = data.get("tags", []) if isinstance(data, dict) else None
    lines = text if isinstance(text, list) else [text]
    return isinstance(tags, list) and all(isinstance(line, str) for line in lines)
