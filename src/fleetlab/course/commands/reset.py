"""`fleetlab reset`: the stub back."""

from __future__ import annotations

from typing import Annotated

import typer

from ..folder import course_folder, pick
from ..home import utc_now
from ..labs import Lab, find_exercise, find_lab
from ..reset import reset as put_back


def reset(
    lab: Annotated[str, typer.Argument(metavar="LAB[.EXERCISE]", help="Such as 09_sessions, or 09.shared_cart.")],
) -> None:
    """Bring back a lab's stub, or that of one exercise; your version is kept beside it."""
    typer.echo(brought_back(lab))


def brought_back(wanted: str) -> str:
    """Reset a lab or one exercise and return what was done, as sentences."""
    course = course_folder()
    whole, dot, exercise = wanted.removesuffix(".ipynb").partition(".")
    lab = find_exercise(course, wanted)[0] if dot else _lab(whole)
    done = put_back(lab, exercise or None, utc_now())
    if done.kept is None:
        return f"{wanted} is as its authors wrote it."
    again = "If it is open in JupyterLab, choose File, Reload Notebook from Disk."
    return f"{wanted} is as its authors wrote it; your version is kept as labs/{done.kept.name}. {again}"


def _lab(wanted: str) -> Lab:
    """Return a lab, also one whose file is gone but whose source is here. Raises NotFound."""
    course = course_folder()
    sources = [path.stem for path in (course / "lessons" / "solutions").glob("*.md")]
    found = pick(sorted(sources), wanted)
    return Lab(course, found) if found else find_lab(course, wanted)
