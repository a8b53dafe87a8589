"""Recipes of what code is made of: functions with their cells, classes, methods, descriptors, caches."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import functools
import re
import typing
from abc import ABCMeta
from types import BuiltinMethodType, CellType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from typing import Any

from . import pins, reach
from .live import Place
from .recipes import Call, Cell, Class, Function, Recipe
from .survey import Survey, has_value

# Metaclasses whose classes can be made again; any other keeps books of its classes (declarative bases, enumerations).
_REMADE = (type, ABCMeta, type(typing.Protocol))
_BARE = ("__module__", "__doc__", "__slots__", "__orig_bases__")
_DROPPED = frozenset((*_BARE, "__dict__", "__weakref__", "_abc_impl"))
_HOOKS = frozenset(("__init_subclass__", "__subclasshook__"))


def function(survey: Survey, thing: FunctionType, place: Place) -> Recipe | None:
    """Return the recipe of a function, None for a library's own."""
    if reach.is_learner_globals(thing.__globals__):
        return _learners_function(survey, thing, place)
    if not (thing.__closure__ or thing.__dict__ or thing.__defaults__):
        return None
    if reach.is_library_function(thing) or survey.is_library_object(thing):
        return None
    return _librarys_closure(survey, thing, place)


def _learners_function(survey: Survey, thing: FunctionType, place: Place) -> Recipe:
    user = _spoken(thing)
    space = survey.uses(thing.__code__, _annotation_names(thing), thing.__globals__, user)
    return _function(survey, thing, space, user)


def _librarys_closure(survey: Survey, thing: FunctionType, place: Place) -> Recipe | None:
    """Return the recipe of a function that a library wrapped around something, None if nothing in it is copied."""
    recipe = _function(survey, thing, survey.constant(thing.__globals__), place.user or _spoken(thing))
    inside = [survey.ref(cell.cell_contents, place) for cell in thing.__closure__ or () if has_value(cell)]
    held = inside + [part for _, part in recipe.attributes]
    if all(survey.shared(part) for part in held) and not reach.rebound(thing.__code__):
        return None
    return recipe


def _function(survey: Survey, thing: FunctionType, space: int, user: str) -> Function:
    free = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
    cells = [survey.ref(cell, Place(name, user)) for name, cell in free]
    recipe = Function(Place(thing.__name__), thing, space, cells)
    for name, value in _attributes(thing):
        part = survey.ref(value, Place(f"{thing.__name__}.{name}" if name[0] != "_" else f"a default of {user}"))
        if name == "__defaults__" and survey.shared(part):
            recipe.defaults = value
        else:
            recipe.attributes.append((name, part))
            recipe.parts.append(part)
    return recipe


def _attributes(thing: FunctionType) -> list[tuple[str, Any]]:
    """Return what a function made from its code, globals and cells alone lacks."""
    found: list[tuple[str, Any]] = [("__defaults__", thing.__defaults__), ("__kwdefaults__", thing.__kwdefaults__)]
    found += [("__annotations__", thing.__annotations__), ("__type_params__", getattr(thing, "__type_params__", ()))]
    found = [(name, value) for name, value in found if value]
    made = FunctionType(thing.__code__, thing.__globals__, thing.__name__, None, thing.__closure__)
    same = ("__qualname__", "__module__", "__doc__")
    found += [(name, getattr(thing, name)) for name in same if getattr(thing, name) != getattr(made, name)]
    return found + list(thing.__dict__.items())


def _annotation_names(thing: FunctionType) -> set[str]:
    texts = [text for text in thing.__annotations__.values() if isinstance(text, str)]
    return {word for text in texts for word in re.findall(r"[^\W\d]\w*", text)}


def _spoken(thing: FunctionType) -> str:
    return "a lambda" if thing.__name__ == "<lambda>" else f"{thing.__name__}()"


