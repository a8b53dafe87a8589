"""A progress line for checks that take longer than half a second; nothing of it stays behind.

In a notebook the line stands where the verdict will stand: the verdict then takes its place, so what is stored does
not depend on how fast a machine is. Where nobody watches (nbclient, nbval, a pipe), there is no line at all.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from .wording import plural

DELAY = 0.5
"""Real seconds before the line appears."""

_PAUSE = 0.2


class Progress:
    """Counts runs while a check goes on, in a notebook or a terminal; `handle` is its place in a notebook."""

    def __init__(self, title: str, noun: str = "schedule") -> None:
        self.title = title
        self.noun = noun
        self.handle: Any = None
        self.runs = 0
        self._began = time.perf_counter()
        self._shown = 0.0
        self._length = 0

    def __enter__(self) -> Progress:
        return self

    def step(self) -> None:
        """Note one more run."""
        self.runs += 1
        now = time.perf_counter()
        if now - self._began > DELAY and now - self._shown > _PAUSE:
            self._shown = now
            self._show(f"{self.title}: {plural(self.runs, self.noun)} so far …")

    def _show(self, text: str) -> None:
        if in_notebook():
            if somebody_watches():
                self.handle = show({"text/plain": text}, self.handle)
        elif sys.stderr.isatty():
            self._length = max(self._length, len(text))
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()

    def stopped(self, kind: type[BaseException]) -> BaseException:
        """Return the error for a check that was ended by hand; in a notebook the line says so where it stood."""
        text = f"Stopped after {plural(self.runs, self.noun)}; there is no verdict."
        if self.handle is not None:
            show({"text/plain": f"{self.title}: stopped."}, self.handle)
        return kind(text)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()


def shell() -> Any:
    """Return IPython's shell, or None outside IPython; imports nothing that is not there already."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def in_notebook() -> bool:
    """Tell whether this is the kernel of a notebook."""
    return getattr(shell(), "kernel", None) is not None


def somebody_watches() -> bool:
    """Tell whether the running cell was started by somebody who could answer a question: not by nbclient or nbval."""
    return bool(getattr(getattr(shell(), "kernel", None), "_allow_stdin", False))


def show(bundle: dict[str, Any], handle: Any = None) -> Any:
    """Display a bundle, in the place of what `handle` stands for if there is one; return the handle of its place."""
    from IPython.display import DisplayHandle

    if handle is None:
        handle = DisplayHandle()
        handle.display(bundle, raw=True)
    else:
        handle.update(bundle, raw=True)
    return handle
