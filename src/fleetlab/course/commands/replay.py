"""`fleetlab replay`: one failing schedule again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..folder import course_folder
from ..labs import find_exercise
from ..replay import replay as play
from .shared import Json, LabOption, as_json


def replay(
    exercise: LabOption,
    token: Annotated[str, typer.Argument(help="As the verdict gives it.")],
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the schedule into this file as well.")] = None,
    solutions: Annotated[bool, typer.Option("--solutions", help="The course's own answer instead of yours.")] = False,
    json: Json = False,
) -> None:
    """Run the schedule that a token stands for with the answer that is in the lab now."""
    lab, name = find_exercise(course_folder(), exercise, "solutions" if solutions else "labs")
    found = play(lab, name, token)
    if svg is not None:
        found.save(svg)
    if json:
        return as_json({"exercise": lab.key(name), "token": token, "title": found.title, "text": found.text})
    typer.echo("\n".join([found.title, found.subtitle, "", found.text]))
    if svg is not None:
        typer.echo(f"\nDrawn into {svg}.")
    return None
