"""Third floor: exercises, one module a lesson, and what checks them."""

from .exercise import Exercise
from .history import History
from .verdict import CheckFailed

__all__ = ["CheckFailed", "Exercise", "History"]
