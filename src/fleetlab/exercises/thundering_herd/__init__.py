"""Lesson 11_4, the thundering herd: who reloads the hot entry?"""

from .single_flight import single_flight

__all__ = ["single_flight"]
