"""How an instance ends itself: `os._exit`, `os.abort`, `os.kill` and their kin mean the instance, not the notebook."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from fleetlab.sim import Process, patches
from fleetlab.sim.process import current_process

_real_exit, _real_abort, _real_kill = os._exit, os.abort, os.kill
_real_raise, _real_fork = signal.raise_signal, getattr(os, "fork", None)


class Ended(Exception):
    """A process ended itself without a word; the message says how."""


class Platform(Protocol):
    """Who starts and stops a process."""

    def quit(self, how: str) -> None:
        """End the process at once, as it asked."""

    def terminate(self) -> None:
        """Deliver SIGTERM."""


def runs_on(process: Process, platform: Platform) -> None:
    """Let `platform` hear of it when `process` ends itself or sends itself a signal."""
    process.state(_real_exit, lambda: platform)


def _platform() -> Platform | None:
    process = current_process()
    return process.state(_real_exit, lambda: None) if process is not None else None


def _exit(status: int) -> NoReturn:
    """End the process at once: the instance's, or Python."""
    platform = _platform()
    if platform is not None:
        platform.quit(f"os._exit({status})")
    _real_exit(status)


def _abort() -> NoReturn:
    """Abort the process: the instance's, or Python."""
    platform = _platform()
    if platform is not None:
        platform.quit("os.abort()")
    _real_abort()


def _kill(pid: int, number: int, /) -> None:
    """Send a signal to a process: an instance sees no process but its own."""
    process, platform = current_process(), _platform()
    if process is None or platform is None:
        _real_kill(pid, number)
    elif pid != process.pid:
        raise ProcessLookupError(3, "No such process")
    else:
        _deliver(process, platform, number)


def _raise_signal(number: int, /) -> None:
    """Send a signal to the own process: the instance's, or Python."""
    process, platform = current_process(), _platform()
    if process is None or platform is None:
        _real_raise(number)
    else:
        _deliver(process, platform, number)


def _deliver(process: Process, platform: Platform, number: int) -> None:
    handler = process.signals.get(int(number), signal.SIG_DFL)
    if number == signal.SIGTERM:
        platform.terminate()
    elif callable(handler):
        handler(int(number), None)
    elif number and handler is not signal.SIG_IGN:
        platform.quit(signal.Signals(number).name)


def _fork() -> int:
    """Refuse to fork inside an instance."""
    process = current_process()
    if process is not None:
        raise RuntimeError(
            f"{process.name} tried os.fork(): an instance is one process; start a thread, or deploy more instances."
        )
    assert _real_fork is not None
    return int(_real_fork())


def install(replace: Callable[[Any, str, Any], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    replace(os, "_exit", _exit)
    replace(os, "abort", _abort)
    replace(os, "kill", _kill)
    replace(signal, "raise_signal", _raise_signal)
    if _real_fork is not None:
        replace(os, "fork", _fork)


install(patches._replace)
