"""The command line `fleetlab`."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from .commands import check, doctor, grade, hints, new, replay, reset, start, status, transfer, watch
from .mistake import Mistake
from .progress import reason


class Course(TyperGroup):
    """A group of commands in which every mistake ends in one sentence and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what the learner can put right is said, without a stack."""
        try:
            return super().invoke(ctx)
        except Mistake as mistake:
            stop(str(mistake))
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except OSError as error:
            place = f": {error.filename}" if error.filename else "."
            stop(f"That did not work ({reason(error)}){place}")


def stop(sentence: str) -> NoReturn:
    """End the program with one sentence and exit code 2."""
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


app = typer.Typer(cls=Course, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def fleetlab() -> None:
    """Break the Fleet: a course on developing for distributed deployment."""


_COMMANDS: tuple[Callable[..., None], ...] = (
    start.start,
    status.status,
    check.check,
    watch.watch,
    hints.hint,
    hints.solution,
    reset.reset,
    replay.replay,
    doctor.doctor,
    transfer.export,
    transfer.import_,
    grade.grade,
    new.new,
)
for _command in _COMMANDS:
    app.command(_command.__name__.rstrip("_"))(_command)


def main() -> None:
    """Run the command line; the entry point of the package."""
    for stream in (sys.stdout, sys.stderr):  # a Windows pipe may not know "✓": it becomes "?", not an error
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
