"""A watchdog for code that takes no step: it looks in from a real thread, in real time, and ends that code."""

from __future__ import annotations

import _thread
import ast
import ctypes
import linecache
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from .task import current_task
from .trace import is_learner_file, source_line

if TYPE_CHECKING:
    from .kernel import Simulation

PATIENCE = 3.0
"""Seconds of the processor without a single turn before code counts as stuck; ten times as many if it only waits.

The processor's seconds, because a loaded machine takes long for little.
"""

_sleep, _signal, _getsignal = time.sleep, signal.signal, signal.getsignal
_processor = time.process_time
_main_thread = threading.main_thread().ident
_watched: dict[int, list[Simulation]] = {}
_patrols = False


class Stuck(BaseException):
    """Raised by the watchdog inside code that takes no step; code that swallows it is left for ever, where it stands.

    That is found out where the instance is given up, not where it is made: Python 3.11 makes it while a guard of the
    stack is raised, which would stay so.
    """

    def __init__(self) -> None:
        self.task = current_task()
        if self.task is not None and not self.task.finished:
            self.task.sim.strike(self.task)

    def __del__(self) -> None:
        if self.task is not None and self.task is current_task() and not self.task.finished:
            self.task.sim.park(self.task)


def watch(sim: Simulation) -> None:
    """Watch the simulation that the current thread drives."""
    global _patrols
    thread = _thread.get_ident()
    _watched.setdefault(thread, []).append(sim)
    if thread == _main_thread and _getsignal(signal.SIGINT) is signal.SIG_IGN:
        _signal(signal.SIGINT, _wake)
    if not _patrols:
        _patrols = True
        _thread.start_new_thread(_patrol, ())


def unwatch() -> None:
    """Stop watching what the current thread drives: it has handed back control."""
    sims = _watched[_thread.get_ident()]
    sims.pop()
    if not sims:
        del _watched[_thread.get_ident()]


def _wake(number: int, frame: FrameType | None) -> None:
    """End a wait in the operating system if the code is stuck there; a background job ignores Ctrl-C otherwise."""
    if any(sim.stuck for sims in _watched.values() for sim in sims):
        raise KeyboardInterrupt


def _forked() -> None:
    global _patrols
    _patrols = False


def _patrol() -> None:
    seen: dict[int, tuple[Simulation, int]] = {}
    quiet: dict[int, float] = {}
    while True:
        tick, began = min(0.25, PATIENCE / 2), _processor()
        _sleep(tick)
        spent = max(min(tick, _processor() - began), tick / 10)
        for thread in [thread for thread in seen if thread not in _watched]:
            del seen[thread]
        for thread, sims in list(_watched.items()):
            sim = next(reversed(sims), None)  # the innermost: a task may run a simulation of its own
            if sim is None:
                continue
            state = (sim, sim.turns)
            quiet[thread] = quiet.get(thread, 0.0) + spent if seen.get(thread) == state else 0.0
            seen[thread] = state
            if quiet[thread] >= PATIENCE and not _imports(thread):
                _end(sim, thread)
                quiet[thread] = 0.0


def _frames(thread: int) -> Iterator[FrameType]:
    frame = sys._current_frames().get(thread)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _imports(thread: int) -> bool:
    """Tell whether a thread is importing a module, which may take long on a cold disk."""
    for frame in _frames(thread):
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or is_learner_file(name):
            return name.startswith("<frozen importlib")
    return False


def _end(sim: Simulation, thread: int) -> None:
    """Leave the code that is running; where it waits in the operating system, a signal wakes it."""
    again, sim.stuck = bool(sim.stuck), sentence(list(_frames(thread)))
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stuck))
    if again and thread == _main_thread and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)


def sentence(frames: list[FrameType]) -> str:
    """Return which loop of the learner's code, or else which line, never ends; frames are innermost first."""
    own = [frame for frame in frames if is_learner_file(frame.f_code.co_filename)] or frames
    for frame in own:
        line = loop_line(frame.f_code.co_filename, frame.f_code.co_firstlineno, frame.f_lineno)
        if line:
            return f"the loop at line {source_line(frame.f_code, line)} takes no step and never ends: {_MEANWHILE}"
    if not own:
        return f"it takes no step and never ends: {_MEANWHILE}"
    where = source_line(own[0].f_code, own[0].f_lineno)
    return f"the code at line {where} takes no step and never ends: {_MEANWHILE}"


_MEANWHILE = "nothing else can run meanwhile."


def loop_line(filename: str, first: int, number: int) -> int:
    """Return the line of the innermost loop around line `number` of a function that starts at `first`, or 0."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return 0
    around = [
        (isinstance(node, ast.While), node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.While | ast.For) and first <= node.lineno <= number <= (node.end_lineno or node.lineno)
    ]
    return max(around, default=(False, 0))[1]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
