"""Lesson 10_2, schema patterns: old and new code on one schema?"""

from .api_versions import api_versions
from .backfill import backfill
from .expand_contract import expand_contract

__all__ = ["api_versions", "backfill", "expand_contract"]
