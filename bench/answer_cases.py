"""Figures of the exercises: how long each answer takes to judge, and whether every token replays."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
Case = Callable[[], tuple[float, str]]


def answered() -> Iterator[tuple[str, Any, Any]]:
    """Yield each exercise's dotted name with its module of answers and the exercise itself."""
    for path in sorted((TESTS / "answers").glob("*/[a-z]*.py")):
        answers = importlib.import_module(f"answers.{path.parent.name}.{path.stem}")
        exercises = importlib.import_module(f"fleetlab.exercises.{path.parent.name}")
        yield f"{path.parent.name}.{path.stem}", answers, getattr(exercises, path.stem)


def slowest(judged: Iterator[tuple[str, Any, Any]]) -> tuple[float, str]:
    """Return the most processor seconds that judging one answer took, and which."""
    worst = (0.0, "")
    for name, exercise, answer in judged:
        began = time.process_time()
        exercise.verdict(answer).to_html()
        worst = max(worst, (time.process_time() - began, name))
    return worst[0], f"s ({worst[1]})"


def wrong() -> tuple[float, str]:
    """The slowest wrong answer: found, minimised, drawn."""
    return slowest(
        (f"{name}: {wrong}", exercise, factory)
        for name, answers, exercise in answered()
        for wrong, (factory, _) in answers.WRONG.items()
    )


def right() -> tuple[float, str]:
    """The slowest right answer, with every bound that it claims."""
    return slowest(
        (f"{name}: {right}", exercise, factory)
        for name, answers, exercise in answered()
        for right, factory in answers.RIGHT.items()
    )


REPLAY = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
lesson, name, token = sys.argv[2:]
answers = importlib.import_module(f"answers.{lesson}.{name}")
exercise = getattr(importlib.import_module(f"fleetlab.exercises.{lesson}"), name)
print(exercise.replay(token, answers.WRONG[answers.REPLAYED][0]))
"""


def replays() -> tuple[float, str]:
    """Twenty replays of one token an exercise, each in a process and under a hash seed of its own."""
    same, tried = 0, 0
    for name, answers, exercise in answered():
        token = exercise.verdict(answers.WRONG[answers.REPLAYED][0]).token
        command = [sys.executable, "-c", REPLAY, str(TESTS), *name.split("."), token]
        texts = [
            subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONHASHSEED": str(seed)}).stdout
            for seed in range(20)
        ]
        tried += len(texts)
        same += sum(text == texts[0] and bool(text) for text in texts)
    return 100 * same / tried, f"% of {tried}"


CASES: list[tuple[str, str, Case]] = [
    ("the slowest wrong answer", "<=1", wrong),
    ("the slowest right answer", "<=2", right),
    ("tokens that replay to the same text", ">=100", replays),
]
