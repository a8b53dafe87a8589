"""An image of an app: its factory with all the memory it reaches, from which each instance gets its own copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetlab.sim import locks, patches

from .kinds import recipe_of
from .live import Place, refusal
from .order import Order
from .recipes import Recipe, Step
from .survey import Survey


class Image:
    """What instances are started from, as containers are from an image: the same memory for each, none of it shared."""

    def __init__(self, slots: list[Any], steps: list[Step], root: int) -> None:
        self._slots = slots
        self._steps = steps
        self._root = root

    def load(self) -> Callable[..., Any]:
        """Return the factory in memory of its own, in the state it had when the image was made."""
        slots = self._slots.copy()
        with locks.virtual():
            for step in self._steps:
                step(slots)
        return slots[self._root]  # type: ignore[no-any-return]

    def try_out(self) -> None:
        """Load once; raise CannotCopy with the name of what cannot be made again."""
        slots = self._slots.copy()
        for step in self._steps:
            try:
                step(slots)
            except Exception as error:
                raise refusal(
                    _place(step), "made in a way of its own", "make it inside the factory", str(error)
                ) from error


def _place(step: Step) -> Place:
    recipe: Recipe = step.__self__  # type: ignore[attr-defined]
    return recipe.place


def image(factory: Callable[..., Any], translate: Mapping[int, Any] | None = None) -> Image:
    """Return the image of an app factory, with the learner's memory as it is now.

    `translate` maps the id of an original (`time.sleep`) to what stands for it in the copies; without it, to the
    simulation's dispatchers. Raises CannotCopy, which names the variable, for what instances would have to share.
    """
    replaced = patches.REPLACED if translate is None else translate
    name = getattr(factory, "__name__", type(factory).__name__)
    try:
        survey, root = _survey(factory, Place(name), replaced)
        made = Image(survey.slots, Order(survey.recipes).of(root), root)
    except RecursionError:
        raise refusal(
            Place(name), "an app that reaches data nested too deeply", "make them inside the factory"
        ) from None
    made.try_out()
    return made


def _survey(factory: Any, place: Place, replaced: Mapping[int, Any]) -> tuple[Survey, int]:
    """Survey until no further definition turns out to be shared: what was copied before that is surveyed again."""
    pinned: dict[int, Any] = {}
    while True:
        survey = Survey(replaced, pinned, recipe_of)
        root = survey.ref(factory, place)
        survey.finish()
        if survey.pinned.keys() == pinned.keys():
            return survey, root
        pinned = survey.pinned
