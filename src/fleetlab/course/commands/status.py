"""`fleetlab status`: the course as a table and as a map."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from ..folder import course_folder
from ..outline import Lesson, next_up, outline, topic
from ..progress import ProgressFile
from .shared import Json, as_json, console


def status(json: Json = False) -> None:
    """Show what is passed and what is next, as a table and as a map."""
    progress = ProgressFile().read()
    plan = outline(course_folder(), progress)
    following = next_up(plan, progress.last)
    if json:
        return as_json({"next": following.name if following else None, "lessons": [lesson.data() for lesson in plan]})
    if not plan:
        return typer.echo("There is no lesson here yet.")
    table(plan, following)
    typer.echo("\n".join(["", *course_map(plan, following), "", closing(plan, following)]))
    return None


def table(plan: Sequence[Lesson], following: Lesson | None) -> None:
    """Print the lessons, one a row."""
    from rich.table import Table

    shown = Table("lesson", "title", "minutes", "passed", "needs", "", box=None, pad_edge=False)
    for column in (2, 3):
        shown.columns[column].justify = "right"
    for lesson in plan:
        count = f"{lesson.passed}/{len(lesson.exercises)}" if lesson.exercises else "–"
        needs = ", ".join(number(need) for need in lesson.needs)
        shown.add_row(lesson.name, lesson.title, str(lesson.minutes or ""), count, needs, word(lesson, following))
    console().print(shown)


def course_map(plan: Sequence[Lesson], following: Lesson | None) -> list[str]:
    """Return the course as a tree: each lesson under the last one that it needs, with the others named."""
    names = [lesson.name for lesson in plan]
    above = {lesson.name: next((need for need in reversed(lesson.needs) if need in names), "") for lesson in plan}
    lines: list[str] = []

    def grow(parent: str, indent: str) -> None:
        children = [lesson for lesson in plan if above[lesson.name] == parent]
        for lesson in children:
            last = lesson is children[-1]
            stem = ("└─ " if last else "├─ ") if parent else ""
            others = [number(need) for need in lesson.needs if need != parent]
            also = f"  (also needs {', '.join(others)})" if others else ""
            lines.append(f"{indent}{stem}{mark(lesson, following)} {number(lesson.name)} {name(lesson)}{also}")
            grow(lesson.name, indent + (("   " if last else "│  ") if parent else ""))

    grow("", "")
    return lines


def number(lesson: str) -> str:
    """Return a lesson's number: 09, 10_1."""
    return lesson.removesuffix(topic(lesson)).rstrip("_") or lesson


def name(lesson: Lesson) -> str:
    """Return a lesson's topic as words."""
    return topic(lesson.name).replace("_", " ")


def mark(lesson: Lesson, following: Lesson | None) -> str:
    """Return a lesson's state as one sign: done, next, begun, open, nothing to do."""
    return {"done": "[x]", "next": "[>]", "begun": "[/]", "": "[ ]"}[word(lesson, following)]


def word(lesson: Lesson, following: Lesson | None) -> str:
    """Return a lesson's state as a word."""
    if lesson.done:
        return "done"
    if following is not None and lesson.name == following.name:
        return "next"
    return "begun" if lesson.begun else ""


def closing(plan: Sequence[Lesson], following: Lesson | None) -> str:
    """Return what to do next, as a sentence."""
    if following is None:
        return "Every exercise is passed." if any(lesson.exercises for lesson in plan) else "There is no exercise yet."
    open_ = [key for key, record in following.exercises if not record.passed]
    return f"Next: `fleetlab start {number(following.name)}`; not passed yet there: {', '.join(open_)}."
