"""The register of rules: each takes one notebook, or one exercise, and says in sentences what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Rule = Callable[[Any], Iterable[str]]
RULES: dict[str, tuple[tuple[str, ...], Rule]] = {}


class Subject(Protocol):
    """What a rule looks at: its file, and its kind (lesson, lab, solution, exercise)."""

    @property
    def path(self) -> str:
        """The file that is wrong, below the course's folder."""

    @property
    def kind(self) -> str:
        """Which rules apply."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with which file, by which rule."""

    path: str
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence} [{self.rule}]"


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register a rule for these kinds of subject, under its function's name."""

    def add(check: Rule) -> Rule:
        RULES[check.__name__.replace("_", "-")] = (kinds, check)
        return check

    return add


def complaints(subject: Subject) -> Iterator[Complaint]:
    """Yield what is wrong with one notebook or exercise, rule by rule."""
    for name, (kinds, check) in RULES.items():
        if subject.kind in kinds:
            for sentence in check(subject):
                yield Complaint(subject.path, name, sentence)
