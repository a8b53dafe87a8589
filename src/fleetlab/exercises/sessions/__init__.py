"""Lesson 09, sessions: who remembers that Ada is logged in?"""

from .cart import shared_cart
from .logout import log_out_everywhere
from .outage import store_down
from .tokens import signed_token

__all__ = ["log_out_everywhere", "shared_cart", "signed_token", "store_down"]
