"""Writes down what a lab's checks come to; lessons, solutions and tests leave no mark.

A kernel runs in its notebook's folder, so a check knows by that folder whether it was called in a lab.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetlab.exercises.verdict import Verdict


def in_a_lab(folder: Path) -> bool:
    """Say whether a folder is the labs/ of a course."""
    return folder.name == "labs" and (folder.parent / "notebooks").is_dir()


def enlist() -> None:
    """Have each check and hint of this process written down, if it was started in a lab.

    Elsewhere this costs one look at the folder's name, and imports nothing.
    """
    try:
        here = Path.cwd()
    except OSError:  # a folder that was removed meanwhile is no lab
        return
    if not in_a_lab(here):
        return
    from fleetlab.exercises.exercise import Exercise

    for name, observer in (("observers", checked), ("hint_observers", hinted)):
        observers = getattr(Exercise, name, None)
        if observers is not None and observer not in observers:
            observers.append(observer)


def checked(verdict: Verdict) -> None:
    """Note one check: an answer that was not attempted is no attempt."""
    from .progress import ProgressFile

    if verdict.outcome != "not attempted":
        failed = "" if verdict.outcome == "passed" else verdict.id or verdict.outcome
        ProgressFile().update(lambda progress: progress.checked(verdict.exercise, failed))


def hinted(key: str, count: int) -> None:
    """Note how many hints of an exercise were shown."""
    from .progress import ProgressFile

    ProgressFile().update(lambda progress: progress.hinted(key, count))
