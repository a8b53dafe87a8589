"""Chooses the recipe of a thing by what kind of thing it is."""

from __future__ import annotations

import contextvars
import enum
import functools
import types
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from . import definitions, values
from .live import Place
from .recipes import Recipe
from .survey import Survey

Recipes = Callable[[Survey, Any, Place], Recipe | None]

_CODE: dict[type, Recipes] = {
    types.FunctionType: definitions.function,
    types.CellType: definitions.cell,
    types.MethodType: definitions.method,
    types.BuiltinMethodType: definitions.builtin_method,
    types.MethodWrapperType: definitions.builtin_method,
    staticmethod: definitions.wrapper,
    classmethod: definitions.wrapper,
    functools._lru_cache_wrapper: definitions.cache,
}
_BOUND = (types.MethodType, types.BuiltinMethodType, functools._lru_cache_wrapper)
_DATA: dict[type, Recipes] = {
    dict: values.mapping,
    list: values.sequence,
    deque: values.sequence,
    set: values.set_,
    bytearray: values.octets,
    tuple: values.fixed,
    frozenset: values.fixed,
    types.MappingProxyType: values.view,
    contextvars.ContextVar: values.context_variable,
    weakref.ref: values.weak_reference,
    weakref.WeakKeyDictionary: values.weak_mapping,
    weakref.WeakValueDictionary: values.weak_mapping,
    weakref.WeakSet: values.weak_set,
}


def _shared(survey: Survey, thing: Any, place: Place) -> None:
    """Share a thing, whatever it is."""


_DERIVED: tuple[tuple[type, Recipes], ...] = (
    (type, definitions.klass),
    (types.ModuleType, _shared),  # a library's: the survey opens the learner's itself
    (enum.Enum, values.member),
    (PurePath, _shared),
    (property, definitions.property_),
    (staticmethod, definitions.wrapper),
    (classmethod, definitions.wrapper),
)


def recipe_of(survey: Survey, thing: Any, place: Place) -> Recipe | None:
    """Return a thing's recipe, None if instances share it; raises CannotCopy if neither is possible."""
    cls = type(thing)
    if cls in values.ATOMIC:
        return None
    if cls in _CODE and not (cls in _BOUND and survey.is_library_object(thing)):
        return _CODE[cls](survey, thing, place)
    # Not isinstance(): a proxy would answer for the object it stands for.
    derived = next((recipes for base, recipes in _DERIVED if issubclass(cls, base)), None)
    if derived is not None:
        return derived(survey, thing, place)
    if survey.is_library_object(thing):
        return None
    if values.is_definition(cls):
        return values.definition(survey, thing, place)
    return _DATA.get(cls, values.instance)(survey, thing, place)
