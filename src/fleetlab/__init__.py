"""Break the Fleet: run several instances of your own code in one notebook, break them, and see a repair judged."""

from __future__ import annotations

from typing import Any

from . import sim as _sim  # noqa: F401  (installs the dispatchers before anything else is imported)
from .course import recording as _recording
from .show import charts, compare, console, explore, predict, reveal, scrubber, topology
from .sim import Deadlock, Event, Killed, Runaway, Simulation, Trace, step
from .world.deployment import DeployError, Deployment
from .world.instance import Env, Instance
from .world.memory import CannotCopy
from .world.world import World

__all__ = [
    "CannotCopy",
    "Deadlock",
    "DeployError",
    "Deployment",
    "Env",
    "Event",
    "Instance",
    "Killed",
    "Runaway",
    "Simulation",
    "Trace",
    "World",
    "charts",
    "compare",
    "console",
    "course_map",
    "explore",
    "predict",
    "reveal",
    "scrubber",
    "step",
    "topology",
]


def __getattr__(name: str) -> Any:
    """Load what is seldom used where it is used: the course's map reads the curriculum."""
    if name == "course_map":
        from .course.map import course_map

        return course_map
    raise AttributeError(f"module 'fleetlab' has no attribute {name!r}")


_recording.enlist()  # in a lab, what its checks come to is written down; elsewhere this imports nothing
