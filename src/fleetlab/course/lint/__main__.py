"""`python -m fleetlab.course.lint`: says what is wrong with the course, one sentence a line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from . import books, complaints
from .book import Book

ROOT = Path(__file__).resolve().parents[4]


def code_style(book: Book) -> list[str]:
    """Return what ruff says about a notebook's code cells."""
    if book.kind == "lab":
        return []
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise", book.path]
    result = subprocess.run(command, cwd=book.root, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    return result.stdout.splitlines()


def spelling(book: Book) -> list[str]:
    """Return the misspellings that codespell finds in a notebook's prose."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "prose.txt"
        text.write_text("\n\n".join(cell.source for cell in book.prose), "utf-8")
        command = [sys.executable, "-m", "codespell_lib", "--ignore-words-list=simpy,ser", str(text)]
        result = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    return [f"{book.path}: {line.split(':', 2)[-1].strip()} [spelling]" for line in result.stdout.splitlines()]


def main() -> int:
    """Check every notebook; return 1 if anything is wrong."""
    found: list[str] = []
    for book in books(ROOT):
        found += [str(complaint) for complaint in complaints(book)]
        found += code_style(book) + spelling(book)
    print("\n".join(found) or "The course holds to its rules.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
