"""Which of the learner's lines raised an error."""

from __future__ import annotations

from types import CodeType

from fleetlab.sim.trace import is_learner_file, source_line


def place(error: BaseException) -> tuple[CodeType, int] | None:
    """Return code and line number of the innermost learner's line in an error's traceback, or None."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_learner_file(code.co_filename):
            found = code, trace.tb_lineno
        trace = trace.tb_next
    return found


def told(error: BaseException) -> str:
    """Return an error as text: its type, what it says, and the learner's line that raised it."""
    found = place(error)
    where = f" at line {source_line(*found)}" if found else ""
    return f"{type(error).__name__}: {error}{where}"
