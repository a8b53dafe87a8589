"""Lesson 10_1, schema migrations: who changes the schema, and when?"""

from .rehearsal import rehearse
from .who import who_migrates

__all__ = ["rehearse", "who_migrates"]
