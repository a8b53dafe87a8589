"""Installs the dispatchers, once: inside a task the simulation answers, outside everything is real."""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from . import chance, clocks, environment, locks, threads
from .kernel import current_task

REPLACED: dict[int, Any] = {}
"""`id` of each original to its dispatcher: for references that were bound before the installation."""

_kept: list[Any] = []
_installed = False


def install() -> None:
    """Install every dispatcher; a second call does nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    for part in (clocks, chance, locks, threads, environment):
        part.install(_replace)
    _replace(builtins, "input", _no_input(builtins.input))
    _replace_bound()


def _replace_bound() -> None:
    """Replace the originals that modules in Python have bound already, as in `from time import sleep`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fleetlab.") or not str(getattr(module, "__file__", None)).endswith(".py"):
            continue
        space = vars(module)
        for key in [key for key, value in space.items() if id(value) in REPLACED]:
            space[key] = REPLACED[id(space[key])]


def _replace(owner: Any, name: str, dispatcher: Any) -> None:
    original = getattr(owner, name)
    REPLACED[id(original)] = dispatcher
    _kept.append(original)
    setattr(owner, name, dispatcher)


def _no_input(real: Any) -> Any:
    def ask(prompt: object = "", /) -> str:
        task = current_task()
        if task is None:
            return str(real(prompt))
        raise EOFError(f"{task.lane} asked a question at its terminal ({prompt!s:.40}); nobody is there to answer.")

    ask.__name__ = ask.__qualname__ = "input"
    return ask


def adopt(f: Any) -> None:
    """Replace originals, and plain locks, among the globals that a learner's function uses."""
    function = getattr(f, "__func__", f)
    if not isinstance(function, FunctionType):
        return
    globals_ = function.__globals__
    for name in sorted(global_names(function.__code__)):
        if name in globals_:
            value = globals_[name]
            found = adopted(value)
            if found is not value:
                globals_[name] = found


def adopted(value: Any) -> Any:
    """Return the dispatcher for an original, a lock for tasks for a plain one, anything else as it is."""
    if id(value) in REPLACED:
        return REPLACED[id(value)]
    if type(value) is locks.Lock.kinds[1] and not value.locked():
        return locks.TurnLock()
    if type(value) is locks.RLock.kinds[1]:
        return locks.TurnRLock()
    return value


@lru_cache(maxsize=4096)
def global_names(code: CodeType) -> frozenset[str]:
    """Return the global names that a code object, or one nested in it, reads or writes."""
    return frozenset(_global_names(code))


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
