"""Rules on cells: their length, their tags, what they print, how their code is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from .book import Book
from .rules import rule

CAP = 20
FACTORY_CAP = 25
LARGEST = 300_000
LARGEST_OUTPUT = 120_000
MOST_SCHEDULES = 400
TAG_KINDS = "practice exercise solution answer app lab predict setup nbval-skip raises-exception".split()


@rule("damaged")
def readable(book: Book) -> Iterator[str]:
    """A notebook can be read."""
    yield "it is not a notebook."


@rule("lesson", "lab", "solution")
def short_cells(book: Book) -> Iterator[str]:
    """A code cell has at most 20 lines, an app factory 25; answers of solutions may be longer."""
    for cell in book.code:
        cap = FACTORY_CAP if "(env" in cell.source else CAP
        if len(cell.lines) > cap and not any(tag.startswith(("solution:", "answer:")) for tag in cell.tags):
            yield f"cell {cell.number} has {len(cell.lines)} lines; {cap} are the limit."


@rule("lesson", "lab", "solution")
def known_tags(book: Book) -> Iterator[str]:
    """Every tag is of a known kind."""
    for cell in book.cells:
        for tag in cell.tags:
            if tag.split(":")[0] not in TAG_KINDS:
                yield f"cell {cell.number} has the unknown tag {tag!r}."


@rule("lesson", "solution")
def no_unexecuted_cell(book: Book) -> Iterator[str]:
    """nbval passes a cell silently that was never run."""
    for cell in book.code:
        if not cell.executed:
            yield f"cell {cell.number} was never run."


@rule("lab")
def no_outputs(book: Book) -> Iterator[str]:
    """A lab is handed out without outputs."""
    for cell in book.code:
        if cell.outputs:
            yield f"cell {cell.number} holds an output."


@rule("lesson", "lab", "solution")
def no_stray_marker(book: Book) -> Iterator[str]:
    """Markers of the authored source do not reach a notebook."""
    for cell in book.cells:
        if re.search(r"# </?(solution|stub)>", cell.source):
            yield f"cell {cell.number} shows a marker of the source."


@rule("lesson", "lab", "solution")
def small(book: Book) -> Iterator[str]:
    """A notebook stays under 300 kB, one output under 120 kB."""
    if book.size > LARGEST:
        yield f"it has {book.size // 1000} kB; {LARGEST // 1000} are the limit."
    for cell in book.code:
        if cell.size > LARGEST_OUTPUT:
            yield f"the output of cell {cell.number} has {cell.size // 1000} kB."


@rule("lesson", "solution")
def no_error_output(book: Book) -> Iterator[str]:
    """No cell shows a stack."""
    for cell in book.code:
        stack = any("Traceback (most recent call last)" in text for text in cell.outputs)
        if stack and "raises-exception" not in cell.tags:
            yield f"cell {cell.number} shows a traceback."


@rule("solution")
def solutions_pass(book: Book) -> Iterator[str]:
    """The course's own answers passed when they were run, within a number of schedules that nobody waits for."""
    for cell in book.code:
        for tag in cell.tags:
            kind, _, name = tag.partition(":")
            if kind == "exercise" and (cell.outcome != "passed" or cell.schedules > MOST_SCHEDULES):
                yield (
                    f"the check of {name} ended with «{cell.outcome or 'no verdict'}» after {cell.schedules} "
                    f"schedules; passed, and at most {MOST_SCHEDULES}, are wanted."
                )


@rule("lesson", "lab", "solution")
def code_style(book: Book) -> Iterator[str]:
    """Ruff finds nothing in the code cells; a lab may import what its answers will need."""
    spared = ["--ignore=F401"] if book.kind == "lab" else []
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise", *spared]
    command += [f"--stdin-filename={book.path}", "-"]
    found = subprocess.run(command, cwd=book.root, input=_notebook(book), capture_output=True, text=True)  # noqa: S603 - our own interpreter
    for line in found.stdout.splitlines():
        yield line.removeprefix(f"{book.path}:")
    if found.stderr.strip():
        yield f"ruff says: {found.stderr.strip().splitlines()[-1]}"


def _notebook(book: Book) -> str:
    """Return a notebook as Ruff reads it: code where there is code, and nothing else."""
    empty: dict[str, Any] = {"metadata": {}, "outputs": [], "execution_count": None}
    cells = [
        {"cell_type": "code", "source": cell.source, **empty}
        if cell.kind == "code"
        else {"cell_type": "markdown", "source": "", "metadata": {}}
        for cell in book.cells
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
