"""What a piece of code can reach by name, and whose code it is: the learner's or a library's."""

from __future__ import annotations

import builtins
import dis
import functools
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

from fleetlab.sim.trace import is_learner_file

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
# With these a program reaches names that it spells in strings.
_BY_STRING = frozenset({"globals", "vars", "eval", "exec"})
_IN_C = (MethodDescriptorType, WrapperDescriptorType)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made by a class statement or a call, not in C


@dataclass(frozen=True, slots=True)
class Names:
    """The names in one piece of code, nested functions included.

    `used` are globals read or assigned, `assigned` only the latter, `mentioned` attributes and strings that are names,
    `imports` the `(level, module, names)` of its import statements.
    """

    used: frozenset[str]
    assigned: frozenset[str]
    mentioned: frozenset[str]
    imports: frozenset[tuple[int, str, tuple[str, ...]]]


@functools.lru_cache(maxsize=4096)
def names(code: CodeType) -> Names:
    """Return the names that `code` and the code nested in it can reach."""
    used, assigned, imports = set(), set(), set()
    mentioned = set(code.co_names)
    words: set[str] = set()
    for reached in _nested(code):
        reads, writes, brought = _scan(reached)
        used |= reads
        assigned |= writes
        imports |= brought
        mentioned.update(reached.co_names, (text for text in _strings(reached) if text.isidentifier()))
        words.update(word for text in _strings(reached) for word in re.findall(r"[^\W\d]\w*", text))
    if used & _BY_STRING:
        used |= words
    return Names(frozenset(used | assigned), frozenset(assigned), frozenset(mentioned), frozenset(imports))


def rebound(code: CodeType) -> set[str]:
    """Return the variables of the function around it to which code gives new values (`nonlocal`)."""
    steps = [step for reached in _nested(code) for step in dis.get_instructions(reached)]
    written = {step.argval for step in steps if step.opname in ("STORE_DEREF", "DELETE_DEREF")}
    return written & set(code.co_freevars)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _strings(code: CodeType) -> list[str]:
    return [constant for constant in code.co_consts if isinstance(constant, str)]


def _scan(code: CodeType) -> tuple[set[str], set[str], set[tuple[int, str, tuple[str, ...]]]]:
    """Return the globals that one code object reads and writes, and what it imports."""
    reads, writes, imports = set(), set(), set()
    local: set[str] = set()
    before: list[Any] = [None, None]
    for instruction in dis.get_instructions(code):
        name, operation = instruction.argval, instruction.opname
        if operation in _READS and name not in local:
            reads.add(name)
        elif operation in _WRITES:
            writes.add(name)
        elif operation == "STORE_NAME":
            local.add(name)  # a class body's own name, from here on
        elif operation == "IMPORT_NAME":
            imports.add((before[0] or 0, name, tuple(before[1] or ())))
        before = [before[1], name]
    return reads, writes, imports


def is_learner_module(name: str | None) -> bool:
    """Tell whether a module of this name is the learner's: neither Python's, nor an installed package's, nor ours."""
    if not name or name == "__main__":
        return True
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "fleetlab":
        return False
    module = sys.modules.get(top)
    return module is None or _is_learner_path(_file(module))


def _is_learner_path(file: str) -> bool:
    return is_learner_file(file) and "dist-packages" not in file  # Debian's name for site-packages


def _file(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    if file is None:
        file = next(iter(getattr(module, "__path__", ())), "")  # a package without an __init__.py
    return str(file)


def is_learner_globals(namespace: Mapping[str, Any]) -> bool:
    """Tell whether a function with these globals is the learner's; code run by `exec` counts as such."""
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or vars(module) is not namespace:
        return True
    return is_learner_module(name)


def is_learner_class(cls: type) -> bool:
    """Tell whether a class was defined in the learner's code."""
    if cls.__module__ == "builtins":
        return _is_python_class(cls) and vars(builtins).get(cls.__name__) is not cls
    if is_learner_module(cls.__module__):
        return True
    if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls:
        return False  # its module knows it, whatever its decorators have made of its methods
    return any(_poses_as(function, cls.__module__) for function in vars(cls).values())


def _is_python_class(cls: type) -> bool:
    """Tell a class statement from a type made in C; one run by exec without a `__name__` says "builtins" too."""
    slots = (value for value in vars(cls).values() if isinstance(value, _IN_C))
    return bool(cls.__flags__ & _HEAP_TYPE) and not any(slot.__objclass__ is cls for slot in slots)


def _poses_as(thing: Any, module: str) -> bool:
    """Tell whether a function comes from code that was run under the name of a library module."""
    return (
        isinstance(thing, FunctionType)
        and thing.__globals__.get("__name__") == module
        and is_learner_globals(thing.__globals__)
    )


def is_library_function(function: FunctionType) -> bool:
    """Tell whether a function is found under its own name in a library, so that it is no learner's closure."""
    if is_learner_module(function.__module__):
        return False
    found: Any = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def library_objects() -> frozenset[int]:
    """Return the ids of everything that library modules hold by name: theirs, so shared like their code."""
    learner: dict[str, bool] = {}
    ids: set[int] = set()
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if top not in learner:
            learner[top] = is_learner_module(top)
        if not learner[top] and top != "builtins" and isinstance(module, ModuleType):
            ids.update(map(id, vars(module).values()))
    return frozenset(ids)


def learner_modules(code: CodeType, namespace: Mapping[str, Any]) -> list[ModuleType]:
    """Return the learner's own modules that import statements inside `code` bring in, importing those still missing."""
    found = []
    for level, name, members in sorted(names(code).imports):
        full = importlib.util.resolve_name("." * level + name, namespace.get("__package__") or "") if level else name
        parts = full.split(".")
        wanted = [".".join(parts[: n + 1]) for n in range(len(parts))] + [f"{full}.{member}" for member in members]
        found += [module for each in wanted if (module := _import(each)) is not None]
    return found


def _import(name: str) -> ModuleType | None:
    """Return a learner's module, or None: the import statement itself tells the learner what is wrong with it."""
    try:
        if name not in sys.modules and not _is_learner_spec(name):
            return None
        module = importlib.import_module(name)
    except Exception:
        return None
    return module if is_learner_module(name) else None


def _is_learner_spec(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "fleetlab":
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and _is_learner_path(spec.origin)
