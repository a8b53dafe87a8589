"""Ctrl-C ends a check, also where the answer swallows it; a KeyboardInterrupt that the answer raises does not."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from fleetlab.sim import current_task


class Interrupt:
    """Watches for Ctrl-C while a check runs: `pressed` tells whether it was."""

    def __init__(self) -> None:
        self.pressed = False
        self.watching = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        self._before = signal.getsignal(signal.SIGINT)
        self.watching = threading.current_thread() is threading.main_thread()
        if self.watching and callable(self._before):  # a program in the background has nobody who could press it
            signal.signal(signal.SIGINT, self._press)
        return self

    def _press(self, number: int, frame: FrameType | None) -> None:
        task = current_task()
        if task is None or not task.sim.stuck:  # else it is the watchdog, which wakes code that waits for ever
            self.pressed = True
        self._before(number, frame)

    def raise_if_pressed(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed and nobody has heard of it."""
        if self.pressed:
            raise KeyboardInterrupt

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.watching and callable(self._before):
            signal.signal(signal.SIGINT, self._before)
