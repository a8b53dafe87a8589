"""`fleetlab check`: what the checks of a lab come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..folder import NotFound, course_folder
from ..judge import NOT_REACHED, SECONDS_A_CELL, Judge, Result
from ..kernel import Kernel
from ..labs import Lab, find_exercise, find_lab, lab_names
from ..mistake import Mistake
from ..progress import ProgressFile
from .shared import Json, as_json, told


def check(
    labs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LAB[.EXERCISE]]...", help="Such as 09_sessions; all labs if left out."),
    ] = None,
    solutions: Annotated[bool, typer.Option("--solutions", help="The course's own answers instead of yours.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one cell may take.")] = SECONDS_A_CELL,
    json: Json = False,
) -> None:
    """Run labs in a clean kernel; exit code 0 only if every exercise passed."""
    found = []
    wanted = chosen(course_folder(), labs or [], "solutions" if solutions else "labs")
    if not solutions:  # a kernel's own words are not shown: what ails the file is said here
        ProgressFile().update(lambda progress: progress)
    for lab, only in wanted.items():
        found.append((lab, run(lab, seconds, only or None, quiet=json, alone=len(wanted) == 1)))
    passed = all(result.passed for _, results in found for result in results)
    if json:
        as_json({"passed": passed, "labs": [_data(lab, results) for lab, results in found]})
    raise typer.Exit(0 if passed else 1)


def chosen(course: Path, wanted: Sequence[str], shelf: str) -> dict[Lab, list[str]]:
    """Return the labs that are named, all if none is, each with the exercises that are named of it, none for all.

    Raises NotFound for a name that means nothing, and where there is no lab at all.
    """
    found: dict[Lab, list[str]] = {}
    whole = set()
    for name in wanted or lab_names(course, shelf):
        if "." in name.removesuffix(".ipynb"):
            lab, exercise = find_exercise(course, name, shelf)
            found.setdefault(lab, []).append(exercise)
        else:
            lab = find_lab(course, name, shelf)
            found.setdefault(lab, [])
            whole.add(lab)
    if not found:
        raise NotFound(f"There is no notebook in {shelf}/ yet.")
    return {lab: [] if lab in whole else names for lab, names in found.items()}


def run(
    lab: Lab, seconds: float, only: Sequence[str] | None = None, *, quiet: bool = False, alone: bool = True
) -> list[Result]:
    """Check one lab and tell each result as soon as it is known.

    Raises Mistake for a lab that cannot be read; if it is not alone, that costs its own exercises only.
    """
    results = []
    try:
        for result in _judged(lab, only, seconds):
            results.append(result)
            if not quiet:
                typer.echo(told(result))
    except Mistake as mistake:
        if alone:
            raise
        results = [Result(lab.key(name), NOT_REACHED, sentence=str(mistake)) for name in only or lab.exercises()]
        if not quiet:
            typer.echo("\n".join(map(told, results)))
    if not results and not quiet:
        typer.echo(f"{lab.shelf}/{lab.name}.ipynb has no exercise.")
    return results


def _judged(lab: Lab, only: Sequence[str] | None, seconds: float) -> Iterator[Result]:
    judge = Judge(lab, lab.read(), only, seconds)
    with Kernel(lab.path.parent) as kernel:
        yield from judge.results(kernel)


def _data(lab: Lab, results: Sequence[Result]) -> dict[str, Any]:
    return {"lab": lab.name, "exercises": [result.data() for result in results]}
