"""api_versions: a field changes its shape, and the clients of yesterday notice nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
from flask import Flask, request
from sqlalchemy import text

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..exercise import Exercise
from ..history import History
from .common import run

TABLE = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, aisle TEXT NOT NULL, shelf INTEGER NOT NULL, "
    "fragile BOOLEAN NOT NULL DEFAULT false)"
)
ROWS = ("INSERT INTO items VALUES (1, 'A', 7, false), (2, 'B', 12, true)",)

api_versions = Exercise(
    "10_2.api_versions",
    "A field changes its shape, and nobody has to change on that day",
    hints=[
        "There is one row and there are two views of it. What does each version show of the row, and which columns "
        "does a client of v1 speak of when it stores a place?",
        "A client of v1 has never heard of `fragile`. To read the row, change the place and write the row back says "
        "something about it all the same, and says it a moment too late.",
        "Four routes, four small pieces of SQL. Those of v1 join and split at the edge; their UPDATE names `aisle` and "
        "`shelf` alone, and their INSERT leaves `fragile` to the column's default.",
    ],
)


def last_release(env: Any) -> Flask:
    """The release in service: it knows v1 and nothing else."""
    app = Flask("warehouse")

    @app.put("/v1/items/<int:item>")
    def save(item: int) -> Any:
        place = request.get_json()["place"]
        aisle, shelf = place.split("-")
        insert = (
            "INSERT INTO items (id, aisle, shelf) VALUES (:id, :aisle, :shelf) "
            "ON CONFLICT (id) DO UPDATE SET aisle = :aisle, shelf = :shelf"
        )
        with env.database.begin() as db:
            db.execute(text(insert), {"id": item, "aisle": aisle, "shelf": int(shelf)})
        return {"place": place}

    @app.get("/v1/items/<int:item>")
    def show(item: int) -> Any:
        with env.database.connect() as db:
            row = db.execute(text("SELECT aisle, shelf FROM items WHERE id = :id"), {"id": item}).one_or_none()
        return ({"error": "unknown"}, 404) if row is None else {"place": f"{row.aisle}-{row.shelf}"}

    return app


# -- clients of both versions


class Two:
    """A client of v1, a client of v2, and a client of v1 whom the last release answers."""

    def __init__(self, world: World, answer: Any) -> None:
        for statement in (TABLE, *ROWS):
            run(world.database.engine(), statement)
        world.deploy(last_release, instances=1, name="last", version="last release")
        world.deploy(answer, instances=1, name="next", version="this release")
        self.one, self.two = (world.client(name, base_url="http://next") for name in ("v1", "v2"))
        self.last = world.client("v1-last", base_url="http://last")


def _put(client: Client, item: int, place: Any, fragile: bool | None = None) -> None:
    """Store an item as a client of v1 does, or of v2 where it says whether the item is fragile."""
    version = "v1" if fragile is None else "v2"
    body = {"place": place} | ({} if fragile is None else {"fragile": fragile})
    with suppress(httpx.HTTPError):
        client.put(f"/{version}/items/{item}", json=body)


def _look(clients: Two, *items: int) -> None:
    """Let everybody look at items."""
    for item in items:
        for client, version in ((clients.one, "v1"), (clients.two, "v2"), (clients.last, "v1")):
            with suppress(httpx.HTTPError):
                client.get(f"/{version}/items/{item}")


def _at(aisle: str, shelf: int) -> dict[str, Any]:
    return {"aisle": aisle, "shelf": shelf}


@api_versions.scenario(preemptions=0)
def one_after_another(world: World, answer: Any) -> Any:
    """Clients of v1 and of v2 look, move, and make new items, one at a time, at both releases."""
    clients = Two(world, answer)
    _look(clients, 1, 2)
    _put(clients.one, 2, "C-30")
    _look(clients, 2)
    _put(clients.two, 1, _at("D", 4), True)
    _look(clients, 1)
    _put(clients.one, 3, "A-1")
    _put(clients.two, 4, _at("B", 2), True)
    _put(clients.last, 5, "C-3")
    _look(clients, 3, 4, 5)
    _put(clients.last, 4, "D-40")
    _put(clients.one, 1, "A-10")
    _put(clients.two, 2, _at("B", 20), False)
    _look(clients, 1, 2, 4, 9)


@api_versions.scenario(preemptions=1)
def both_at_once(world: World, answer: Any) -> Any:
    """A client of v1 moves an item at the same moment as one of v2 says that it is fragile; then a new one."""
    with world.calm():
        clients = Two(world, answer)
        _look(clients, 1)
    world.together(lambda: _put(clients.one, 1, "B-8"), lambda: _put(clients.two, 1, _at("C", 9), True))
    with world.calm():
        _look(clients, 1)


@api_versions.scenario(preemptions=1)
def both_make_it(world: World, answer: Any) -> Any:
    """Clients of v1 and of v2 make the same new item at the same moment."""
    with world.calm():
        clients = Two(world, answer)
        _look(clients, 1)
    world.together(lambda: _put(clients.one, 6, "B-8"), lambda: _put(clients.two, 6, _at("C", 9), True))
    with world.calm():
        _look(clients, 6)


# Invariants, the most telling first


def _item(sent: Sent) -> int:
    return int(sent.path.rsplit("/", 1)[-1])


def _body(sent: Sent) -> Any:
    return json.loads(sent.request.content)


def _told(history: History, sent: Sent) -> str:
    """Return who asked for what and got what."""
    text = " ".join(sent.response.text.split()) if sent.response is not None else ""
    answer = "" if text.startswith("<") or len(text) > 80 else text
    who = "The client of v1" if sent.client == "v1" else "The client of v2"
    if sent.client == "v1-last":
        who = "A client of v1 at the last release"
    return f"{who} asked {sent.method} {sent.path} and got {sent.outcome} {answer}".rstrip()


def _looks(history: History, *clients: str) -> Iterator[Sent]:
    for sent in history.sent:
        if sent.method == "GET" and sent.client in clients:
            yield sent


@api_versions.must("V1-BROKEN", "every client of v1 is answered as before")
def old_clients_are_answered(history: History) -> str | None:
    return _unanswered(history, "v1", "v1-last")


@api_versions.must("V2-BROKEN", "every client of v2 is answered")
def new_clients_are_answered(history: History) -> str | None:
    return _unanswered(history, "v2")


def _unanswered(history: History, *clients: str) -> str | None:
    for sent in history.sent:
        expected = 404 if sent.path.endswith("/9") else 200
        if sent.client in clients and sent.status != expected:
            return f"{_told(history, sent)}; it should be {expected}."
    return None


@one_after_another.must("V1-SHAPE", "for v1 a place is a text, such as A-7")
def text_for_the_old(history: History) -> str | None:
    for sent in _looks(history, "v1", "v1-last"):
        if sent.ok and not isinstance((sent.json or {}).get("place"), str):
            return f"{_told(history, sent)}: where it reads a text, there is none."
    return None


@one_after_another.must("V2-SHAPE", "for v2 a place has an aisle and a shelf, and fragile is true or false")
def shape_for_the_new(history: History) -> str | None:
    for sent in _looks(history, "v2"):
        body = sent.json or {}
        place = body.get("place")
        fits = isinstance(place, dict) and isinstance(place.get("aisle"), str) and type(place.get("shelf")) is int
        if sent.ok and not (fits and isinstance(body.get("fragile"), bool)):
            return f"{_told(history, sent)}: that is not the shape of v2."
    return None


@one_after_another.must("DROPPED", "what v1 does not know, v1 does not change")
@api_versions.must(
    "DROPPED", "what v1 does not know, v1 does not change, at the same moment too", both_at_once, both_make_it
)
def nothing_is_dropped(history: History) -> str | None:
    said: dict[int, bool] = {1: False, 2: True}
    for sent in history.sent:
        item = _item(sent)
        if sent.client == "v2" and sent.method == "PUT" and sent.ok:
            said[item] = _body(sent)["fragile"]
        elif sent.client == "v2" and sent.ok and sent.json["fragile"] != said.get(item, False):
            now, before = (str(one).lower() for one in (sent.json["fragile"], said.get(item, False)))
            return f"Item {item} was fragile: {before}; after clients of v1 have moved it, v2 shows fragile: {now}."
    return None


@one_after_another.must("LOST-WRITE", "what either version stores, both versions and both releases show")
def each_sees_the_other(history: History) -> str | None:
    places = {1: "A-7", 2: "B-12"}
    for sent in history.sent:
        item, ok = _item(sent), sent.ok
        if sent.method == "PUT" and ok:
            places[item] = _place(_body(sent))
        elif ok and _place(sent.json) != places.get(item):
            return f"Item {item} was stored at {places.get(item)}. {_told(history, sent)}."
    return None


@api_versions.must(
    "LOST-WRITE",
    "whoever comes last, all show the same place, and it is one that was stored",
    both_at_once,
    both_make_it,
)
def one_of_them(history: History) -> str | None:
    shown = [sent for sent in history.sent[-3:] if sent.ok]
    places = {_place(sent.json) for sent in shown}
    if len(places) > 1 or not places <= {"B-8", "C-9"}:
        return f"Stored at B-8 and at C-9; now clients are shown {' and '.join(sorted(places))}."
    return None


def _place(body: Any) -> str:
    place = body.get("place") if isinstance(body, dict) else body
    return f"{place.get('aisle')}-{place.get('shelf')}" if isinstance(place, dict) else str(place)


__all__ = ["api_versions"]
