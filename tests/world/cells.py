"""Notebook cells for tests: source text run as IPython runs it, in globals of their own."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

from fleetlab.world.memory import Image, image


def notebook(source: str) -> dict[str, Any]:
    """Run one cell and return its globals."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(dedent(source), "<ipython-input-1>", "exec", dont_inherit=True), names)
    return names


def shop(source: str) -> Image:
    """Return the image of the `shop` that a cell defines."""
    return image(notebook(source)["shop"])


def two(source: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return two loads of the `shop` that a cell defines."""
    made = shop(source)
    return made.load(), made.load()
