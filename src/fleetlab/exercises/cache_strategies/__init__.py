"""Lesson 11_2, cache strategies: when does a cache hear of a write?"""

from .aside import cache_aside
from .behind import write_behind

__all__ = ["cache_aside", "write_behind"]
