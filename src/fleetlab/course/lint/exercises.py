"""Rules on exercises: what stands in tests/answers/ for each check of a lab, and what its hints give away."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..labs import Lab, authored_exercises, prefix
from ..outline import topic
from .rules import rule

if TYPE_CHECKING:
    from fleetlab.exercises import Exercise

WRONG, IDS, RIGHT, HINTS = 5, 3, 3, (2, 3)
TELLING = 16
"""How many letters of a solution's line a hint must not hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """One exercise: the path of its answers, the module of them (None: there is none), and the solution's lines.

    `sources` are the files in which an author may have left a TODO.
    """

    path: str
    judge: Exercise | None
    answers: Any
    solution: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()
    kind: str = "exercise"


def cases(root: Path) -> list[Case]:
    """Return every exercise that a lab's source names, in a fixed order; all are loaded before the first is judged."""
    sys.path.insert(0, str(root / "tests"))
    sources = sorted((root / "lessons" / "solutions").glob("*.md"))
    named = [(source, name) for source in sources for name in authored_exercises(source.read_text("utf-8"))]
    return [_case(root, Lab(root, source.stem), name) for source, name in named]


def _case(root: Path, lab: Lab, name: str) -> Case:
    about = topic(lab.name)
    path = f"tests/answers/{about}/{name}.py"
    judge = getattr(_module(f"fleetlab.exercises.{about}"), name, None)
    answers = _module(f"answers.{about}.{name}") if (root / path).is_file() else None
    package = root / "src" / "fleetlab" / "exercises"
    sources = [root / path, package / f"{about}.py", *sorted((package / about).glob("*.py"))]
    return Case(path, judge, answers, _solution(root, lab, name), tuple(one for one in sources if one.is_file()))


def _module(name: str) -> ModuleType | None:
    """Return a module, or None if there is none; what goes wrong inside it is its author's to see."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            return None
        raise


def _solution(root: Path, lab: Lab, name: str) -> tuple[str, ...]:
    from fleetlab.exercises.solution import NoSolution, find_solution

    try:
        text = find_solution(f"{prefix(lab.name)}.{name}", root)
    except NoSolution:
        return ()
    return tuple(line.strip() for line in text.splitlines())


@rule("exercise")
def answers_are_there(case: Case) -> Iterator[str]:
    """An exercise that a lab checks exists, and so do answers to it."""
    if case.judge is None:
        yield "fleetlab.exercises has no exercise of that name, and a lab checks it."
    if case.answers is None:
        yield "there are no answers to an exercise that a lab checks."
    elif missing := [name for name in ("STUB", "WRONG", "RIGHT") if not hasattr(case.answers, name)]:
        yield f"it does not say {', '.join(missing)}."


@rule("exercise")
def wrong_answers(case: Case) -> Iterator[str]:
    """At least five wrong answers tell at least three ids apart."""
    wrong = getattr(case.answers, "WRONG", None)
    if wrong is not None:
        ids = {expected for _, expected in wrong.values()}
        if len(wrong) < WRONG or len(ids) < IDS:
            yield f"it has {len(wrong)} wrong answers and {len(ids)} ids; {WRONG} with {IDS} are the least."


@rule("exercise")
def right_answers(case: Case) -> Iterator[str]:
    """At least three right answers look different."""
    right = getattr(case.answers, "RIGHT", None)
    if right is not None and len(right) < RIGHT:
        yield f"it has {len(right)} right answers; {RIGHT} are the least."


@rule("exercise")
def hints_lead_up(case: Case) -> Iterator[str]:
    """There are two or three hints, each said once, none empty, and none with a line of the solution."""
    hints = case.judge.hints if case.judge is not None else HINTS
    if not HINTS[0] <= len({str(hint) for hint in hints}) == len(hints) <= HINTS[1]:
        yield f"it has {len(hints)} hints; two or three different ones are wanted."
    for number, hint in enumerate(map(str, hints), 1):
        if case.judge is not None and not hint.strip():
            yield f"hint {number} is empty."
        if "```" in hint or "env.redis." in hint or any(line in hint for line in case.solution if len(line) >= TELLING):
            yield f"hint {number} holds code of the solution."


@rule("exercise")
def stub_fails(case: Case) -> Iterator[str]:
    """What stands in the lab fails, with the id that its author expects."""
    stub = getattr(case.answers, "STUB", None)
    if case.judge is not None and stub is not None:
        factory, expected = stub
        found = case.judge.verdict(factory).id or "no id"
        if found != expected:
            yield f"the stub ends with {found}; {expected} is expected."


@rule("exercise")
def nothing_left_to_write(case: Case) -> Iterator[str]:
    """Neither the exercise nor its answers hold a TODO outside the stub."""
    for source in case.sources:
        for number, line in enumerate(source.read_text("utf-8").splitlines(), 1):
            if "TODO" in line:
                yield f"{source.name} has a TODO in line {number}."
