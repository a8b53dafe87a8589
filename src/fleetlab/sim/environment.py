"""What belongs to a process and not to Python: environment variables, signals, exit callbacks, library state."""

from __future__ import annotations

import atexit
import errno
import functools
import logging
import os
import signal
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .kernel import current_task
from .process import Process, current_process

_real_signal, _real_getsignal = signal.signal, signal.getsignal
_real_register, _real_unregister = atexit.register, atexit.unregister
_real_kill, _real_exit = os.kill, os._exit
_HARMLESS = {0, *(int(getattr(signal, name, 0)) for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"))}
_real_raise_signal = signal.raise_signal
_real_getpid, _real_gethostname = os.getpid, socket.gethostname
_REFUSED = ("connect", "connect_ex", "bind")


class Environ(os._Environ[str]):
    """`os.environ`: the running process's own variables inside a task, the real ones outside."""

    def __getitem__(self, key: str) -> str:
        process = current_process()
        return super().__getitem__(key) if process is None else process.environ[_text(key)]

    def __setitem__(self, key: str, value: str) -> None:
        process = current_process()
        if process is None:
            super().__setitem__(key, value)
        else:
            process.environ[_text(key)] = _text(value)

    def __delitem__(self, key: str) -> None:
        process = current_process()
        if process is None:
            super().__delitem__(key)
        else:
            del process.environ[key]

    def __iter__(self) -> Iterator[str]:
        process = current_process()
        return super().__iter__() if process is None else iter(list(process.environ))

    def __len__(self) -> int:
        process = current_process()
        return super().__len__() if process is None else len(process.environ)

    def __repr__(self) -> str:
        return f"environ({dict(self)!r})"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"str expected, not {type(value).__name__}")
    return value


def isolate(shared: Any, make: Callable[[], Any]) -> None:
    """Give each process its own copy of a library's process-wide object, made by `make()` at first use.

    `shared` keeps its identity; inside a task its attributes are those of the process's copy, outside its own.
    """
    original = type(shared)
    twin = object.__new__(original)
    twin.__dict__ = shared.__dict__

    def mine() -> Any:
        process = current_process()
        return twin if process is None else process.state(("isolated", id(twin)), make)

    def get(self: Any, name: str) -> Any:
        return getattr(mine(), name)

    def put(self: Any, name: str, value: Any) -> None:
        setattr(mine(), name, value)

    def drop(self: Any, name: str) -> None:
        delattr(mine(), name)

    methods = {"__getattribute__": get, "__setattr__": put, "__delattr__": drop, "__hash__": object.__hash__}
    shared.__class__ = type(original.__name__, (original,), methods)


class OwnList(list[Any]):
    """A list of which each process has its own, empty at first; outside it is an ordinary list."""

    def _mine(self) -> list[Any]:
        process = current_process()
        return self if process is None else process.state(("list", id(self)), list)


def _on_mine(name: str) -> Callable[..., Any]:
    real = getattr(list, name)

    def method(self: OwnList, *args: Any) -> Any:
        return real(self._mine(), *args)

    return method


for _name in ("append", "remove", "__contains__", "__delitem__", "__getitem__", "__iter__", "__len__"):
    setattr(OwnList, _name, _on_mine(_name))


def _signal(number: int, handler: Any) -> Any:
    """Install a signal handler: the running process's, or the real one."""
    process = current_process()
    if process is None:
        return _real_signal(number, handler)
    before = process.signals.get(int(number), signal.SIG_DFL)
    process.signals[int(number)] = handler
    return before


def _getsignal(number: int) -> Any:
    """Return a signal handler: the running process's, or the real one."""
    process = current_process()
    return _real_getsignal(number) if process is None else process.signals.get(int(number), signal.SIG_DFL)


def _register(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Call `f` when the process ends normally: the simulated one, or Python."""
    process = current_process()
    if process is None:
        return _real_register(f, *args, **kwargs)
    process.exits.append(functools.partial(f, *args, **kwargs))
    return f


def _unregister(f: Callable[..., Any]) -> None:
    """Take back every call of `f` at the end of the process."""
    process = current_process()
    if process is None:
        _real_unregister(f)
    else:
        process.exits[:] = [call for call in process.exits if getattr(call, "func", None) != f]


def _kill(pid: int, number: int, /) -> None:
    """Send a signal: inside a process to itself alone, as if each ran on a machine of its own."""
    process = current_process()
    if process is None:
        _real_kill(pid, number)
    elif pid in (process.pid, 0):
        deliver(process, number)
    else:
        raise ProcessLookupError(errno.ESRCH, "No such process")


def _raise_signal(number: int, /) -> None:
    """Send a signal to the running process."""
    process = current_process()
    if process is None:
        _real_raise_signal(number)
    else:
        deliver(process, number)


def deliver(process: Process, number: int) -> None:
    """Let a process have a signal: its handler runs, or it dies, or nothing happens, as by default."""
    handler = process.signals.get(int(number), signal.SIG_DFL)
    if callable(handler):
        handler(int(number), None)
    elif handler is not signal.SIG_IGN and int(number) not in _HARMLESS:
        process.kill()


def _exit(status: int) -> None:
    """End the running process at once: the simulated one, or Python."""
    process = current_process()
    if process is None:
        _real_exit(status)
    else:
        process.kill()


def _getpid() -> int:
    """Return the process id: 1 in a container, as everywhere where each instance has its own."""
    process = current_process()
    return _real_getpid() if process is None else process.pid


def _gethostname() -> str:
    """Return the host name: the instance's own, or the machine's."""
    process = current_process()
    return _real_gethostname() if process is None else process.name


def _refuse_sockets() -> None:
    for name in _REFUSED:
        setattr(socket.socket, name, _refusing(name, getattr(socket.socket, name)))


def _refusing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(self: socket.socket, address: Any, *args: Any) -> Any:
        task = current_task()
        if task is not None:
            raise refusal(task.lane, address)
        return real(self, address, *args)

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def refusal(lane: str, address: Any) -> RuntimeError:
    """Return the error for a real connection tried inside the simulation."""
    return RuntimeError(
        f"{lane} tried to open a real network connection to {address}: inside the simulation there is no network. "
        "Use what the instance is given: env.redis, env.database, env.http."
    )


def _asking(real: Callable[..., Any]) -> Callable[..., Any]:
    def ask(host: Any, *args: Any, **kwargs: Any) -> Any:
        task = current_task()
        if task is not None:
            port = args[0] if args else kwargs.get("port", "")
            raise refusal(task.lane, f"{host}:{port}" if port else host)
        return real(host, *args, **kwargs)

    return ask


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    os.environ.__class__ = Environ
    replace(signal, "signal", _signal)
    replace(signal, "getsignal", _getsignal)
    replace(signal, "raise_signal", _raise_signal)
    replace(atexit, "register", _register)
    replace(atexit, "unregister", _unregister)
    replace(os, "getpid", _getpid)
    replace(os, "kill", _kill)
    replace(os, "_exit", _exit)
    replace(socket, "gethostname", _gethostname)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        replace(socket, name, _asking(getattr(socket, name)))
    _refuse_sockets()
    _isolate_logging()


def _isolate_logging() -> None:
    """Give each process its own root logger, loggers by name, and list of handlers (dictConfig closes all of them)."""
    handlers = logging._handlerList = OwnList(logging._handlerList)  # type: ignore[attr-defined]
    logging.shutdown.__defaults__ = (handlers,)
    isolate(logging._handlers, weakref.WeakValueDictionary)  # type: ignore[attr-defined]
    isolate(logging.root, lambda: logging.RootLogger(logging.WARNING))
    isolate(logging.Logger.manager, lambda: logging.Manager(logging.root))
