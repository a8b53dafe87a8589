"""Lesson 02, disposable instances: what dies with an instance?"""

from .claims import claim_once
from .invoices import invoice_numbers
from .orders import order_numbers
from .seats import last_seat
from .starting import unattended_start

__all__ = ["claim_once", "invoice_numbers", "last_seat", "order_numbers", "unattended_start"]
