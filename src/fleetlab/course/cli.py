"""The command line `fleetlab`."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from fleetlab.course.folder import NotFound, course_folder, find_lesson
from fleetlab.course.jupyter import USUAL_PORT, CannotStart, free_port, serve

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def fleetlab() -> None:
    """Break the Fleet: a course on developing for distributed deployment."""


@app.command()
def start(
    lesson: Annotated[
        str | None, typer.Argument(help="Such as 09_sessions, or 9; the first lesson if left out.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only serve, and print the address.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Another one is taken if it is not free.")] = USUAL_PORT,
) -> None:
    """Open a lesson in JupyterLab; Ctrl-C stops it."""
    try:
        folder = course_folder()
        name = find_lesson(folder, lesson)
        chosen = free_port(port)
        if chosen != port:
            typer.echo(f"Port {port} is taken; this is port {chosen}.", err=True)
        raise typer.Exit(serve(folder, name, chosen, browser=not no_browser))
    except (NotFound, CannotStart) as trouble:
        stop(str(trouble))


def stop(sentence: str) -> NoReturn:
    """End the program with one sentence and exit code 2."""
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


def main() -> None:
    """Run the command line; the entry point of the package."""
    app()


if __name__ == "__main__":
    main()
