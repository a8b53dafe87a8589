"""Definitions that stay shared because their metaclass keeps books of them: allowed while they hold no memory."""

from __future__ import annotations

import enum
import functools
import logging
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from . import live, reach
from .live import CannotCopy, Place
from .survey import Survey, has_value

_CONTAINERS = (dict, list, set, bytearray, deque, defaultdict, OrderedDict, Counter)
_CONFIGURATION = frozenset(("model_config", "model_fields", "model_computed_fields", "type_annotation_map"))
_WRAPPED = ("__func__", "fget", "fset", "fdel", "func", "__wrapped__")


def pin(survey: Survey, thing: Any, root: type) -> None:
    """Keep a function or class shared by all instances, with everything that its code reaches.

    `root` is the class that cannot be copied. Raises CannotCopy if any of it could carry memory from one instance to
    another.
    """
    survey.pinned[id(thing)] = thing
    if id(thing) in survey.checked:
        return
    survey.checked.add(id(thing))
    if isinstance(thing, type):
        _pin_class(survey, thing, root)
    else:
        _pin_function(survey, thing, root)


def _pin_class(survey: Survey, cls: type, root: type) -> None:
    for name, value in _values(cls):
        if _is_memory(value) and not _is_configuration(cls, name):
            raise CannotCopy(f"{cls.__name__}.{name} is {_a(value)} {_why(root)}: {_INSTEAD}.")
    for value in (*vars(cls).values(), *_makers(cls)):
        for function in _functions(value):
            pin(survey, function, root)
    for base in (type(cls), *cls.__bases__):
        if reach.is_learner_class(base):
            pin(survey, base, root)


_HAND_OVER = "pass it as an argument, wrap it in types.MappingProxyType if it never changes, or keep it in env.redis"
_INSTEAD = "make it inside the factory, or keep it in env.redis or env.database"


def _a(value: Any) -> str:
    kind = "cached function" if type(value) is functools._lru_cache_wrapper else type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIO' else 'a'} {kind}"


def _why(root: type) -> str:
    return f"that all instances would share, because class {root.__name__} ({type(root).__name__}) cannot be copied"


def _values(cls: type) -> Iterator[tuple[str, Any]]:
    if isinstance(cls, enum.EnumType):
        members: dict[str, Any] = dict(cls.__members__)
        yield from ((name, member.value) for name, member in members.items())
    yield from vars(cls).items()


def _is_memory(value: Any) -> bool:
    """Tell whether a class attribute can carry something from one instance to another."""
    cls = type(value)
    if cls in _CONTAINERS or cls is functools._lru_cache_wrapper:
        return True
    if issubclass(cls, logging.Logger | type | enum.Enum):
        return False
    return live.fresh(value, Place("")) is not None or (reach.is_learner_class(cls) and type(cls) is type)


def _is_configuration(cls: type, name: str) -> bool:
    """Tell whether an attribute belongs to Python or to the library that the class derives from."""
    if name in _CONFIGURATION or name.startswith(("__", "_sa_")) or (name.startswith("_") and name.endswith("_")):
        return True
    bases = [base for base in cls.__mro__[1:] if not reach.is_learner_class(base)]
    return any(name in vars(base) or name in vars(base).get("__annotations__", ()) for base in bases)


def _makers(cls: type) -> Iterator[Any]:
    """Yield the functions that make default values: of a table's columns, of a model's fields."""
    for column in getattr(vars(cls).get("__table__"), "columns", ()):
        for default in (column.default, column.onupdate):
            made_by = getattr(default, "arg", None)
            yield made_by
            yield from (cell.cell_contents for cell in getattr(made_by, "__closure__", None) or ())
    for field in vars(cls).get("__pydantic_fields__", {}).values():
        yield getattr(field, "default_factory", None)


def _functions(value: Any) -> list[FunctionType]:
    if issubclass(type(value), ModuleType | type):
        return []
    candidates = [value] + [getattr(type(value), "__dict__", {}) and _part(value, name) for name in _WRAPPED]
    return [each for each in candidates if type(each) is FunctionType and reach.is_learner_globals(each.__globals__)]


def _part(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # a descriptor of a library that answers only inside an app


def _pin_function(survey: Survey, function: FunctionType, root: type) -> None:
    names, globals_, user = reach.names(function.__code__), function.__globals__, f"{function.__qualname__}()"
    for name in sorted(names.assigned | reach.rebound(function.__code__)):
        raise CannotCopy(f"{name}, assigned by {user}, is a variable {_why(root)}: {_INSTEAD}.")
    for name in sorted(names.used & globals_.keys()):
        value = globals_[name]
        if issubclass(type(value), ModuleType) and reach.is_learner_module(value.__name__):
            for part in sorted(names.mentioned & vars(value).keys()):
                _pin_value(survey, vars(value)[part], Place(f"{name}.{part}", user), root)
        else:
            _pin_value(survey, value, Place(name, user), root)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        _pin_value(survey, value, Place(f"a default of {user}"), root)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__" and has_value(cell):
            _pin_value(survey, cell.cell_contents, Place(name, user), root)


def _pin_value(survey: Survey, value: Any, place: Place, root: type) -> None:
    cls = type(value)
    if id(value) in survey.translate:
        raise CannotCopy(
            f"{place} was imported by name and cannot follow the simulation's time, because class {root.__name__} "
            f"({type(root).__name__}) cannot be copied: import its module and write module.{value.__name__}."
        )
    if issubclass(cls, tuple | frozenset):
        for part in value:
            _pin_value(survey, part, place, root)
    elif cls is MappingProxyType:
        for part in value.values():
            _pin_value(survey, part, place.of("[...]"), root)
    elif (cls is FunctionType and reach.is_learner_globals(value.__globals__)) or (
        issubclass(cls, type) and reach.is_learner_class(value)
    ):
        pin(survey, value, root)
    elif not issubclass(cls, logging.Logger) and not survey.shared(survey.ref(value, place)):
        raise CannotCopy(f"{place} is {_a(value)} {_why(root)}: {_HAND_OVER}.")
