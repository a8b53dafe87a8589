"""The code of everything that a learner runs, so that a test notices what is added to it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fleetlab.course.authoring import ROOT, notebook, targets


@cache
def sources() -> tuple[tuple[str, str, str], ...]:
    """Return name, form and code of every lesson, solution, lab and module of exercises."""
    found = []
    for target in targets():
        cells = notebook((ROOT / target.source).read_text("utf-8"), target).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        found.append((Path(target.source).stem, target.form, code))
    paths = sorted((ROOT / "src/fleetlab/exercises").rglob("*.py"))
    found += [(f"{path.parent.name}/{path.name}", "module", path.read_text("utf-8")) for path in paths]
    return tuple(found)
