"""The lines that the services of `correlation` have logged: who wrote which, about what, under which id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..history import History
from ..wording import clean


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a service's log, and the fields of its JSON."""

    service: str
    text: str
    fields: dict[str, Any]

    @property
    def id(self) -> str:
        """The id that the line carries, or nothing."""
        return str(self.fields.get("request_id") or "")

    @property
    def item(self) -> str:
        """What the order is about that the line is about."""
        return str(self.fields.get("item", ""))

    @property
    def background(self) -> bool:
        """Whether it was written after the customer had her answer: by the thread of stock, or for it."""
        return self.service == "parcel" or self.fields.get("event") == "told"

    def __str__(self) -> str:
        return clean(f"{self.service} logs {self.text}", 200)


def lines_of(history: History) -> Iterator[Line]:
    """Yield the lines of JSON that were logged; Flask and libraries may write others."""
    for instance in history.world.instances:
        for _, _, text in instance.log:
            try:
                fields = json.loads(text)
            except ValueError:
                continue
            if isinstance(fields, dict):
                yield Line(instance.deployment.name, text, fields)


def about(history: History, item: str) -> list[Line]:
    """Return the lines about one item."""
    return [line for line in lines_of(history) if line.item == item]


def ids(history: History, service: str, item: str = "") -> list[str]:
    """Return the ids that a service has logged, about one item or about all, each once, in order."""
    found = (line.id for line in lines_of(history) if line.service == service and item in ("", line.item))
    return list(dict.fromkeys(found))
