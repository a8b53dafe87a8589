"""Recipes of the places where code finds its names: globals, modules, builtins."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .live import Place
from .recipes import Entries, Recipe, Slots


class Module(Recipe):
    """A module of the learner's; its names are in the `Namespace` that is its dictionary."""

    fills = False

    def __init__(self, place: Place, module: ModuleType) -> None:
        super().__init__(place)
        self.name = module.__name__

    def make(self, slots: Slots) -> None:
        """Put a module without names into its slot."""
        slots[self.slot] = ModuleType(self.name)


class Namespace(Recipe):
    """The globals of a module or of a notebook, as far as the app reaches them."""

    def __init__(self, place: Place, names: Mapping[str, Any], module: int | None) -> None:
        super().__init__(place, first=[] if module is None else [module])
        self.names = dict(names)
        self.module = module
        self.builtins: int | None = None
        self.entries: Entries = []

    def make(self, slots: Slots) -> None:
        """Put the dictionary with all shared values into its slot."""
        if self.module is None:
            space = self.names.copy()
        else:
            space = slots[self.module].__dict__
            space.update(self.names)
        if self.builtins is not None:
            space["__builtins__"] = slots[self.builtins]
        slots[self.slot] = space

    def fill(self, slots: Slots) -> None:
        """Add the values that each instance has of its own."""
        space = slots[self.slot]
        for name, part in self.entries:
            space[name] = slots[part]


class Builtins(Recipe):
    """The builtins of an app that imports modules of the learner's inside its functions: it gets its own copies."""

    fills = False

    def __init__(self, modules: Mapping[int, int]) -> None:
        super().__init__(Place("__builtins__"))
        self.modules = dict(modules)

    def make(self, slots: Slots) -> None:
        """Put the builtins with an import of their own into its slot."""
        own = vars(builtins).copy()
        real, modules = builtins.__import__, self.modules

        def own_import(*args: Any, **kwargs: Any) -> ModuleType:
            module = real(*args, **kwargs)
            part = modules.get(id(module))
            return module if part is None else slots[part]

        own["__import__"] = own_import
        slots[self.slot] = own
