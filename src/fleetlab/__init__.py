"""Break the Fleet: run several instances of your own code in one notebook, break them, and see a repair judged."""

from __future__ import annotations

from . import sim as _sim  # noqa: F401  (installs the dispatchers before anything else is imported)
from .course import recording as _recording
from .show import charts, compare, topology
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
    "step",
    "topology",
]

_recording.enlist()  # in a lab, what its checks come to is written down; elsewhere this imports nothing
