"""Threads started inside a task run as tasks of its process; thread-local storage is per task."""

from __future__ import annotations

import _thread
import concurrent.futures
import concurrent.futures.thread
import threading
from collections.abc import Callable
from typing import Any

from .kernel import Task, current_task

_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_is_alive = threading.Thread.is_alive
_real_current = threading.current_thread
_real_get_ident = threading.get_ident
_FIRST_IDENT = 1 << 40


def _start(self: threading.Thread) -> None:
    """Start the thread: as a task inside a task, really outside."""
    parent = current_task()
    if parent is None:
        _real_start(self)
        return
    if self._started.is_set():  # type: ignore[attr-defined]
        raise RuntimeError("threads can only be started once")
    process = parent.process
    spawn = process.spawn if process is not None else parent.sim.spawn
    task = spawn(_run, self, name=f"{parent.lane} {self.name}", daemon=True)
    task.locals["thread"] = self
    self._task = task  # type: ignore[attr-defined]
    self._ident = ident(task)  # type: ignore[attr-defined]
    self._started.set()  # type: ignore[attr-defined]


def _run(thread: threading.Thread) -> None:
    try:
        thread.run()
    except SystemExit:
        pass  # ends a thread without a word, as it does in Python
    except Exception as error:
        task = current_task()
        assert task is not None
        task.sim.fail(task, error)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    """Wait for the thread: in virtual time if it is a task, really otherwise."""
    task = getattr(self, "_task", None)
    if task is None:
        _real_join(self, timeout)
    elif current_task() is not None:
        task.wait(timeout)


def _numbering(real: Callable[[], int], first: int) -> Callable[..., int]:
    """Return a counter for the names of threads: the running process's own, from `first` on, and real outside."""

    def number(*_: object) -> int:
        task = current_task()
        return real() if task is None else _next(task, (task.process, real), first)

    return number


def _next(task: Task, key: Any, first: int = 1) -> int:
    """Return the next number of a series that the task's simulation keeps under `key`."""
    numbers = task.sim.numbers
    numbers[key] = numbers.get(key, first - 1) + 1
    return numbers[key]


def _hash(self: Any) -> int:
    """Return a hash that is the same in every run: the standard library waits for threads and futures in set order."""
    number = self.__dict__.get("_number")
    if number is None:
        task = current_task()
        number = self._number = object.__hash__(self) if task is None else _next(task, "hash")
    return int(number)


def _is_alive(self: threading.Thread) -> bool:
    task = getattr(self, "_task", None)
    return _real_is_alive(self) if task is None else not task.finished


def ident(task: Task) -> int:
    """Return a task's thread identifier, the same in every run."""
    number = task.locals.get("ident")
    if number is None:
        task.sim.idents += 1
        number = task.locals["ident"] = _FIRST_IDENT + task.sim.idents
    return int(number)


def get_ident() -> int:
    """Return the identifier of the running task, or of the real thread."""
    task = current_task()
    return ident(task) if task is not None else _real_get_ident()


def current_thread() -> threading.Thread:
    """Return the `Thread` of the running task, or the real one."""
    task = current_task()
    if task is None:
        return _real_current()
    thread: Any = task.locals.get("thread")
    if thread is None:
        thread = task.locals["thread"] = threading.Thread(name=task.name, daemon=True)
        thread._task = task
        thread._ident = ident(task)
        thread._started.set()
    return thread  # type: ignore[no-any-return]


class local(_thread._local):  # noqa: N801  (its name in threading)
    """Stands for `threading.local`: one set of attributes a task, and one a real thread outside."""

    __slots__ = ("_made_with",)  # of the object itself, the same in every task and thread

    def __new__(cls, *args: Any, **kwargs: Any) -> local:  # noqa: D102
        self = super().__new__(cls, *args, **kwargs)
        _made_with.__set__(self, (args, kwargs))
        return self

    def _of(self, task: Task) -> dict[str, Any]:
        made_with = _made_with.__get__(self)  # also stands for this object as a key: subclasses may not be hashable
        _, store = task.locals.get(id(made_with), (None, None))
        if store is None:
            store = {}
            task.locals[id(made_with)] = (made_with, store)
            init = type(self).__init__
            if init is not object.__init__:
                args, kwargs = made_with
                init(self, *args, **kwargs)
        return store  # type: ignore[no-any-return]

    def __getattribute__(self, name: str) -> Any:
        task = current_task()
        if task is None or name == "_of":
            return super().__getattribute__(name)
        store = self._of(task)
        if name == "__dict__":
            return store
        return store[name] if name in store else _class_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        task = current_task()
        if task is None:
            super().__setattr__(name, value)
            return
        descriptor: Any = getattr(type(self), name, None)
        if hasattr(type(descriptor), "__set__"):
            descriptor.__set__(self, value)
        else:
            self._of(task)[name] = value

    def __delattr__(self, name: str) -> None:
        task = current_task()
        if task is None:
            super().__delattr__(name)
        elif name in self._of(task):
            del self._of(task)[name]
        else:
            raise AttributeError(name)


_made_with = local.__dict__["_made_with"]


def _class_attribute(self: local, name: str) -> Any:
    for cls in type(self).__mro__:
        if name in cls.__dict__:
            value = cls.__dict__[name]
            return value.__get__(self, type(self)) if hasattr(value, "__get__") else value
    raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    replace(threading, "local", local)
    replace(threading, "get_ident", get_ident)
    replace(threading, "current_thread", current_thread)
    threading.Thread.start = _start  # type: ignore[method-assign]
    threading.Thread.join = _join  # type: ignore[method-assign]
    threading.Thread.is_alive = _is_alive  # type: ignore[method-assign]
    threading._counter = _numbering(threading._counter, 1)  # type: ignore[attr-defined]
    for kind in (threading.Thread, concurrent.futures.Future):
        kind.__hash__ = _hash  # type: ignore[method-assign]
    pool = concurrent.futures.thread.ThreadPoolExecutor
    pool._counter = _numbering(pool._counter, 0)  # type: ignore[attr-defined]
