"""`fleetlab check`: what the checks of a lab come to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..folder import NotFound, course_folder
from ..judge import SECONDS_A_CELL, Judge, Result
from ..kernel import Kernel
from ..labs import Lab, find_lab, lab_names
from .shared import Json, as_json, told


def check(
    labs: Annotated[list[str] | None, typer.Argument(help="Such as 09_sessions; all labs if left out.")] = None,
    solutions: Annotated[bool, typer.Option("--solutions", help="The course's own answers instead of yours.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long one cell may take.")] = SECONDS_A_CELL,
    json: Json = False,
) -> None:
    """Run labs in a clean kernel; exit code 0 only if every exercise passed."""
    found = []
    for lab in chosen(course_folder(), labs or [], "solutions" if solutions else "labs"):
        results = run(lab, seconds, quiet=json)
        found.append((lab, results))
    passed = all(result.passed for _, results in found for result in results)
    if json:
        as_json({"passed": passed, "labs": [_data(lab, results) for lab, results in found]})
    raise typer.Exit(0 if passed else 1)


def chosen(course: Path, wanted: Sequence[str], shelf: str) -> list[Lab]:
    """Return the labs that are named, all of them if none is. Raises NotFound where there is none at all."""
    labs = [find_lab(course, name, shelf) for name in wanted or lab_names(course, shelf)]
    if not labs:
        raise NotFound(f"There is no notebook in {shelf}/ yet.")
    return labs


def run(lab: Lab, seconds: float, *, quiet: bool = False) -> list[Result]:
    """Check one lab and tell each result as soon as it is known."""
    judge = Judge(lab, lab.read(), seconds=seconds)
    results = []
    with Kernel(lab.path.parent) as kernel:
        for result in judge.results(kernel):
            results.append(result)
            if not quiet:
                typer.echo(told(result))
    if not results and not quiet:
        typer.echo(f"{lab.shelf}/{lab.name}.ipynb has no exercise.")
    return results


def _data(lab: Lab, results: Sequence[Result]) -> dict[str, Any]:
    return {"lab": lab.name, "exercises": [result.data() for result in results]}
