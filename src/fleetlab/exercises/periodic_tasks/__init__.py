"""Lesson 08, periodic tasks: who sends the 9 o'clock mail?"""

from .crash import survive_the_crash
from .lease import outlive_the_lease
from .queue import work_queue
from .slot import once_per_period
from .trigger import trigger_endpoint

__all__ = ["once_per_period", "outlive_the_lease", "survive_the_crash", "trigger_endpoint", "work_queue"]
