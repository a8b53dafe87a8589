"""A watchdog for code that takes no step: it looks in from a real thread, in real time, and interrupts."""

from __future__ import annotations

import ast
import ctypes
import linecache
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from .trace import learner_frame, source_line

if TYPE_CHECKING:
    from .kernel import Simulation

PATIENCE = 3.0
"""Real seconds without a single turn before code counts as stuck."""

_sleep = time.sleep
_watched: dict[int, tuple[Simulation, int]] = {}
_thread: threading.Thread | None = None


def watch(sim: Simulation) -> None:
    """Watch the simulation that the current thread drives."""
    global _thread
    _watched[id(sim)] = (sim, threading.get_ident())
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_patrol, name="fleetlab watchdog", daemon=True)
        _thread.start()


def unwatch(sim: Simulation) -> None:
    """Stop watching: the simulation has handed back control."""
    _watched.pop(id(sim), None)


def _patrol() -> None:
    seen: dict[int, tuple[int, float]] = {}
    while True:
        _sleep(0.25)
        for key, (sim, thread) in list(_watched.items()):
            turn = sim.turns
            before, quiet = seen.get(key, (-1, 0.0))
            quiet = quiet + 0.25 if turn == before else 0.0
            seen[key] = (turn, quiet)
            if quiet >= PATIENCE:
                _interrupt(sim, thread)
        for key in [key for key in seen if key not in _watched]:
            del seen[key]


def _interrupt(sim: Simulation, thread: int) -> None:
    frame = learner_frame(sys._current_frames().get(thread))
    if frame is None:
        return
    sim.stuck = _sentence(frame)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_stuck()))


def _stuck() -> type[BaseException]:
    from .kernel import Stuck  # the kernel imports this module

    return Stuck


def _sentence(frame: FrameType) -> str:
    line = loop_line(frame.f_code.co_filename, frame.f_lineno)
    where = source_line(frame.f_code, line or frame.f_lineno)
    what = "the loop" if line else "the code"
    return f"{what} at line {where} takes no step and never ends: nothing else can run meanwhile."


def loop_line(filename: str, number: int) -> int:
    """Return the line of the innermost `while` or `for` around a line of a source file, or 0."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return 0
    around = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.While | ast.For) and node.lineno <= number <= (node.end_lineno or node.lineno)
    ]
    return max(around, default=0)
