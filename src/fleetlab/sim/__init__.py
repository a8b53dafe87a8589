"""Ground floor: time and turns. Knows nothing of web or stores."""

from .kernel import (
    EPOCH,
    Deadlock,
    Killed,
    Runaway,
    Simulation,
    SimulationError,
    Task,
    WaitQueue,
    current_task,
    step,
)
from .patches import install
from .process import Process, current_process
from .schedule import Schedule, Seeded
from .trace import Event, Record, Trace

install()

__all__ = [
    "EPOCH",
    "Deadlock",
    "Event",
    "Killed",
    "Process",
    "Record",
    "Runaway",
    "Schedule",
    "Seeded",
    "Simulation",
    "SimulationError",
    "Task",
    "Trace",
    "WaitQueue",
    "current_process",
    "current_task",
    "step",
]
