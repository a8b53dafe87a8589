"""Who reads the pages of `etag`: a client that comes back with what it holds, and visitors of a shared cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fleetlab.world.http import Client
from fleetlab.world.world import World

from .common import Answer, get, opaque, tag_of

TEA = {"en": "Tea costs {} euros.", "de": "Tee kostet {} Euro."}
FIRST = 4
"""What tea costs at the beginning."""
MOMENT = 0.01
"""Nobody asks twice at the same moment: virtual seconds."""

Headers = Mapping[str, str]
EN, DE = {"accept-language": "en"}, {"accept-language": "de"}
ADA, BOB = {"cookie": "user=ada"}, {"cookie": "user=bob"}


def greeting(user: str, price: int) -> str:
    """Return the page /me of a user."""
    return f"{user} pays {price - 1} euros for tea."


def page(path: str, headers: Headers, price: int) -> str:
    """Return what a request for `path` with these headers should be answered with."""
    return TEA[headers["accept-language"]].format(price) if path == "/tea" else greeting(headers["cookie"][5:], price)


def set_price(owner: Client, price: int) -> None:
    """Change the price of tea."""
    owner.put("/price", json={"price": price})


@dataclass(frozen=True, slots=True)
class Look:
    """One page asked for twice by one client: with the ETag of what it holds, and without any.

    `held` is the text that the client would show on a 304; `matches` tells whether its ETag is that of what it holds;
    `right` is what should come; `when` begins a sentence.
    """

    when: str
    path: str
    held: str
    matches: bool
    asked: Answer
    fresh: Answer
    right: str

    @property
    def answered(self) -> bool:
        """Whether both requests came to an answer of the app: an instance may have died meanwhile."""
        return self.fresh.status_code == 200 and self.asked.status_code in (200, 304)


class Reader:
    """A client that holds what it was sent last for each page, and comes back with its ETag."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.client = world, world.client(name)
        self.held: dict[str, Answer] = {}
        self.looks: list[Look] = []
        self.price = FIRST
        """What tea costs, where the scenario keeps it up to date."""

    def hold(self, path: str, headers: Headers) -> None:
        """Ask for a page, and hold it."""
        self.held[path] = get(self.client, path, headers)

    def look(self, when: str, path: str, headers: Headers, form: str = "{tag}", matches: bool = True) -> None:
        """Ask with the tag that is held, in this form, a moment later; then without any; and hold what came."""
        held = self.held[path]
        self.world.run(MOMENT)
        tag = tag_of(held)
        given = form.format(tag=tag, name=opaque(tag).strip('"'))
        answer = get(self.client, path, {**headers, "if-none-match": given})
        fresh = self.held[path] = get(self.client, path, headers)
        right = page(path, headers, self.price)
        self.looks.append(Look(when, path, held.text if matches else "", matches, answer, fresh, right))


class Visit(NamedTuple):
    """One request to the shared cache: who asked for what and when, what should come, what came and by which rule."""

    who: str
    path: str
    time: float
    right: str
    text: str
    cache: str
    may_be_kept: bool
    rule: str


class Visits:
    """Everybody who comes through the shared cache, and what the price is."""

    def __init__(self, world: World) -> None:
        self.world, self.price = world, FIRST
        self.made: list[Visit] = []
        self.owner = world.client("owner", base_url="http://shop")

    def by(self, client: Client, who: str, path: str, headers: Headers, may_be_kept: bool = False) -> None:
        """Ask for a page; `may_be_kept` where the shared cache is to answer by itself."""
        answer = get(client, path, headers)
        right, cache = page(path, headers, self.price), answer.headers.get("cache-status", "")
        rule = answer.headers.get("cache-control", "") + (", expires" if "expires" in answer.headers else "")
        self.made.append(Visit(who, path, self.world.now, right, answer.text, cache, may_be_kept, rule.lower()))

    def change(self, price: int) -> None:
        """Change the price, past the shared cache."""
        set_price(self.owner, price)
        self.price = price


__all__ = ["ADA", "BOB", "DE", "EN", "FIRST", "TEA", "Look", "Reader", "Visit", "Visits", "greeting", "set_price"]
