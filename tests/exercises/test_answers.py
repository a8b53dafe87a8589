"""Every answer in tests/answers/ gets the verdict that it deserves.

A module there is named after its exercise, its folder after the lesson, and holds `STUB = (factory, id)`,
`WRONG = {name: (factory, id)}`, `RIGHT = {name: factory}`, and `REPLAYED`, the name of a wrong answer whose replay
token is tried in another process. A learner's `make test` judges a selection of them; with `CI` set all are judged.
How many there are, and what hints give away, is for `make lint` to say.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fleetlab.course.authoring import Target, notebook
from fleetlab.exercises import CheckFailed, Exercise
from fleetlab.exercises.search import read_ticket
from fleetlab.exercises.stage import Stage
from fleetlab.exercises.verdict import FAILED, PASSED, Verdict
from fleetlab.sim.choices import Choices

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
NAMES = sorted(f"{path.parent.name}.{path.stem}" for path in (TESTS / "answers").glob("*/[a-z]*.py"))
sys.path.insert(0, str(TESTS))


def answers(name: str) -> ModuleType:
    """Return the module of answers to an exercise, `sessions.shared_cart`."""
    return importlib.import_module(f"answers.{name}")


def exercise(name: str) -> Exercise:
    """Return the exercise itself."""
    lesson, attribute = name.split(".")
    found: Exercise = getattr(importlib.import_module(f"fleetlab.exercises.{lesson}"), attribute)
    return found


@lru_cache(maxsize=16)
def verdict(name: str, answer: Any) -> Verdict:
    """Return the verdict on an answer; the latest are kept, as a verdict holds two runs with all that they recorded."""
    return exercise(name).verdict(answer)


def cases(kind: str) -> list[Any]:
    """Return each wrong or each right answer with the exercise that it answers; on a learner's machine a selection."""
    chosen = getattr if os.environ.get("CI") else few
    return [
        pytest.param(name, answer, id=f"{name}.{answer}") for name in NAMES for answer in chosen(answers(name), kind)
    ]


def few(module: ModuleType, kind: str) -> list[str]:
    """Return the first wrong answer of each id, or the first three right ones."""
    found: dict[str, Any] = getattr(module, kind)
    if kind == "RIGHT":
        return list(found)[:3]
    return list({expected: name for name, (_, expected) in reversed(found.items())}.values())[::-1]


def deviations(name: str, answer: Any) -> int:
    """Return how many preemptions and faults the failure of an answer needs."""
    number, made = read_ticket(exercise(name).key, verdict(name, answer).token)
    scenario = exercise(name).scenarios[number]
    schedule = Choices(made, scenario.faults)
    Stage(scenario, answer).play(schedule)
    return sum(1 for _, kind in schedule.made if kind)


@pytest.mark.parametrize("name", NAMES)
def test_stub_fails_with_its_id(name: str) -> None:
    """What stands in the lab fails, and for the reason that the prompt leads one to expect."""
    factory, expected = answers(name).STUB
    assert verdict(name, factory).id == expected
    assert verdict(name, factory).outcome == FAILED


@pytest.mark.parametrize(("name", "answer"), cases("WRONG"))
def test_wrong_answer_is_rejected_for_the_harm_it_does(name: str, answer: str) -> None:
    """A mistake that people make is rejected with the id of its own harm, by at most three preemptions and faults."""
    factory, expected = answers(name).WRONG[answer]
    found = verdict(name, factory)
    assert found.id == expected, str(found)
    assert found.sentence.endswith((".", "!", ")", '"')) or found.outcome != FAILED
    assert deviations(name, factory) <= 3


