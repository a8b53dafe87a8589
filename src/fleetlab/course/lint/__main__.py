"""`python -m fleetlab.course.lint`: says what is wrong with the course, one sentence a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from . import books, cases, complaints
from .rules import Subject

ROOT = Path(__file__).resolve().parents[4]


def main(root: Path = ROOT) -> int:
    """Check every notebook and every exercise; return 1 if anything is wrong."""
    subjects: Iterator[Subject] = chain(books(root), cases(root))
    found = [str(complaint) for subject in subjects for complaint in complaints(subject)]
    print("\n".join(dict.fromkeys(found)) or "The course holds to its rules.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
