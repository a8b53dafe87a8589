"""Lesson 03, load balancer: which copy answers the next request, and what must it know?"""

from .correlation import correlation
from .routes import TABLE, routes
from .wizard import wizard

__all__ = ["TABLE", "correlation", "routes", "wizard"]
