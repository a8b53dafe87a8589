"""Recipes: how each object of an image is made again, and in which order.

A load works on one list of slots, one an object: shared objects are in it from the start, a recipe puts each of the
others there (`make`) and then gives it its contents (`fill`). The two are apart because memory has cycles: a function
lives in the globals that hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CellType, CodeType, FunctionType
from typing import Any

from .live import Place

Slots = list[Any]
Step = Callable[[Slots], None]
Entries = list[tuple[Any, int]]  # (name or position, slot)


class Recipe:
    """How one object is made again.

    The slots in `first` must exist before `make`, those in `ready` must have their contents too; those in `parts`
    must exist before `fill`.
    """

    fills = True

    def __init__(self, place: Place, first: Sequence[int] = (), ready: Sequence[int] = ()) -> None:
        self.place = place
        self.slot = -1
        self.first = list(first)
        self.ready = list(ready)
        self.parts: list[int] = []

    def make(self, slots: Slots) -> None:
        """Put the object into its slot."""

    def fill(self, slots: Slots) -> None:
        """Give the object its contents."""


class Cell(Recipe):
    """A variable that a closure shares with the function around it; `part` is None if it has no value yet."""

    part: int | None = None

    def make(self, slots: Slots) -> None:
        """Put an empty cell into its slot."""
        slots[self.slot] = CellType()

    def fill(self, slots: Slots) -> None:
        """Give the cell its value."""
        if self.part is not None:
            slots[self.slot].cell_contents = slots[self.part]


class Function(Recipe):
    """A function with its own globals, cells, defaults and attributes."""

    def __init__(self, place: Place, function: FunctionType, space: int, cells: Sequence[int]) -> None:
        super().__init__(place, first=[space, *cells])
        self.code: CodeType = function.__code__
        self.name = function.__name__
        self.space = space
        self.cells = tuple(cells)
        self.defaults: tuple[Any, ...] | None = None
        self.attributes: Entries = []

    def make(self, slots: Slots) -> None:
        """Put a function of the same code into its slot."""
        closure = tuple([slots[cell] for cell in self.cells]) if self.cells else None
        slots[self.slot] = FunctionType(self.code, slots[self.space], self.name, self.defaults, closure)

    @property
    def fills(self) -> bool:  # type: ignore[override]
        """Tell whether `fill` has anything to do."""
        return bool(self.attributes)

    def fill(self, slots: Slots) -> None:
        """Set what differs from a function just made."""
        function = slots[self.slot]
        for name, part in self.attributes:
            setattr(function, name, slots[part])


class Container(Recipe):
    """A dict, list or deque: one copy of what is shared, then the parts that are not."""

    def __init__(self, place: Place, template: Any) -> None:
        super().__init__(place)
        self.template = template
        self.entries: Entries = []

    @property
    def fills(self) -> bool:  # type: ignore[override]
        """Tell whether `fill` has anything to do."""
        return bool(self.entries)

    def make(self, slots: Slots) -> None:
        """Put a copy with all shared values into its slot."""
        slots[self.slot] = self.template.copy()

    def fill(self, slots: Slots) -> None:
        """Set the values that each instance has of its own."""
        container = slots[self.slot]
        for key, part in self.entries:
            container[key] = slots[part]


class Hashed(Recipe):
    """A set, or a mapping some of whose keys each instance has of its own; a set's entries are `(part, part)`."""

    def __init__(self, place: Place, kind: Callable[[], Any], entries: Sequence[tuple[int, int]]) -> None:
        super().__init__(place)
        self.kind = kind
        self.entries = list(entries)

    def make(self, slots: Slots) -> None:
        """Put an empty container into its slot."""
        slots[self.slot] = self.kind()

    def fill(self, slots: Slots) -> None:
        """Add the entries, in their order."""
        container = slots[self.slot]
        for key, part in self.entries:
            if hasattr(container, "add"):
                container.add(slots[part])
            else:
                container[slots[key]] = slots[part]


class Class(Recipe):
    """A class: made bare, so that no hook of its bases runs twice, then given its attributes."""

    def __init__(self, place: Place, cls: type, bases: Sequence[int], bare: Mapping[str, Any]) -> None:
        super().__init__(place, first=bases)
        self.meta: Callable[..., type] = type(cls)
        self.name = cls.__name__
        self.bases = tuple(bases)
        self.bare = dict(bare)
        self.attributes: Entries = []
        self.late: Entries = []
        self.registered: list[int] = []

    def make(self, slots: Slots) -> None:
        """Put the bare class into its slot."""
        slots[self.slot] = self.meta(self.name, tuple([slots[base] for base in self.bases]), self.bare.copy())

    def fill(self, slots: Slots) -> None:
        """Set the attributes, past any metaclass."""
        cls, put = slots[self.slot], type.__setattr__
        for name, part in self.attributes:
            put(cls, name, slots[part])
        for part in self.registered:
            cls.register(slots[part])

    def finish(self, slots: Slots) -> None:
        """Set the hooks that must not see the subclasses made here."""
        for name, part in self.late:
            type.__setattr__(slots[self.slot], name, slots[part])


class Call(Recipe):
    """An object that a call makes, with its state set afterwards, as pickle and `copy.deepcopy` do."""

    def __init__(self, place: Place, make: int, args: Sequence[int], complete: bool = True) -> None:
        super().__init__(place, *(((), [make, *args]) if complete else ([make, *args], ())))
        self.function = make
        self.args = tuple(args)
        self.fields: Entries = []
        self.slotted: Entries = []
        self.items: list[int] = []
        self.pairs: list[tuple[int, int]] = []
        self.state: int | None = None

    @property
    def fills(self) -> bool:  # type: ignore[override]
        """Tell whether `fill` has anything to do."""
        return bool(self.fields or self.slotted or self.items or self.pairs or self.state is not None)

    def make(self, slots: Slots) -> None:
        """Put the result of the call into its slot."""
        slots[self.slot] = slots[self.function](*[slots[arg] for arg in self.args])

    def fill(self, slots: Slots) -> None:
        """Set the state, then the items."""
        thing = slots[self.slot]
        if self.state is not None:
            thing.__setstate__(slots[self.state])
        if self.fields:
            thing.__dict__.update([(name, slots[part]) for name, part in self.fields])
        for name, part in self.slotted:
            setattr(thing, name, slots[part])
        for part in self.items:
            thing.append(slots[part])
        for key, part in self.pairs:
            thing[slots[key]] = slots[part]
