"""A progress line for checks that take longer than half a second; it leaves no output behind."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """Counts schedules while a check runs, in a notebook or a terminal."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._began = time.perf_counter()
        self._shown = 0.0
        self._kernel = _kernel()

    def __enter__(self) -> Progress:
        return self

    def step(self, runs: int) -> None:
        """Note one more schedule."""
        now = time.perf_counter()
        if now - self._began > 0.5 and now - self._shown > 0.2:
            self._shown = now
            self._show(f"{self.title}: {runs} schedules so far …")

    def _show(self, text: str) -> None:
        if self._kernel:
            from IPython.display import clear_output, display

            clear_output(wait=True)  # type: ignore[no-untyped-call]
            display({"text/plain": text}, raw=True)  # type: ignore[no-untyped-call]
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r{text}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if not self._shown:
            return
        if self._kernel:
            from IPython.display import clear_output

            clear_output()  # type: ignore[no-untyped-call]
        elif sys.stderr.isatty():
            sys.stderr.write("\r" + " " * 79 + "\r")


def _kernel() -> bool:
    try:
        from IPython import get_ipython  # type: ignore[attr-defined]
    except ImportError:
        return False
    shell = get_ipython()  # type: ignore[no-untyped-call]
    return shell is not None and hasattr(shell, "kernel")
