"""`fleetlab new`: the files of a new lesson."""

from __future__ import annotations

from typing import Annotated

import typer

from ..folder import course_folder
from ..scaffold import scaffold


def new(
    lesson: Annotated[str, typer.Argument(metavar="NN_topic", help="Such as 06_secrets, or 10_3_sharding.")],
    exercise: Annotated[str, typer.Option("--exercise", help="The name of its first exercise.")] = "first_exercise",
) -> None:
    """Write lesson, lab, exercise module and answers for an author to fill in; `make lint` says what is missing."""
    for path in scaffold(course_folder(), lesson, exercise):
        typer.echo(path)
