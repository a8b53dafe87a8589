"""Why a run does not repeat itself: what in the answer's code differs from run to run."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from fleetlab.sim.trace import source_line

from .wording import listed

_SET = "a set, which has no order of its own"
_CACHE = "a cache, which may outlive the run"
_CAUSES = {
    "id": "id(), an address that is another in each run",
    "hash": "hash(), which for most objects is another in each run",
    "set": _SET,
    "frozenset": _SET,
    "open": "a file, which outlives the run",
    "subprocess": "another program",
    "socket": "a real connection",
    "cache": _CACHE,
    "lru_cache": _CACHE,
}
_ATTRIBUTES = {"SystemRandom": "the system's own randomness", "cache": _CACHE, "lru_cache": _CACHE}
_ALL = (
    "The same schedule must give the same steps: look for id(), the order of a set, a cache that outlives the run, "
    "or something real, such as a file."
)
_SETS = ("BUILD_SET", "SET_ADD", "SET_UPDATE")


def likely(answer: Any) -> str:
    """Return a sentence that names what in an answer's code is likely not to repeat itself, with its lines."""
    found: dict[str, str] = {}
    for code in _codes(answer):
        for cause, number in _causes(code):
            found.setdefault(cause, f"{cause} (line {source_line(code, number)})")
    return f"The likely cause is {listed(list(found.values())[:3], 'or')}." if found else _ALL


def _codes(answer: Any) -> Iterator[CodeType]:
    """Yield the code of an answer, of what is nested in it, and of the functions that its variables hold."""
    pending, seen = [answer], set[int]()
    while pending:
        here = pending.pop(0)
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, CodeType):
            yield here
            pending += [constant for constant in here.co_consts if isinstance(constant, CodeType)]
        elif isinstance(here, functools.partial):
            pending.append(here.func)
        elif isinstance(inner := inspect.unwrap(here) if callable(here) else here, FunctionType):
            pending += [inner.__code__, *_cells(inner), *_used(inner)]


def _cells(function: FunctionType) -> list[Any]:
    """Return what the variables of the functions around it hold."""
    return [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]


def _filled(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:
        return False


def _used(function: FunctionType) -> list[Any]:
    """Return the functions among its globals that were written beside it."""
    globals_ = function.__globals__
    named = [globals_.get(name) for name in function.__code__.co_names]
    return [f for f in named if isinstance(f, FunctionType) and f.__globals__ is globals_]


def _causes(code: CodeType) -> Iterator[tuple[str, int]]:
    """Yield what code uses that may differ from run to run, with its line."""
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        line = (instruction.positions.lineno if instruction.positions else None) or line
        name = str(instruction.argval)
        if instruction.opname in _SETS:
            yield _SET, line
        elif instruction.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME")) and name in _CAUSES:
            yield _CAUSES[name], line
        elif instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")) and name in _ATTRIBUTES:
            yield _ATTRIBUTES[name], line
