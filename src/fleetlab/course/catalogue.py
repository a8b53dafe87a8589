"""Finds the exercise object behind a name of the command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .labs import Lab
from .mistake import Mistake
from .outline import topic

if TYPE_CHECKING:
    from fleetlab.exercises import Exercise


def load(lab: Lab, name: str) -> Exercise:
    """Return a lab's exercise from its lesson's module, fleetlab.exercises.TOPIC. Raises Mistake if it has none."""
    from fleetlab.exercises import Exercise

    module_name = f"fleetlab.exercises.{topic(lab.name)}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise Mistake(f"{lab.name} has no module of exercises ({module_name}).") from None
    found = getattr(module, name, None)
    if not isinstance(found, Exercise):
        raise Mistake(f'{module_name} has no exercise "{name}".')
    return found
