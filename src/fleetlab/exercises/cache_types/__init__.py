"""Lesson 11_1, types of caches: which copy of the truth is stale?"""

from .keeping import etag
from .outage import cache_down

__all__ = ["cache_down", "etag"]
