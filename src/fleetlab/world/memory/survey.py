"""The survey of an app's memory: everything its factory reaches, each thing shared or given a recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import CellType, CodeType, ModuleType
from typing import Any

from . import reach
from .live import Place
from .recipes import Entries, Recipe
from .spaces import Builtins, Module, Namespace

_PENDING = Recipe(Place("a part of itself"))
_ALWAYS = ("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__", "__path__", "__builtins__")


def has_value(cell: CellType) -> bool:
    """Tell whether a closure's variable has been given a value yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


Chooser = Callable[["Survey", Any, Place], Recipe | None]


class Survey:
    """Walks from one object through everything it reaches, and gives each a slot.

    `slots` holds what is shared, `recipes` says how the rest is made; `translate` maps the id of an original to what
    takes its place; `pinned` are definitions that must stay shared (see `pins`); `recipe_of` chooses a thing's recipe,
    None if it is shared.
    """

    def __init__(self, translate: Mapping[int, Any], pinned: Mapping[int, Any], recipe_of: Chooser) -> None:
        self.slots: list[Any] = []
        self.recipes: list[Recipe | None] = []
        self.translate = translate
        self.pinned = dict(pinned)
        self._recipe_of = recipe_of
        self.checked: set[int] = set()
        self.mentioned: set[str] = set()
        self._known: dict[int, int] = {}
        self._alive: list[Any] = []  # an id means something only while its object lives
        self._modules: dict[int, ModuleType] = {}
        self._spaces: dict[int, set[str]] = {}
        self._imports = False
        self._library: frozenset[int] | None = None

    def ref(self, thing: Any, place: Place) -> int:
        """Return the slot of a thing, surveying it at the first meeting."""
        if id(thing) in self.translate:
            return self.constant(self.translate[id(thing)])
        if issubclass(type(thing), ModuleType) and reach.is_learner_module(thing.__name__):
            return self._open(thing, place)
        slot = self._known.get(id(thing))
        if slot is not None:
            return slot
        if type(thing) is dict and "__builtins__" in thing:
            return self._space(thing)
        slot = self._add(thing, _PENDING)
        recipe = None if id(thing) in self.pinned else self._recipe_of(self, thing, place)
        self._settle(slot, recipe)
        return slot

    def refs(self, things: Iterable[Any], place: Place) -> list[int]:
        """Return the slots of several things found in one place."""
        return [self.ref(thing, place) for thing in things]

    def entries(self, values: Mapping[str, Any], place: Place) -> Entries:
        """Return `(name, slot)` of each attribute of what is found at `place`."""
        return [(name, self.ref(value, place.of(f".{name}"))) for name, value in values.items()]

    def shared(self, slot: int) -> bool:
        """Tell whether all instances have the same object in this slot."""
        return self.recipes[slot] is None

    def constant(self, thing: Any) -> int:
        """Return the slot of a thing that is shared whatever it is."""
        return self._known[id(thing)] if id(thing) in self._known else self._add(thing, None)

    def is_library_object(self, thing: Any) -> bool:
        """Tell whether a library module holds this very object under a name."""
        if self._library is None:
            self._library = reach.library_objects()
        return id(thing) in self._library

    def uses(self, code: CodeType, names: Iterable[str], globals_: dict[str, Any], user: str) -> int:
        """Return the slot of the globals of a piece of code, in which it finds all it uses, and `names` besides."""
        slot = self._space(globals_)
        self.mentioned |= reach.names(code).mentioned
        for name in sorted(reach.names(code).used.union(names)):
            self._want(globals_, name, user)
        for module in reach.learner_modules(code, globals_):
            self._imports = True
            self.ref(module, Place(module.__name__, user))
        return slot

    def finish(self) -> None:
        """Give each module the names that any code mentions, and the app its own import if it needs one."""
        while sum(self._mentions(module) for module in list(self._modules.values())):
            pass  # what came in may mention more
        if self._imports:
            self._own_import()

    def _add(self, thing: Any, recipe: Recipe | None) -> int:
        slot = self._known[id(thing)] = len(self.slots)
        self._alive.append(thing)
        self.slots.append(thing if recipe is None else None)
        self.recipes.append(recipe)
        return slot

    def _settle(self, slot: int, recipe: Recipe | None) -> None:
        self.recipes[slot] = recipe
        if recipe is None:
            self.slots[slot] = self._alive[slot]
        else:
            recipe.slot = slot

    def _open(self, module: ModuleType, place: Place) -> int:
        """Return the slot of a module of the learner's that is used as an object."""
        self._modules[id(module)] = module
        slot = self._module(module, place)
        space = self._space(vars(module))
        recipe = self.recipes[slot]
        assert recipe is not None
        recipe.parts = [space]
        return slot

    def _module(self, module: ModuleType, place: Place) -> int:
        known = self._known.get(id(module))
        if known is not None:
            return known
        slot = self._add(module, _PENDING)
        self._settle(slot, Module(place, module))
        return slot

    def _space(self, globals_: dict[str, Any]) -> int:
        known = self._known.get(id(globals_))
        if known is not None:
            return known
        name = str(globals_.get("__name__"))
        module = sys.modules.get(name)
        owner = self._module(module, Place(name)) if module is not None and vars(module) is globals_ else None
        kept = {name: globals_[name] for name in _ALWAYS if name in globals_}
        slot = self._add(globals_, _PENDING)
        self._settle(slot, Namespace(Place(f"the globals of {name}"), kept, owner))
        self._spaces[id(globals_)] = set(_ALWAYS)
        return slot

    def _want(self, globals_: dict[str, Any], name: str, user: str) -> bool:
        """Put a name into the copied globals, if it is in the learner's; return whether it was new there."""
        wanted = self._spaces[id(globals_)]
        if name in wanted or name not in globals_:
            return False
        wanted.add(name)
        slot = self.ref(globals_[name], Place(name, user))
        space = self.recipes[self._known[id(globals_)]]
        assert isinstance(space, Namespace)
        if self.shared(slot):
            space.names[name] = self.slots[slot]
        else:
            space.entries.append((name, slot))
            space.parts.append(slot)
        return True

    def _mentions(self, module: ModuleType) -> int:
        """Put the mentioned names of a module into its copy; return how many were new there."""
        globals_ = vars(module)
        names = self.mentioned & globals_.keys() | {"__getattr__"}
        return sum(self._want(globals_, name, f"module {module.__name__}") for name in sorted(names))

    def _own_import(self) -> None:
        slot = self._add(object(), _PENDING)
        recipe = Builtins({key: self._known[key] for key in self._modules})
        recipe.parts = list(recipe.modules.values())
        self._settle(slot, recipe)
        for space in self.recipes:
            if isinstance(space, Namespace):
                space.builtins = slot
                space.first.append(slot)