def cell(survey: Survey, thing: CellType, place: Place) -> Recipe:
    """Return the recipe of a closure's variable."""
    recipe = Cell(place)
    if has_value(thing):
        recipe.part = survey.ref(thing.cell_contents, place)
        recipe.parts = [recipe.part]
    return recipe


def klass(survey: Survey, thing: type, place: Place) -> Recipe | None:
    """Return the recipe of a class; None for a library's, and for a learner's whose metaclass keeps books of it."""
    if not reach.is_learner_class(thing):
        return None
    if type(thing) not in _REMADE:
        pins.pin(survey, thing, thing)
        return None
    bare = {name: value for name, value in vars(thing).items() if name in _BARE}
    bases = survey.refs(thing.__bases__, place)
    recipe = Class(place, thing, bases, bare | {"__qualname__": thing.__qualname__})
    for name, value in vars(thing).items():
        if name not in _DROPPED and not _is_slot(value, thing):
            part = survey.ref(value, Place(f"{thing.__name__}.{name}", place.user))
            (recipe.late if name in _HOOKS else recipe.attributes).append((name, part))
            recipe.parts.append(part)
    recipe.registered = _registered(survey, thing, place)
    recipe.parts += recipe.registered
    return recipe


def _is_slot(value: Any, cls: type) -> bool:
    return isinstance(value, (MemberDescriptorType, GetSetDescriptorType)) and value.__objclass__ is cls


def _registered(survey: Survey, cls: type, place: Place) -> list[int]:
    """Return the slots of the classes that were registered with an abstract base class by `register()`."""
    if not isinstance(cls, ABCMeta):
        return []
    classes = [reference() for reference in _abc._get_dump(cls)[0]]
    return survey.refs(sorted(filter(None, classes), key=lambda each: each.__qualname__), place)


def method(survey: Survey, thing: MethodType, place: Place) -> Recipe | None:
    """Return the recipe of a bound method, None if neither its function nor its object is copied."""
    parts = [survey.ref(thing.__func__, place), survey.ref(thing.__self__, place)]
    return _call(survey, MethodType, parts, place) if not all(map(survey.shared, parts)) else None


def builtin_method(survey: Survey, thing: BuiltinMethodType, place: Place) -> Recipe | None:
    """Return the recipe of a bound method written in C, such as `CARTS.get`."""
    owner = survey.ref(thing.__self__, place)
    if survey.shared(owner):
        return None
    return _call(survey, getattr, [owner, survey.constant(thing.__name__)], place)


def wrapper(survey: Survey, thing: Any, place: Place) -> Recipe:
    """Return the recipe of a `staticmethod` or `classmethod`."""
    return _call(survey, type(thing), [survey.ref(thing.__func__, place)], place)


def property_(survey: Survey, thing: property, place: Place) -> Recipe:
    """Return the recipe of a property, of a derived class too."""
    cls = type(thing)

    def make(*args: Any) -> property:
        made = cls.__new__(cls)
        property.__init__(made, *args)
        return made

    parts = survey.refs((thing.fget, thing.fset, thing.fdel, thing.__doc__ if cls is property else None), place)
    recipe = _call(survey, make, parts, place)
    recipe.fields = survey.entries(getattr(thing, "__dict__", {}), place)
    recipe.parts += [part for _, part in recipe.fields]
    return recipe


def cache(survey: Survey, thing: Any, place: Place) -> Recipe:
    """Return the recipe of an `lru_cache`: a new cache, empty as after a start, around a copy of the function."""
    make = functools.lru_cache(**thing.cache_parameters())
    recipe = _call(survey, make, [survey.ref(thing.__wrapped__, place)], place)
    recipe.fields = survey.entries({key: value for key, value in thing.__dict__.items() if key != "__wrapped__"}, place)
    recipe.parts += [part for _, part in recipe.fields]
    return recipe


def _call(survey: Survey, make: Any, parts: list[int], place: Place) -> Call:
    return Call(place, survey.constant(make), parts, complete=False)
