"""Locks: a lock made in a task, or by a learner, is waited for in virtual time inside tasks and really outside."""

from __future__ import annotations

import _thread
import queue
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from .kernel import Task, WaitQueue, current_task
from .trace import is_learner_file

_real_lock = _thread.allocate_lock
_real_rlock = threading.RLock
_force = False


class TurnLock:
    """A lock with the methods of `threading.Lock`, for tasks of a simulation and for real threads."""

    __slots__ = ("__weakref__", "_owner", "_queue", "_real")

    def __init__(self) -> None:
        self._real = _real_lock()
        self._owner: Task | None = None
        self._queue: WaitQueue | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, waiting in virtual time inside a task; `timeout` is in seconds, -1 for ever."""
        task = current_task()
        if self._real.acquire(False):
            self._owner = task
            return True
        if task is None:
            return self._acquire_outside(blocking, timeout)
        return bool(blocking) and self._wait(task, timeout)

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        if blocking and self._owner is not None and self._owner.sim.is_mine():
            raise RuntimeError(
                f"A task ({self._owner.lane}) holds this lock and stands still while you are outside the simulation: "
                "take the lock inside a task, with world.call(f)."
            )
        return self._real.acquire(blocking, timeout)

    def _wait(self, task: Task, timeout: float) -> bool:
        if self._queue is None:
            self._queue = WaitQueue("a lock", lambda: self._owner or "code outside the simulation")
        deadline = None if timeout < 0 else task.sim.now + timeout
        while not self._real.acquire(False):
            left = None if deadline is None else deadline - task.sim.now
            if (left is not None and left <= 0) or not self._queue.wait(left):
                return False
        self._owner = task
        return True

    def release(self) -> None:
        """Give the lock back and wake the first task that waits for it."""
        self._owner = None
        self._real.release()
        if self._queue:
            self._queue.notify()

    def locked(self) -> bool:
        """Tell whether somebody holds the lock."""
        return self._real.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]


class TurnRLock:
    """A re-entrant lock with the methods of `threading.RLock`, for tasks and for real threads."""

    __slots__ = ("__weakref__", "_count", "_holder", "_lock")

    def __init__(self) -> None:
        self._lock = TurnLock()
        self._holder: Any = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, again if this task or thread holds it already; `timeout` is in seconds."""
        me = current_task() or _thread.get_ident()
        if self._holder == me:
            self._count += 1
            return True
        taken = self._lock.acquire(blocking, timeout)
        if taken:
            self._holder, self._count = me, 1
        return taken

    def release(self) -> None:
        """Give the lock back once."""
        if self._holder != (current_task() or _thread.get_ident()):
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._holder = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()

    # what threading.Condition asks of a lock

    def _is_owned(self) -> bool:
        return bool(self._holder == (current_task() or _thread.get_ident()))

    def _release_save(self) -> tuple[int, Any]:
        state = (self._count, self._holder)
        self._count, self._holder = 0, None
        self._lock.release()
        return state

    def _acquire_restore(self, state: tuple[int, Any]) -> None:
        self._lock.acquire()
        self._count, self._holder = state

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]


class _Dispatch(type):
    """The type of `threading.Lock` and `RLock`: calling one makes the lock that fits the place it is made in."""

    kinds: tuple[Any, ...]

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, cls.kinds)


class Lock(metaclass=_Dispatch):
    """Stands for `threading.Lock`."""

    kinds = (TurnLock, type(_real_lock()))

    def __new__(cls) -> Any:  # noqa: D102
        return TurnLock() if _virtual() else _real_lock()


class RLock(metaclass=_Dispatch):
    """Stands for `threading.RLock`."""

    kinds = (TurnRLock, type(_real_rlock()))

    def __new__(cls) -> Any:  # noqa: D102
        return TurnRLock() if _virtual() else _real_rlock()


class virtual:  # noqa: N801  (used like a function)
    """Within this context every new lock is one for tasks: for stores that the world makes outside of them."""

    def __enter__(self) -> None:
        global _force
        self._before, _force = _force, True

    def __exit__(self, *exception: object) -> None:
        global _force
        _force = self._before


def _virtual() -> bool:
    """Tell whether a new lock is made in a task, or on behalf of a learner's cell or module."""
    if _force or current_task() is not None:
        return True
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("fleetlab."):
            return False
        if is_learner_file(frame.f_code.co_filename):
            return bool(name == "__main__" or "ipykernel" in frame.f_code.co_filename or _is_plain_module(name))
        frame = frame.f_back
    return False


def _is_plain_module(name: str) -> bool:
    return not name.startswith(("_pytest", "pluggy", "IPython", "traitlets", "tornado", "zmq"))


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    replace(threading, "Lock", Lock)
    replace(threading, "RLock", RLock)
    threading._allocate_lock = Lock  # type: ignore[attr-defined]
    replace(queue, "SimpleQueue", queue._PySimpleQueue)  # type: ignore[attr-defined]
