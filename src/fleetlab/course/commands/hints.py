"""`fleetlab hint` and `fleetlab solution`: help, a little at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from ..catalogue import load
from ..folder import course_folder
from ..labs import find_exercise
from ..mistake import Mistake
from ..progress import Progress, ProgressFile
from .shared import LabOption


def hint(exercise: LabOption) -> None:
    """Show the next hint of an exercise; after the last one, all of them."""
    for line in next_hint(exercise):
        typer.echo(line)


def next_hint(exercise: str) -> list[str]:
    """Return the next hint as lines, and remember that it was shown."""
    lab, name = find_exercise(course_folder(), exercise)
    hints, key = load(lab, name).hints, lab.key(name)
    if not hints:
        return [f"{key} has no hints."]
    file = ProgressFile()
    shown = file.read().of(key).hints
    lines = [f"Hint {number} of {len(hints)}: {text}" for number, text in enumerate(hints, 1)]
    if shown >= len(hints):
        return lines

    def change(progress: Progress) -> Progress:
        return progress.hinted(key, shown + 1)

    file.update(change)
    return [lines[shown]]


def solution(
    exercise: LabOption,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if you have not passed it yet.")] = False,
) -> None:
    """Show the course's own answer to an exercise that you have passed."""
    from fleetlab.exercises.solution import NoSolution, find_solution

    course = course_folder()
    lab, name = find_exercise(course, exercise)
    key = lab.key(name)
    if not anyway and not ProgressFile().read().of(key).passed:
        raise Mistake(f"{key} is not passed yet: `fleetlab hint {key}` helps, or add --anyway.")
    try:
        typer.echo(find_solution(key, course))
    except NoSolution:
        raise Mistake(f"solutions/ holds no solution of {key}.") from None
