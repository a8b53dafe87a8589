"""Recipes of data: containers, and objects of any class the way `copy.deepcopy` takes them apart."""

from __future__ import annotations

import contextvars
import copy
import copyreg
import dataclasses
import datetime
import decimal
import fractions
import gc
import re
import struct
import types
import uuid
import warnings
import weakref
from collections import deque
from typing import Any

from . import live, reach
from .live import CannotCopy, Place, refusal
from .recipes import Call, Container, Hashed, Recipe
from .survey import Survey

# Values that nobody can change, so that sharing them cannot be noticed.
ATOMIC: frozenset[type] = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, range, slice, object, type(...), type(NotImplemented)),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal),
        *(fractions.Fraction, uuid.UUID, re.Pattern, re.Match, struct.Struct, types.CodeType),
        *(types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType),
        *(types.GetSetDescriptorType, types.MemberDescriptorType),
    )
)


def mapping(survey: Survey, thing: dict[Any, Any], place: Place) -> Recipe:
    """Return the recipe of a dict."""
    if not all(type(key) in ATOMIC or survey.shared(survey.ref(key, place)) for key in thing):
        return _hashed(survey, dict, list(thing.items()), place)
    recipe = Container(place, thing.copy())
    _fill_in(survey, recipe, list(thing.items()))
    return recipe


def sequence(survey: Survey, thing: list[Any] | deque[Any], place: Place) -> Recipe:
    """Return the recipe of a list or deque."""
    recipe = Container(place, thing.copy())
    _fill_in(survey, recipe, list(enumerate(thing)))
    return recipe


def _fill_in(survey: Survey, recipe: Container, entries: list[tuple[Any, Any]]) -> None:
    for key, value in entries:
        if type(value) in ATOMIC:
            continue
        part = survey.ref(value, recipe.place.of(_index(key)))
        recipe.template[key] = survey.slots[part]
        if not survey.shared(part):
            recipe.entries.append((key, part))
            recipe.parts.append(part)


def _index(key: Any) -> str:
    return f"[{key!r}]" if type(key) in (str, int) else "[...]"


def octets(survey: Survey, thing: bytearray, place: Place) -> Recipe:
    """Return the recipe of a bytearray."""
    return Container(place, thing.copy())


def set_(survey: Survey, thing: set[Any], place: Place) -> Recipe:
    """Return the recipe of a set."""
    parts = [survey.ref(each, place.of("[...]")) for each in thing if type(each) not in ATOMIC]
    if all(map(survey.shared, parts)):
        return Container(place, thing.copy())
    return _hashed(survey, set, [(each, each) for each in thing], place)


def weak_mapping(survey: Survey, thing: Any, place: Place) -> Recipe:
    """Return the recipe of a weak dictionary, with the entries that are alive."""
    return _hashed(survey, type(thing), list(thing.items()), place)


def weak_set(survey: Survey, thing: weakref.WeakSet[Any], place: Place) -> Recipe:
    """Return the recipe of a weak set."""
    return _hashed(survey, type(thing), [(each, each) for each in thing], place)


def _hashed(survey: Survey, kind: type, items: list[tuple[Any, Any]], place: Place) -> Recipe:
    entries = [(survey.ref(key, place), survey.ref(value, place.of(_index(key)))) for key, value in items]
    recipe = Hashed(place, kind, entries)
    recipe.parts = [part for entry in entries for part in entry]
    return recipe


def fixed(survey: Survey, thing: tuple[Any, ...] | frozenset[Any], place: Place) -> Recipe | None:
    """Return the recipe of a tuple or frozenset, None if nothing in it is copied."""
    parts = [survey.ref(each, place.of(f"[{n}]")) for n, each in enumerate(thing)]
    if all(survey.shared(part) and survey.slots[part] is each for part, each in zip(parts, thing, strict=True)):
        return None
    if type(thing) is tuple:
        return Call(place, survey.constant(_pack), parts, complete=False)
    return Call(place, survey.constant(_freeze), parts)


def _pack(*values: Any) -> tuple[Any, ...]:
    return values


def _freeze(*values: Any) -> frozenset[Any]:
    return frozenset(values)


def view(survey: Survey, thing: types.MappingProxyType[Any, Any], place: Place) -> Recipe:
    """Return the recipe of a read-only view of a dict."""
    (target,) = gc.get_referents(thing)
    return Call(place, survey.constant(types.MappingProxyType), [survey.ref(target, place)], complete=False)


