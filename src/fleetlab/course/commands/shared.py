"""What several commands take and print alike."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..judge import Result

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on standard output.")]
LabOption = Annotated[str, typer.Argument(metavar="LAB.EXERCISE", help="Such as 09_sessions.shared_cart.")]
MARKS = {"passed": "✓", "not attempted": "·", "not reached": "?"}


def console() -> Console:
    """Return where tables go: as wide as the terminal, or wide enough for whole lines in a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def as_json(data: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=1))


def told(result: Result) -> str:
    """Return a result as a person reads it: the outcome in words, then its sentence, then counts and token."""
    head = f"{MARKS.get(result.outcome, '✗')} {result.exercise}: {result.outcome}"
    code = f" [{result.id}]" if result.id else ""
    lines = [f"{head}{code}  ({result.seconds:.1f} s)"]
    if result.sentence:
        lines.append(f"  {result.sentence}")
    if result.schedules:
        count = "1 schedule" if result.schedules == 1 else f"{result.schedules} schedules"
        joined = "; its scenarios' bounds: " if "; " in result.bound else ", "
        lines.append(f"  {count}" + (f"{joined}{result.bound}" if result.bound else ""))
    if result.token:
        lines.append(f"  fleetlab replay {result.exercise} {result.token}")
    return "\n".join(lines)
