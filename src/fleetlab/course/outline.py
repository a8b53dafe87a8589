"""The course as a learner stands in it: lessons in order, what each needs, what is passed, what is next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .folder import lesson_numbers, lessons
from .labs import Lab, lab_names, parse, prefix, source
from .mistake import Mistake
from .progress import Progress, Record

CURRICULUM = Path(__file__).parent / "curriculum.yaml"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson with its lab: minutes of reading, the lessons it needs, its exercises with their records."""

    name: str
    title: str
    minutes: int | None
    needs: tuple[str, ...]
    exercises: tuple[tuple[str, Record], ...] = ()

    @property
    def passed(self) -> int:
        """How many of its exercises are passed."""
        return sum(record.passed for _, record in self.exercises)

    @property
    def done(self) -> bool:
        """Say whether it has exercises and all are passed."""
        return bool(self.exercises) and self.passed == len(self.exercises)

    @property
    def begun(self) -> bool:
        """Say whether any of its exercises was ever tried."""
        return any(record != Record() for _, record in self.exercises)

    def data(self) -> dict[str, Any]:
        """Return the lesson for programs."""
        exercises = [
            {"exercise": key, "passed": r.passed, "failed": r.failed, "attempts": r.attempts, "hints": r.hints}
            for key, r in self.exercises
        ]
        about = {"lesson": self.name, "title": self.title, "minutes": self.minutes, "needs": list(self.needs)}
        return {**about, "passed": self.passed, "exercises": exercises}


def outline(course: Path, progress: Progress, curriculum: Path = CURRICULUM) -> list[Lesson]:
    """Return the lessons that are there, in reading order. Raises Mistake if the curriculum cannot be read."""
    listed = {entry["lesson"]: entry for entry in entries(curriculum)}
    names = {*lessons(course), *lab_names(course)}
    ordered = sorted(names, key=lambda name: (lesson_numbers(name), name))
    return [_lesson(course, name, listed.get(name, {}), names, progress) for name in ordered]


def entries(curriculum: Path) -> list[Mapping[str, Any]]:
    """Return the curriculum's lessons as they are written down; none where there is no curriculum."""
    import yaml

    if not curriculum.is_file():
        return []
    try:
        stored = yaml.safe_load(curriculum.read_text("utf-8"))
        found = stored["lessons"] if isinstance(stored, dict) else stored
        return [dict(entry) for entry in found if entry["lesson"]]
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise Mistake(f"{curriculum.name} is not a list of lessons.") from None


def _lesson(course: Path, name: str, entry: Mapping[str, Any], names: set[str], progress: Progress) -> Lesson:
    lab = Lab(course, name)
    exercises = [str(exercise).split(".")[-1] for exercise in entry.get("exercises") or _exercises(lab)]
    records = tuple((lab.key(exercise), progress.of(lab.key(exercise))) for exercise in exercises)
    needs = tuple(_full(str(need), names) for need in entry.get("needs") or ())
    title = str(entry.get("title") or _heading(course, name))
    return Lesson(name, title, entry.get("minutes"), needs, records)


def _exercises(lab: Lab) -> list[str]:
    try:
        return lab.exercises()
    except Mistake:  # a lab that is missing or damaged still has a lesson
        return []


def _full(need: str, names: set[str]) -> str:
    """Return a needed lesson by its whole name, where only its number was written."""
    return next((name for name in sorted(names) if need in (name, prefix(name))), need)


def _heading(course: Path, name: str) -> str:
    """Return a lesson's own heading, or its topic where it has none."""
    try:
        cells = parse((course / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    except (OSError, ValueError):
        cells = []
    lines = [line for cell in cells if cell["cell_type"] == "markdown" for line in source(cell).splitlines()]
    return next(
        (line[2:].strip() for line in lines if line.startswith("# ")), topic(name).replace("_", " ").capitalize()
    )


def topic(name: str) -> str:
    """Return a lesson's name without its numbers: sessions, schema_migrations."""
    return name.removeprefix(prefix(name)).removeprefix("_")


def next_up(plan: Sequence[Lesson], last: str = "") -> Lesson | None:
    """Return the lesson to go on with: the one worked at last, then the first open one whose needs are met.

    A lesson without exercises leaves no mark, so it is neither done nor in anybody's way.
    """
    open_ = [lesson for lesson in plan if lesson.exercises and not lesson.done]
    begun = next((lesson for lesson in open_ if last and last in dict(lesson.exercises)), None)
    if begun is not None:
        return begun
    unmet = {lesson.name for lesson in open_}
    ready = [lesson for lesson in open_ if not unmet & set(lesson.needs)]
    return next(iter(ready), next(iter(open_), None))
