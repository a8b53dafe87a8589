"""Runs again the one schedule that a token stands for, with the answer that is in the lab now."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .cells import first_line, plain
from .home import replace_text
from .judge import SECONDS_A_CELL, Judge
from .kernel import Kernel, Ran
from .labs import Lab, check_of, source
from .mistake import Mistake

if TYPE_CHECKING:
    from fleetlab.sim import Trace

MIME = "application/vnd.fleetlab.trace+json"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A schedule as text and as a drawing: the verdict and its token, a table of steps, an SVG."""

    title: str
    subtitle: str
    text: str
    svg: str

    def save(self, file: Path) -> None:
        """Write the drawing to a file."""
        replace_text(file, self.svg)


def replay(lab: Lab, name: str, token: str, seconds: float = SECONDS_A_CELL) -> Replayed:
    """Run the cells that an exercise's check needs in a clean kernel, and then its replay. Raises Mistake."""
    judge = Judge(lab, lab.read(), [name])
    numbers = judge.depends(name)
    if not numbers:
        raise Mistake(f"{lab.name} has no check cell for {name}; `fleetlab reset {lab.name}.{name}` brings it back.")
    texts = [source(judge.cells[number]) for number in numbers if not check_of(judge.cells[number])]
    call = replay_call(source(judge.cells[numbers[-1]]), token)
    with Kernel(lab.path.parent) as kernel:
        for text in texts:
            _well(kernel.run(text, seconds), text, seconds)
        ran = kernel.run(f"from fleetlab.course.replay import emit as _emit\n_emit({call})", seconds)
    if ran.error.startswith("ValueError: "):  # a token that means nothing here says so itself
        raise Mistake(ran.error.removeprefix("ValueError: "))
    _well(ran, call, seconds)
    found = [output["data"][MIME] for output in ran.outputs if MIME in output.get("data", {})]
    return Replayed(**found[-1])


def replay_call(check: str, token: str) -> str:
    """Return `MODULE.NAME.replay(TOKEN, ANSWER)` for a cell that calls `MODULE.NAME.check(ANSWER)`."""
    try:
        calls = [node for node in ast.walk(ast.parse(plain(check))) if isinstance(node, ast.Call)]
    except SyntaxError:
        calls = []
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "check":
            arguments = [ast.Constant(token), *call.args]
            again = ast.Attribute(call.func.value, "replay", ast.Load())
            return ast.unparse(ast.fix_missing_locations(ast.Call(again, arguments, call.keywords)))
    raise Mistake(f"The check cell «{first_line(check)}» calls no check.")


def emit(trace: Trace) -> None:
    """Hand a trace from the kernel to the command, as an output of its own kind."""
    from IPython.display import display

    from fleetlab.show import lanes

    data = {"title": trace.title, "subtitle": trace.subtitle, "text": str(trace), "svg": lanes.svg(trace)}
    display({MIME: data}, raw=True)


def _well(ran: Ran, text: str, seconds: float) -> None:
    if ran.timed_out:
        raise Mistake(f"The cell «{first_line(text)}» did not end within {seconds:g} s.")
    if ran.failed:
        raise Mistake(f"The cell «{first_line(text)}» ended in {ran.error}.")
