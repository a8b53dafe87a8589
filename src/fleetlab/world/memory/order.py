"""The order of the steps of a load: each finds made, or complete, what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from .live import refusal
from .recipes import Class, Recipe, Step


class Order:
    """Puts the steps of all recipes that `root` needs into an order in which each finds what it needs."""

    def __init__(self, recipes: Sequence[Recipe | None]) -> None:
        self.recipes = recipes
        self.steps: list[Step] = []
        self._late: list[Step] = []
        self._making: set[int] = set()
        self._made: set[int] = set()
        self._filling: set[int] = set()

    def of(self, root: int) -> list[Step]:
        """Return the steps that make the object in slot `root` and everything it holds."""
        self._complete(root)
        return self.steps + self._late

    def _make(self, slot: int) -> None:
        recipe = self.recipes[slot]
        if recipe is None or slot in self._made:
            return
        if slot in self._making:
            raise refusal(recipe.place, "a part of what it is made from", "make it inside the factory")
        self._making.add(slot)
        for part in recipe.first:
            self._make(part)
        for part in recipe.ready:
            self._make(part)
            self._complete(part)
        self._made.add(slot)
        self.steps.append(recipe.make)

    def _complete(self, slot: int) -> None:
        recipe = self.recipes[slot]
        if recipe is None or slot in self._filling or (slot in self._making and slot not in self._made):
            return
        self._make(slot)
        self._filling.add(slot)
        parts = [*recipe.first, *recipe.parts]
        for part in parts:
            self._complete(part)
        if recipe.fills:
            waits = any(self.recipes[part] is not None and part not in self._made for part in parts)
            (self._late if waits else self.steps).append(recipe.fill)
        if isinstance(recipe, Class) and recipe.late:
            self._late.append(recipe.finish)
