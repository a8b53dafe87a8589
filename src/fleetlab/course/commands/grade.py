"""`fleetlab grade`: many learners' labs, one table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..folder import course_folder
from ..grade.grading import MEGABYTES_A_LAB, SECONDS_A_LAB, Grader
from ..grade.strict import REFUSED
from ..grade.submissions import submissions
from ..grade.table import Row, as_csv, as_html, printable, summary
from ..home import keep, replace_text, utc_now
from ..judge import NOT_REACHED, PASSED
from ..labs import find_lab, lab_names
from .shared import Json, as_json


def grade(
    folder: Annotated[Path, typer.Argument(help="It holds one folder a learner, with labs anywhere below.")],
    lab: Annotated[list[str] | None, typer.Option("--lab", help="Only this one, such as 09_sessions.")] = None,
    table: Annotated[Path, typer.Option("--table", help="Where the table goes: NAME.csv and NAME.html.")] = Path(
        "grades"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="How many labs at once.")] = os.cpu_count() or 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long one lab may take; a cell, a quarter.")] = (
        SECONDS_A_LAB
    ),
    memory: Annotated[int, typer.Option(min=200, help="How many MB one lab may take.")] = MEGABYTES_A_LAB,
    json: Json = False,
) -> None:
    """Grade many learners' labs into one table; exit code 0 if each one handed in could be judged."""
    course = course_folder()
    wanted = [find_lab(course, name).name for name in lab or []]
    found = submissions(folder, lab_names(course), wanted)
    rows = Grader(course, seconds, memory).grade(found, jobs, _silent if json else _tell)
    files = write(table, rows)
    if json:
        as_json({"files": [str(file) for file in files], "rows": [one.data() for one in rows]})
    else:
        typer.echo(f"{summary(rows)} The table is in {files[0]} and {files[1]}.")
    raise typer.Exit(1 if any(one.outcome in (NOT_REACHED, REFUSED) for one in rows) else 0)


def write(table: Path, rows: Sequence[Row]) -> list[Path]:
    """Write the table as CSV and as HTML; what is there under these names is kept under a dated one."""
    files = []
    for ending, text in ((".csv", as_csv(rows)), (".html", as_html(rows))):
        file = table.with_name(table.name + ending)
        if file.exists() and file.read_bytes() != text.encode():
            keep(file, utc_now())
        replace_text(file, text)
        files.append(file)
    return files


def _tell(rows: Sequence[Row]) -> None:
    first, passed = rows[0], sum(one.outcome == PASSED for one in rows)
    told = f"{passed} of {len(rows)} passed" if first.exercise else first.outcome
    troubled = {one.note for one in rows if one.outcome in (NOT_REACHED, REFUSED)}
    who = f"{first.learner} {first.lab}".rstrip()
    typer.echo(printable(f"{who}: {told}." + (f" {min(troubled)}" if troubled else "")))


def _silent(rows: Sequence[Row]) -> None:
    """Tell nothing: the JSON document will."""
