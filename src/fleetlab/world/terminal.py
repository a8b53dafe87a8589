"""The terminal at which nobody sits: asking there ends in the end of the input, and printing there takes no time."""

from __future__ import annotations

import builtins
import getpass
import sys
from collections.abc import Callable
from typing import Any

from fleetlab.sim import current_task


def close() -> None:
    """Keep instances from the keyboard and the screen of whoever runs them.

    A notebook's kernel opens a keyboard of its own for each cell, and lets whoever flushes its screen wait for a
    thread: an instance would wait in virtual time, in vain.
    """
    for owner, name in ((builtins, "input"), (getpass, "getpass")):
        asks = getattr(owner, name)
        if asks.__module__ != __name__:
            setattr(owner, name, _closed(asks))
    screens: tuple[Any, ...] = (type(sys.stdout), type(sys.stderr))
    for screen in screens:
        if hasattr(screen, "flush_timeout") and screen.flush.__module__ != __name__:
            screen.flush = _later(screen.flush)


def _closed(asks: Callable[..., str]) -> Callable[..., str]:
    def ask(*args: Any, **kwargs: Any) -> str:
        task = current_task()
        if task is None:
            return asks(*args, **kwargs)
        question = next(iter(args), "")
        raise EOFError(f"{task.lane} asked a question at its terminal ({question!s:.40}); nobody is there to answer.")

    return ask


def _later(flush: Callable[..., None]) -> Callable[..., None]:
    def flush_later(self: Any) -> None:
        if current_task() is None:  # what an instance prints is shown with the cell's own next words
            flush(self)

    return flush_later
