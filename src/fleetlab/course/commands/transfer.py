"""`fleetlab export` and `fleetlab import`: progress and answers as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..folder import course_folder
from ..home import utc_now
from ..mistake import Mistake
from ..progress import ProgressFile
from ..transfer import bring_in
from ..transfer import export as write


def export(file: Annotated[Path, typer.Argument(help="Such as my-answers.json; it must not exist yet.")]) -> None:
    """Write your progress and your answers into one file."""
    labs = write(course_folder(), file, ProgressFile())
    answers = f"the answers of {', '.join(labs)}" if labs else "no answer yet"
    typer.echo(f"{file} holds your progress and {answers}.")


def import_(file: Annotated[Path, typer.Argument(help="A file that `fleetlab export` wrote.")]) -> None:
    """Bring in an exported file; what it replaces is kept beside it under a dated name."""
    stored, kept, missing = bring_in(course_folder(), file, ProgressFile(), utc_now())
    if stored:
        typer.echo("Your progress is merged.")
    for copy in kept:
        typer.echo(f"The lab has the answers of {file}; what was there is kept as labs/{copy.name}.")
    for name in missing:
        typer.echo(f"{name} is not here: its answers stay in {file}.")
    if not stored:
        raise Mistake(f"Your progress is not merged; it stays in {file}.")
