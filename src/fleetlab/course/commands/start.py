"""`fleetlab start`: JupyterLab at a lesson."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..folder import course_folder, find_lesson
from ..jupyter import USUAL_PORT, free_port, serve
from ..outline import next_up, outline
from ..progress import ProgressFile


def start(
    lesson: Annotated[
        str | None, typer.Argument(help="Such as 09_sessions, or 9; where you left off if left out.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only serve, and print the address.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Another one is taken if it is not free.")] = USUAL_PORT,
) -> None:
    """Open a lesson in JupyterLab; Ctrl-C stops it."""
    folder = course_folder()
    shelf, name = place(folder, lesson)
    chosen = free_port(port)
    if chosen != port:
        typer.echo(f"Port {port} is taken; this is port {chosen}.", err=True)
    raise typer.Exit(serve(folder, name, chosen, browser=not no_browser, shelf=shelf))


def place(folder: Path, wanted: str | None) -> tuple[str, str | None]:
    """Return folder and name of the notebook to open: the lesson that is named, or where the learner left off.

    That is the lab whose exercises were begun and are not all passed, else the next lesson, else the first one.
    """
    if wanted is not None:
        return "notebooks", find_lesson(folder, wanted)
    progress = ProgressFile().read()
    following = next_up(outline(folder, progress), progress.last) if progress.exercises else None
    if following is None:
        return "notebooks", find_lesson(folder)
    in_lab = following.begun and (folder / "labs" / f"{following.name}.ipynb").is_file()
    if in_lab or not (folder / "notebooks" / f"{following.name}.ipynb").is_file():
        return "labs", following.name
    return "notebooks", following.name
