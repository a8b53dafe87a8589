"""What ends a task or a run: deaths, which no `except Exception` stops, and the errors that a learner sees."""


class Killed(BaseException):
    """Raised inside a task whose process has died; never an `Exception`, so that `except Exception` misses it."""


class Abandoned(BaseException):
    """Raised by `run` when the schedule gave the run up."""


class SimulationError(Exception):
    """The simulation cannot go on; the message says who waits for what, and where."""


class Deadlock(SimulationError):
    """Everyone waits for someone else."""


class Runaway(SimulationError):
    """The step budget, the virtual horizon or the watchdog ended code that would not end."""