def weak_reference(survey: Survey, thing: weakref.ref[Any], place: Place) -> Recipe | None:
    """Return the recipe of a weak reference; a dead one is shared."""
    target = thing()
    if target is None:
        return None
    return Call(place, survey.constant(weakref.ref), [survey.ref(target, place)], complete=False)


def context_variable(survey: Survey, thing: contextvars.ContextVar[Any], place: Place) -> None:
    """Survey a context variable: its values are apart by themselves, its default is not."""
    try:
        default = contextvars.Context().run(thing.get)
    except LookupError:
        return
    if not survey.shared(survey.ref(default, place)):
        raise refusal(place, f"a ContextVar whose default is a {type(default).__name__}", "set it inside the factory")


def member(survey: Survey, thing: Any, place: Place) -> None:
    """Survey an enumeration's member: it stays the one it is, as its class does."""
    survey.ref(type(thing), place)


def instance(survey: Survey, thing: Any, place: Place) -> Recipe | None:
    """Return the recipe of an object of any other class; raises CannotCopy for what has none."""
    made = live.fresh(thing, place)
    if made is not None:
        return Call(place, survey.constant(made[0]), survey.refs(made[1], place))
    refused = live.live(thing)
    if refused is not None:
        raise refusal(place, *refused)
    if reach.is_learner_class(type(thing)):
        survey.ref(type(thing), place)
    elif live.is_shared(thing):
        return None
    if _has_own_copy(type(thing)):
        return _deep(survey, thing, place)
    return _taken_apart(survey, thing, place)


def _has_own_copy(cls: type) -> bool:
    return any("__deepcopy__" in vars(base) for base in cls.__mro__ if not reach.is_learner_class(base))


def _deep(survey: Survey, thing: Any, place: Place) -> Recipe | None:
    """Return the recipe of an object whose library knows best how to copy it."""
    try:
        kept = copy.deepcopy(thing)
    except Exception as error:
        raise _no_copy(thing, place, error) from None
    return None if kept is thing else Call(place, survey.constant(copy.deepcopy), [survey.constant(kept)])


def definition(survey: Survey, thing: Any, place: Place) -> Recipe | None:
    """Return the recipe of a type hint or a dataclass's field, None if it names nothing that is copied."""
    try:
        recipe = _taken_apart(survey, thing, place)
    except CannotCopy:
        return None
    if recipe is None or all(survey.shared(part) for part in (*recipe.ready, *recipe.parts)):
        return None
    return recipe


def _taken_apart(survey: Survey, thing: Any, place: Place) -> Call | None:
    """Return the recipe that pickle's protocol gives: what to call, and the state to set."""
    try:
        reduced = _reduce(thing)
    except Exception as error:
        raise _no_copy(thing, place, error) from None
    if isinstance(reduced, str):
        return None
    make, args, state, items, pairs = (*reduced, None, None, None)[:5]
    recipe = Call(place, survey.ref(make, place), survey.refs(args, place))
    recipe.items = [survey.ref(each, place.of(_index(n))) for n, each in enumerate(items or ())]
    recipe.pairs = [(survey.ref(key, place), survey.ref(value, place.of(_index(key)))) for key, value in pairs or ()]
    _add_state(survey, recipe, thing, state)
    held = [part for entries in (recipe.fields, recipe.slotted) for _, part in entries]
    recipe.parts += held + recipe.items + [part for pair in recipe.pairs for part in pair]
    return recipe


def _reduce(thing: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # itertools, from Python 3.12
        reduce = copyreg.dispatch_table.get(type(thing))
        return reduce(thing) if reduce is not None else thing.__reduce_ex__(4)


def _add_state(survey: Survey, recipe: Call, thing: Any, state: Any) -> None:
    if state is None:
        return
    if hasattr(type(thing), "__setstate__"):
        recipe.state = survey.ref(state, recipe.place)
        recipe.parts.append(recipe.state)
        return
    fields, slotted = state if isinstance(state, tuple) else (state, None)
    recipe.fields = survey.entries(fields or {}, recipe.place)
    recipe.slotted = survey.entries(slotted or {}, recipe.place)


def _no_copy(thing: Any, place: Place, error: Exception) -> CannotCopy:
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}".removeprefix("builtins.").removeprefix("__main__.")
    return refusal(place, f"a {kind}", "make it inside the factory", str(error))


def is_definition(cls: type) -> bool:
    """Tell whether objects of a class are type hints or the parts of a dataclass's definition."""
    return cls in (types.GenericAlias, types.UnionType) or cls.__module__ in ("typing", dataclasses.__name__)
