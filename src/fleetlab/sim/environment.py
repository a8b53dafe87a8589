"""What belongs to a process and not to Python: environment variables, signals, exit callbacks, library state."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from .kernel import current_task
from .process import current_process

_real_signal, _real_getsignal = signal.signal, signal.getsignal
_real_register = atexit.register
_real_getpid, _real_gethostname = os.getpid, socket.gethostname
_REFUSED = ("connect", "connect_ex", "bind")


class Environ(os._Environ[str]):
    """`os.environ`: the running process's own variables inside a task, the real ones outside."""

    def __getitem__(self, key: str) -> str:
        process = current_process()
        return super().__getitem__(key) if process is None else process.environ[key]

    def __setitem__(self, key: str, value: str) -> None:
        process = current_process()
        if process is None:
            super().__setitem__(key, value)
        elif isinstance(value, str):
            process.environ[key] = value
        else:
            raise TypeError(f"str expected, not {type(value).__name__}")

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


def isolate(shared: Any, make: Callable[[], Any]) -> None:
    """Give each process its own copy of a library's process-wide object, made by `make()` at first use.

    `shared` keeps its identity; inside a task its attributes are those of the process's copy, outside its own.
    """
    original = type(shared)
    twin = object.__new__(original)
    twin.__dict__ = shared.__dict__

    def mine() -> Any:
        process = current_process()
        return twin if process is None else process.state(twin, make)

    def get(self: Any, name: str) -> Any:
        return getattr(mine(), name)

    def put(self: Any, name: str, value: Any) -> None:
        setattr(mine(), name, value)

    def drop(self: Any, name: str) -> None:
        delattr(mine(), name)

    methods = {"__getattribute__": get, "__setattr__": put, "__delattr__": drop, "__hash__": object.__hash__}
    shared.__class__ = type(original.__name__, (original,), methods)


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
    process.exits.append(lambda: f(*args, **kwargs))
    return f


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


def _getaddrinfo(real: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        task = current_task()
        if task is not None:
            raise refusal(task.lane, f"{host}:{port}")
        return real(host, port, *args, **kwargs)

    return getaddrinfo


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    os.environ.__class__ = Environ
    replace(signal, "signal", _signal)
    replace(signal, "getsignal", _getsignal)
    replace(atexit, "register", _register)
    replace(os, "getpid", _getpid)
    replace(socket, "gethostname", _gethostname)
    replace(socket, "getaddrinfo", _getaddrinfo(socket.getaddrinfo))
    _refuse_sockets()
    isolate(logging.root, lambda: logging.RootLogger(logging.WARNING))
    isolate(logging.Logger.manager, lambda: logging.Manager(logging.root))
