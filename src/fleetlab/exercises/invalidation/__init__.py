"""Lesson 11_3, invalidation: how does every copy forget at once?"""

from .everywhere import invalidate_everywhere
from .keys import keys

__all__ = ["invalidate_everywhere", "keys"]
