"""Clocks and sleep: inside a task they are the simulation's, outside they are real.

`time.time`, `datetime` and their relatives are moved by time-machine, which patches them where C looks them up, so
that references bound earlier follow. The clocks it leaves alone are replaced by dispatchers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import _time_machine
import time_machine
from greenlet import getcurrent

from .kernel import current_task

_real_sleep = time.sleep
_real_time_ns = _time_machine.original_time_ns


def time_ns() -> int:
    """Return the Unix time in nanoseconds: the running task's, or the real one."""
    task = current_task()
    if task is None:
        return int(_real_time_ns())
    sim, process = task.sim, task.process
    now = sim.now if process is None else process.clock(sim.now)
    return round((sim.epoch + now) * 1e6) * 1000


def sleep(seconds: float, /) -> None:
    """Sleep in the running task's virtual time, or really."""
    try:
        task = getcurrent()
        sim = task.sim
    except (AttributeError, RuntimeError):  # no task; or, where Python is shutting down, no greenlets
        _real_sleep(seconds)
        return
    if not seconds >= 0:
        raise ValueError("sleep length must be non-negative")
    if sim._tracing:
        sim._note_sleep(task, seconds)
    sim._until(task, sim.now + seconds)


def _monotonic(real: Callable[[], float]) -> Callable[[], float]:
    def clock() -> float:
        task = current_task()
        if task is None:
            return real()
        sim, process = task.sim, task.process
        return sim.now if process is None else process.clock(sim.now) - process.offset

    clock.__name__ = clock.__qualname__ = real.__name__
    return clock


def _nanoseconds(clock: Callable[[], float], real: Callable[[], int]) -> Callable[[], int]:
    def clock_ns() -> int:
        return round(clock() * 1e9) if current_task() is not None else real()

    clock_ns.__name__ = clock_ns.__qualname__ = real.__name__
    return clock_ns


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    traveller = time_machine.travel(0.0).start()
    traveller.time_ns = time_ns  # type: ignore[method-assign]
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        if not hasattr(time, name):
            continue
        real_ns = getattr(time, f"{name}_ns")
        clock = _monotonic(getattr(time, name))
        replace(time, name, clock)
        replace(time, f"{name}_ns", _nanoseconds(clock, real_ns))
    replace(time, "sleep", sleep)
