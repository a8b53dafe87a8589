"""A course that checks itself: rules for lessons, labs, solutions and exercises, one complaint a line."""

from . import anatomy, cells, exercises, prose  # noqa: F401 - they register their rules
from .book import Book, books
from .exercises import Case, cases
from .rules import RULES, Complaint, complaints

__all__ = ["RULES", "Book", "Case", "Complaint", "books", "cases", "complaints"]
