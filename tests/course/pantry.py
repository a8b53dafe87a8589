"""The cells of a small lab with two exercises, as learner and authors may have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
DATED = "2026-01-05-090000"

# Checks that publish verdicts as the real ones do, in a kernel that need not load the real ones.
SET_UP = """
from IPython.display import display
def check(name, answer, right):
    passed = answer() == right
    harm = {} if passed else dict(id="S07-WRONG", sentence="It is wrong.", token="0-1")
    outcome = "passed" if passed else "failed"
    verdict = dict(exercise="07." + name, outcome=outcome, schedules=3, bound="one preemption", **harm)
    display({"application/vnd.fleetlab.check+json": verdict, "text/plain": ""}, raw=True)
    assert passed
""".strip()

MYST = """---
jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# Pantry

```{{code-cell}} ipython3
{set_up}
```

```{{code-cell}} ipython3
:tags: ["solution:jam"]
def jam():
    # <solution>
    return "jam"
    # </solution>
    # <stub>
    # return None  # TODO
    # </stub>
```

```{{code-cell}} ipython3
:tags: ["exercise:jam"]
check("jam", jam, "jam")
```

```{{code-cell}} ipython3
:tags: ["solution:tea"]
def tea():
    # <solution>
    return "tea"
    # </solution>
    # <stub>
    # return None  # TODO
    # </stub>
```

```{{code-cell}} ipython3
:tags: ["exercise:tea"]
check("tea", tea, "tea")
```
"""

STUBS = {name: f"def {name}():\n    return None  # TODO" for name in ("jam", "tea")}
ANSWERS = {name: f'def {name}():\n    return "{name}"' for name in ("jam", "tea")}


def cell(text: str, *tags: str, kind: str = "code") -> dict[str, Any]:
    """Return a cell as Jupyter stores it."""
    found: dict[str, Any] = {"cell_type": kind, "metadata": {"tags": list(tags)} if tags else {}}
    found["source"] = text.splitlines(keepends=True)
    return {**found, "outputs": [], "execution_count": None} if kind == "code" else found


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook of these cells, numbered as `make build` does."""
    numbered = [{**one, "id": f"cell-{number}"} for number, one in enumerate(cells, 1)]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {"cells": numbered, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def pantry(answers: dict[str, str] = STUBS, set_up: str = SET_UP) -> dict[str, Any]:
    """Return the lab with these answers."""
    exercises = [
        one
        for name in ("jam", "tea")
        for one in (
            cell(answers[name], f"solution:{name}"),
            cell(f'check("{name}", {name}, "{name}")', f"exercise:{name}"),
        )
    ]
    return notebook(cell("# Pantry", kind="markdown"), cell(set_up), *exercises)


def store(path: Path, book: dict[str, Any]) -> None:
    """Write a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book, indent=1), "utf-8")
