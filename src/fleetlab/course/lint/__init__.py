"""A course that checks itself: rules for lessons, labs, solutions and exercises, one complaint a line."""

from .book import Book, books
from .rules import RULES, Complaint, complaints

__all__ = ["RULES", "Book", "Complaint", "books", "complaints"]