@pytest.mark.parametrize(("name", "answer"), cases("RIGHT"))
def test_right_answer_passes(name: str, answer: str) -> None:
    """A right answer passes, whichever way it was written, and all schedules within the bound were tried."""
    found = verdict(name, answers(name).RIGHT[answer])
    assert found.outcome == PASSED, str(found)
    assert found.schedules <= 400
    assert "left out" not in str(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_invariant_can_fail(name: str) -> None:
    """Each id that an exercise declares is the verdict on at least one answer."""
    module, judge = answers(name), exercise(name)
    declared = {f"{judge.prefix}-{invariant.id}" for scenario in judge.scenarios for invariant in scenario.invariants}
    hit = {expected for _, expected in [module.STUB, *module.WRONG.values()]}
    assert declared - hit == set()


ELSEWHERE = """
import importlib, json, sys
from fleetlab.exercises.search import read_ticket
from fleetlab.exercises.stage import Stage
for line in sys.stdin:
    name, answer, token = json.loads(line)
    module = importlib.import_module(f"answers.{name}")
    lesson, attribute = name.split(".")
    judge = getattr(importlib.import_module(f"fleetlab.exercises.{lesson}"), attribute)
    number, made = read_ticket(judge.key, token)
    scenario, factory = judge.scenarios[number], module.WRONG[answer][0]
    _, wrong, _ = scenario.strategy.replay(Stage(scenario, factory), made)
    told = {"id": f"{judge.prefix}-{wrong.id}", "trace": str(judge.replay(token, factory))}
    print(json.dumps(told), flush=True)
"""
"""What a second process does: it reads a name, an answer and a token a line, and says what came of the replay."""


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Callable[..., dict[str, str]]]:
    """Return a function that replays tokens in another process, one for all exercises, with a hash seed of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": "4321", "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-c", ELSEWHERE]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def replay(*words: str) -> dict[str, str]:
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            told: dict[str, str] = json.loads(process.stdout.readline())
            return told

        yield replay


@pytest.mark.parametrize("name", NAMES)
def test_token_shows_the_same_failure_in_another_process(name: str, elsewhere: Callable[..., dict[str, str]]) -> None:
    """A replay token gives the same id and the same trace in another process, with a hash seed of its own."""
    answer = answers(name).REPLAYED
    factory = answers(name).WRONG[answer][0]
    found = verdict(name, factory)
    assert len(found.token) <= 20
    here = str(exercise(name).replay(found.token, factory))
    assert elsewhere(name, answer, found.token) == {"id": found.id, "trace": here}


def cell(name: str, form: str) -> Any:
    """Return the answer that stands in a lab or a solution: what the cells tagged with its name define."""
    lesson, short = exercise(name).key.split(".")
    sources = list((ROOT / "lessons" / "solutions").glob(f"{lesson}_[a-z]*.md"))
    if not sources:
        pytest.skip(f"lesson {lesson} has no lab yet")
    (source,) = sources
    made = notebook(source.read_text("utf-8"), Target(source.name, form, "labs/nowhere.ipynb", False))
    code = [one for one in made.cells if one.cell_type == "code" and not is_check(one)]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    before = set()
    for number, one in enumerate(code):
        mine = f"solution:{short}" in one.metadata.get("tags", [])
        if mine or not any(tag.startswith("solution:") for tag in one.metadata.get("tags", [])):
            before = set(namespace) if mine and not before else before
            exec(compile(one.source, f"<lab {lesson}, cell {number}>", "exec"), namespace)
    checks = [one.source for one in made.cells if f"exercise:{short}" in one.metadata.get("tags", [])]
    (answer,) = [name for name in set(namespace) - before if f"check({name})" in checks[0]]
    return namespace[answer]


def is_check(one: Any) -> bool:
    """Tell whether a cell checks an answer."""
    return any(tag.startswith("exercise:") for tag in one.metadata.get("tags", []))


@pytest.mark.parametrize("name", NAMES)
def test_lab_holds_the_stub(name: str) -> None:
    """The code that a learner finds in the lab fails as the stub does, and its check raises with that text."""
    stub = cell(name, "lab")
    expected = verdict(name, answers(name).STUB[0])
    with pytest.raises(CheckFailed) as raised:
        exercise(name).check(stub)
    assert raised.value.id == expected.id
    assert raised.value.verdict.sentence == expected.sentence
