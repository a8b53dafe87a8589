"""Grades submissions, several at once; whatever a notebook does, it costs its own rows only.

Where one takes all the threads or memory that there are, those that run beside it go wrong without being wrong. They
are graded again, one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ..judge import NOT_REACHED, PASSED, Result
from .process import Ended, Greedy, run
from .skeleton import Skeleton
from .submissions import Submission, read
from .table import Row, row

NOT_HANDED_IN = "not handed in"
SECONDS_A_LAB = 120.0
MEGABYTES_A_LAB = 2000


class Grader:
    """A course's labs, and what one of a learner's may take: real seconds, and megabytes of memory."""

    def __init__(self, course: Path, seconds: float = SECONDS_A_LAB, megabytes: int = MEGABYTES_A_LAB) -> None:
        self.course = course
        self.seconds = seconds
        self.megabytes = megabytes
        self._stop = threading.Event()
        self._skeletons: dict[str, Skeleton] = {}
        self._lock = threading.Lock()
        self._running: list[Submission] = []
        self._disturbed: list[Submission] = []

    def grade(
        self, handed_in: Iterable[Submission], jobs: int, tell: Callable[[list[Row]], None] = lambda rows: None
    ) -> list[Row]:
        """Return the rows of all submissions in their order, `jobs` at once; tell each one's as soon as it has them."""
        todo = list(handed_in)
        for submission in todo:  # before any thread: each is made once
            if submission.path is not None and submission.lab not in self._skeletons:
                self._skeletons[submission.lab] = Skeleton(self.course, submission.lab)

        def one(submission: Submission) -> list[Row]:
            rows = self.rows(submission)
            tell(rows)
            return rows

        def fair(submission: Submission, rows: list[Row]) -> list[Row]:
            right = all(found.outcome == PASSED for found in rows)
            return rows if right or submission not in self._disturbed else one(submission)

        pool = ThreadPoolExecutor(jobs)
        try:
            first = list(pool.map(one, todo))
            return [found for submission, rows in zip(todo, first, strict=True) for found in fair(submission, rows)]
        finally:  # Ctrl-C ends what runs, and begins nothing more
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def rows(self, submission: Submission) -> list[Row]:
        """Return the rows of one submission: one an exercise, or one that says that there is none."""
        if submission.path is None:
            return [Row(submission.learner, submission.lab, outcome=NOT_HANDED_IN)]
        skeleton = self._skeletons[submission.lab]
        try:
            mine = read(submission.path)
            with self._beside(submission):
                remarks, results = skeleton.remarks(mine), self._results(skeleton, mine)
        except (Ended, ValueError) as error:
            why = str(error) if isinstance(error, Ended) else f"The notebook cannot be read: {error}."
            remarks = {}
            results = [Result(skeleton.lab.key(name), NOT_REACHED, sentence=why) for name in skeleton.exercises]
        about = [submission.remark] if submission.remark else []
        return [
            row(submission.learner, submission.lab, found, [*remarks.get(found.exercise.partition(".")[2], []), *about])
            for found in results
        ]

    @contextmanager
    def _beside(self, submission: Submission) -> Iterator[None]:
        """Note who runs at the same time as one that takes too much."""
        with self._lock:
            self._running.append(submission)
        try:
            yield
        except Greedy:
            with self._lock:
                self._disturbed += [one for one in self._running if one is not submission]
            raise
        finally:
            with self._lock:
                self._running.remove(submission)

    def _results(self, skeleton: Skeleton, mine: dict[str, object]) -> list[Result]:
        job = {
            "course": str(self.course),
            "lab": skeleton.lab.name,
            "notebook": skeleton.filled(mine),
            "controls": skeleton.controls(),
            "seconds": self.seconds,
            "memory": self.megabytes,
        }
        return [Result(**found) for found in run(job, self._stop)]
