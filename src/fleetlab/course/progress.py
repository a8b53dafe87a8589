"""What a learner has done so far: a plain JSON file in the user's data folder.

    {"version": 1, "last": "09.shared_cart",
     "exercises": {"09.shared_cart": {"passed": true, "failed": "S09-LOST-ITEM", "attempts": 3, "hints": 1}}}

Several notebooks and commands change it at once: each reads, changes and replaces it under one lock.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from .home import dated, home, replace_text, utc_now
from .lockfile import locked

VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One exercise: passed ever, the id it last failed with, how many checks, how many hints were shown."""

    passed: bool = False
    failed: str = ""
    attempts: int = 0
    hints: int = 0

    def merged(self, other: Record) -> Record:
        """Return what both know together; merging the same record twice changes nothing."""
        return Record(
            self.passed or other.passed,
            self.failed or other.failed,
            max(self.attempts, other.attempts),
            max(self.hints, other.hints),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Every exercise that was ever checked or hinted at, by its key; `last` is the one worked at last."""

    exercises: Mapping[str, Record] = field(default_factory=dict)
    last: str = ""

    def of(self, key: str) -> Record:
        """Return the record of an exercise, an empty one if there is none."""
        return self.exercises.get(key, Record())

    def checked(self, key: str, failed: str) -> Progress:
        """Return the progress after one check; `failed` is its id, empty for a pass."""
        old = self.of(key)
        new = replace(old, passed=old.passed or not failed, failed=failed or old.failed, attempts=old.attempts + 1)
        return Progress({**self.exercises, key: new}, key)

    def hinted(self, key: str, count: int) -> Progress:
        """Return the progress after `count` hints of an exercise were shown."""
        old = self.of(key)
        return Progress({**self.exercises, key: replace(old, hints=max(old.hints, count))}, key)

    def merged(self, other: Progress) -> Progress:
        """Return what both know together."""
        keys = sorted({*self.exercises, *other.exercises})
        return Progress({key: self.of(key).merged(other.of(key)) for key in keys}, self.last or other.last)

    def data(self) -> dict[str, Any]:
        """Return the progress as it is stored."""
        exercises = {key: asdict(self.exercises[key]) for key in sorted(self.exercises)}
        return {"version": VERSION, "last": self.last, "exercises": exercises}


class Newer(ValueError):
    """A file that a later version of the course has written."""


def parse(data: Any) -> Progress:
    """Return the progress that stored data mean. Raises ValueError for anything else, Newer for a later version."""
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError("no version")
    if version > VERSION:
        raise Newer(str(version))
    exercises, last = data.get("exercises"), data.get("last", "")
    if not isinstance(exercises, dict) or not isinstance(last, str):
        raise ValueError("no exercises")
    return Progress({key: _record(stored) for key, stored in exercises.items()}, last)


def _record(stored: Any) -> Record:
    if not isinstance(stored, dict):
        raise ValueError("an exercise is not an object")
    known = {name: stored[name] for name in ("passed", "failed", "attempts", "hints") if name in stored}
    record = Record(**known)
    if [type(value) for value in asdict(record).values()] != [bool, str, int, int]:
        raise ValueError("an exercise holds other types")
    return record


def say(sentence: str) -> None:
    """Tell the learner something about the file itself, beside what was asked for."""
    print(sentence, file=sys.stderr)


class ProgressFile:
    """The file, its lock and its accidents: a damaged one is set aside, a newer one is left alone."""

    def __init__(
        self,
        folder: Path | None = None,
        now: Callable[[], datetime] = utc_now,
        tell: Callable[[str], None] = say,
    ) -> None:
        self.path = (folder or home()) / "progress.json"
        self._lock = self.path.with_name("progress.lock")
        self._now = now
        self._told = tell
        self._said: set[str] = set()

    def read(self) -> Progress:
        """Return the progress; an empty one, with a sentence why, if it cannot be read."""
        if not self.path.exists():
            return Progress()
        try:
            with locked(self._lock):
                return self._load() or Progress()
        except OSError as error:
            self._tell(f"Your progress could not be read ({reason(error)}): {self.path}")
            return Progress()

    def update(self, change: Callable[[Progress], Progress]) -> Progress | None:
        """Change what is stored, as one step; return the result, or None, with a sentence why, if nothing is stored."""
        try:
            with locked(self._lock):
                old = self._load()
                if old is None:
                    return None
                new = change(old)
                if new != old:
                    replace_text(self.path, json.dumps(new.data(), indent=1, ensure_ascii=False) + "\n")
                return new
        except OSError as error:
            self._tell(f"Your progress could not be stored ({reason(error)}): {self.path}")
            return None

    def _tell(self, sentence: str) -> None:
        """Tell the learner, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._told(sentence)

    def _load(self) -> Progress | None:
        """Read under the lock; None is a newer version's file."""
        try:
            return parse(json.loads(self.path.read_bytes().decode("utf-8")))
        except FileNotFoundError:
            return Progress()
        except Newer as newer:
            self._tell(f"A newer version of the course (format {newer}) wrote {self.path}: it is left as it is.")
            return None
        except (ValueError, RecursionError):
            return self._set_aside()

    def _set_aside(self) -> Progress:
        aside = dated(self.path, "damaged", self._now())
        os.replace(self.path, aside)
        self._tell(f"Your progress was damaged and begins anew; the damaged file is kept as {aside}.")
        return Progress()


def reason(error: OSError) -> str:
    """Return what the system says of an error, without its number."""
    return (error.strerror or str(error) or type(error).__name__).lower()
