"""Lesson 10, transactions: what if it fails half-way?"""

from .payment import pay_once
from .pools import pool_size
from .retries import retry_transient
from .trips import saga
from .versions import optimistic

__all__ = ["optimistic", "pay_once", "pool_size", "retry_transient", "saga"]
