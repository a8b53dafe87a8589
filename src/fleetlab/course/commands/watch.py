"""`fleetlab watch`: a verdict after each save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ..folder import course_folder
from ..keys import Keys, keyboard
from ..mistake import Mistake
from ..watch import Watch
from .check import chosen
from .hints import next_hint
from .reset import brought_back
from .shared import told

SECONDS_A_LOOK = 0.2
KEYS = "h hint · l list · r reset · q quit"


def watch(
    lab: Annotated[str | None, typer.Argument(help="Such as 09_sessions; all labs if left out.")] = None,
) -> None:
    """Check a lab now and at each save; keys: h hint, l list, r reset, q quit."""
    labs = list(chosen(course_folder(), [lab] if lab else [], "labs"))
    watching = Watch(labs)
    typer.echo(f"Watching {', '.join(f'labs/{one.name}.ipynb' for one in labs)}. {KEYS}")
    try:
        with keyboard() as keys:
            follow(watching, keys, typer.echo)
    except KeyboardInterrupt:
        pass
    finally:
        watching.close()


def follow(watching: Watch, keys: Keys, tell: Callable[[str], None]) -> None:
    """Look for saves and keys until q is pressed."""
    before = ""
    while True:
        for lab in watching.saved():
            results = 0
            for results, result in enumerate(watching.check(lab), 1):  # noqa: B007 - counted, and told as they come
                tell(told(result))
            if results:
                tell(summary(watching))
        for sentence in watching.troubles():
            tell(sentence)
        key = keys(SECONDS_A_LOOK)
        if key == "q":
            return
        if key in _ANSWERS:
            try:
                tell(_ANSWERS[key](watching, before))
            except Mistake as mistake:
                tell(str(mistake))
        before = key or before


def summary(watching: Watch) -> str:
    """Return how many exercises are passed, and which one is next."""
    passed = sum(result.passed for result in watching.results.values())
    at = f"; next is {watching.current.exercise}" if watching.current else ""
    return f"{passed} of {len(watching.results)} passed{at}. {KEYS}"


def _hint(watching: Watch, before: str) -> str:
    if watching.current is None:
        return "Every exercise is passed."
    return "\n".join(next_hint(watching.current.exercise))


def _list(watching: Watch, before: str) -> str:
    return "\n".join([*map(told, watching.results.values()), summary(watching)])


def _reset(watching: Watch, before: str) -> str:
    """Ask first: one key alone must not take an answer away, though it is kept."""
    if watching.current is None:
        return "Every exercise is passed; `fleetlab reset` resets one by name."
    if before != "r":
        return f"Press r again to reset {watching.current.exercise}; your version will be kept."
    return brought_back(watching.current.exercise)


_ANSWERS: dict[str, Callable[[Watch, str], str]] = {"h": _hint, "l": _list, "r": _reset}
