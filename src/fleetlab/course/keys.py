"""Single keys from a terminal, without waiting for Enter; none where there is no terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Protocol


class Keys(Protocol):
    """Where keys come from: one pressed within so many seconds, empty if none was."""

    def __call__(self, seconds: float) -> str:
        """Wait for a key."""


def no_keys(seconds: float) -> str:
    """Let the time pass: there is nobody at a keyboard."""
    sleep(seconds)
    return ""


if sys.platform == "win32":
    import msvcrt

    @contextlib.contextmanager
    def keyboard() -> Iterator[Keys]:
        """Yield the keys of the console, if standard input is one."""
        yield _pressed if sys.stdin.isatty() else no_keys

    def _pressed(seconds: float) -> str:
        deadline = monotonic() + seconds
        while not msvcrt.kbhit():
            if monotonic() > deadline:
                return ""
            sleep(0.02)
        return str(msvcrt.getwch())

else:
    import os
    import select
    import termios
    import tty

    @contextlib.contextmanager
    def keyboard() -> Iterator[Keys]:
        """Yield the keys of the terminal, if standard input is one, and leave it as it was."""
        if not sys.stdin.isatty():
            yield no_keys
            return
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
        try:
            tty.setcbreak(handle)  # Ctrl-C still interrupts
            yield lambda seconds: _pressed(handle, seconds)
        finally:
            termios.tcsetattr(handle, termios.TCSADRAIN, before)

    def _pressed(handle: int, seconds: float) -> str:
        deadline = monotonic() + seconds
        if not select.select([handle], [], [], seconds)[0]:
            return ""
        pressed = os.read(handle, 1).decode("latin-1")
        if not pressed:  # the terminal is gone
            sleep(max(0.0, deadline - monotonic()))
        return pressed
