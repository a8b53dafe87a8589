"""Instances share no memory: each gets its own copy of the globals, caches and classes of the learner's code."""

from .live import CannotCopy
from .snapshot import Image, image

__all__ = ["CannotCopy", "Image", "image"]
