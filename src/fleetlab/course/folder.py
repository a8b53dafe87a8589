"""Where the course lies on this disk, and which lessons it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .mistake import Mistake

NUMBERS = re.compile(r"(\d\d)(?:_(\d+))?_")


class NotFound(Mistake, LookupError):
    """A course, a lesson or a lab that is not there; the text is one sentence for the learner."""


def course_folder(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` (default: the current one) upwards, that holds notebooks/.

    Outside any course it is the checkout that this package was installed from. Raises NotFound if that is none either.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    raise NotFound("No course here: run this in the folder that holds notebooks/ and pyproject.toml.")


def lesson_numbers(name: str) -> tuple[int, ...]:
    """Return the numbers that a lesson's name begins with: (10, 1) for 10_1_schema_migrations."""
    match = NUMBERS.match(name)
    return tuple(int(number) for number in match.groups() if number) if match else ()


def lessons(folder: Path) -> list[str]:
    """Return the names of the course's lessons in reading order."""
    names = [path.stem for path in (folder / "notebooks").glob("*.ipynb") if lesson_numbers(path.stem)]
    return sorted(names, key=lambda name: (lesson_numbers(name), name))


def find_lesson(folder: Path, wanted: str | None = None) -> str | None:
    """Return the lesson called `wanted` ("09_sessions", "09", "9" or a path to it), by default the first one.

    None means that there is no lesson yet. Raises NotFound for a name that no lesson has.
    """
    names = lessons(folder)
    if wanted is None:
        return names[0] if names else None
    found = pick(names, wanted)
    if found is None:
        raise NotFound(f'There is no lesson "{wanted}"; there are: {", ".join(names) or "none yet"}.')
    return found


def pick(names: Sequence[str], wanted: str) -> str | None:
    """Return which of the names is meant by itself, its number, or the path of its notebook."""
    stem = Path(wanted).name.removesuffix(".ipynb")
    for name in names:
        if stem == name or (is_number(stem) and lesson_numbers(_padded(stem)) == lesson_numbers(name)):
            return name
    return None


def _padded(stem: str) -> str:
    first, *rest = stem.split("_")
    return "_".join([first.zfill(2), *rest, ""])


def is_number(stem: str) -> bool:
    """Say whether a lesson is meant by its number alone: 9, 09, 10_1."""
    return stem.replace("_", "").isdecimal()
