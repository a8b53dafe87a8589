"""write_behind: a draft is saved in Redis at once, and in the database a little later, whoever dies in between."""

from __future__ import annotations

import json
from typing import Any

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt, field, patiently
from ..exercise import Exercise
from ..history import History
from ..owner import sql
from .common import TIMEOUT

EVERY = 5.0
"""How often the stub's instances write to the database, in virtual seconds."""
SOON, WINDOW, PAUSE = 1.0, 9.0, 2 * MINUTE
"""How long a request may take; how long faults are looked for: each instance has written by then; how long one stands
still: longer than any lease that keeps to a minute."""
SEVERAL, LEFT = 20, 5
"""How often Ada saves in a row, and how many entries of a queue may be left when all is written."""

write_behind = Exercise(
    "11_2.write_behind",
    "Every draft that was acknowledged reaches the database",
    hints=[
        "Between the answer and the database, where does the only record stand that something is still to be written? "
        "It has to outlive any instance, so it belongs where the text is, and comes there in the same transaction.",
        "Write first, and only then forget that something was to be written. In between Ada may have saved again: "
        "forget only what you have written. A number that counts up with each save tells one text from the next.",
        "Two instances may hold two texts of one draft, and the slower one comes last. Let the database refuse it: "
        "INSERT … ON CONFLICT (name) DO UPDATE … WHERE drafts.seq < excluded.seq.",
    ],
)


def _table(world: World) -> None:
    columns = "name TEXT PRIMARY KEY, body TEXT NOT NULL, seq BIGINT NOT NULL DEFAULT 0"
    sql(world, f"CREATE TABLE drafts ({columns})")


def _together(world: World, editor: Any) -> Client:
    """Start two instances that write to the database at the same moments, and return Ada."""
    with world.calm():
        _table(world)
        world.deploy(editor, instances=2, name="editor")
    return world.client("ada", timeout=TIMEOUT)


def _apart(world: World, editor: Any) -> Client:
    """Start two instances that write three seconds apart, and return Ada."""
    with world.calm():
        _table(world)
        fleet = world.deploy(editor, instances=1, name="editor")
        world.run(3)
        fleet.scale(2)
    return world.client("ada", timeout=TIMEOUT)


def _save(client: Client, body: str, name: str = "ada") -> None:
    attempt(lambda: client.put(f"/draft/{name}", json={"body": body}))


def _save_at(world: World, second: float, client: Client, body: str) -> None:
    world.run(second - world.now)
    _save(client, body)


def _seen(client: Client) -> list[Any]:
    """Return the draft as each instance shows it."""
    return [field(attempt(lambda: client.get("/draft/ada")), "body") for _ in range(2)]


def _settle(world: World, client: Client, seconds: float = MINUTE) -> tuple[list[Any], Any]:
    """Let everything be written, by two instances; return the draft that each one shows, and the database's."""
    with world.calm():
        world.deployments["editor"].scale(2)
        world.run(seconds)
        return _seen(client), sql(world, "SELECT body FROM drafts WHERE name = 'ada'")


@write_behind.scenario(preemptions=0, kills=1)
def one_dies(world: World, editor: Any) -> Any:
    """Ada saves once; an instance dies at any step, up to the moment when both have written to the database."""
    ada = _apart(world, editor)
    patiently(
        lambda: ada.put("/draft/ada", json={"body": "one"}),
        tries=4,
        again=lambda answer: answer.status_code >= 500,
        pause=lambda: world.run(1),
    )
    world.run(WINDOW)
    return _settle(world, ada)


@write_behind.scenario(preemptions=0)
def many_drafts(world: World, editor: Any) -> Any:
    """Ada saves two drafts more than may be left over, once each."""
    ada = _apart(world, editor)
    with world.calm():
        for number in range(LEFT + 2):
            _save(ada, "Dear Bob", f"letter-{number}")
        world.run(3 * EVERY)
        return _left(world)


@write_behind.scenario(preemptions=0)
def database_away(world: World, editor: Any) -> Any:
    """Ada saves often; then while the database does not answer; then while it is down for two minutes."""
    ada = _apart(world, editor)
    with world.calm():
        for number in range(SEVERAL):
            _save(ada, f"text {number}")
        first = _seen(ada), _settle(world, ada)[1]
        for place in ("editor-1", "editor-2"):
            world.partition(place, "database")
        _save(ada, "late")
        world.run(MINUTE / 3)
        world.heal()
        second = _settle(world, ada)
        world.database.outage(2 * MINUTE)
        _save(ada, "last")
        seen = _seen(ada)
        world.run(2 * MINUTE)
        third = seen, _settle(world, ada)[1]
        return (first, f"text {SEVERAL - 1}"), (second, "late"), (third, "last"), _left(world)


def _left(world: World) -> tuple[str, int]:
    """Return the longest list, set, sorted set or stream in Redis, and how many entries it has."""
    store = world.redis.client()
    count = {"list": store.llen, "set": store.scard, "zset": store.zcard, "stream": store.xlen}
    found = [(str(key), count[kind](key)) for key in sorted(store.keys()) if (kind := store.type(key)) in count]
    return max(found, key=lambda one: one[1], default=("", 0))


@write_behind.scenario(preemptions=0, pauses=1, pause_seconds=PAUSE)
def one_stands_still(world: World, editor: Any) -> Any:
    """Ada saves, an instance stands still for two minutes at any step of writing it; meanwhile she saves again."""
    ada = _apart(world, editor)
    with world.calm():
        _save(ada, "one")
    world.run(WINDOW)
    with world.calm():
        _save(ada, "two")
    return _settle(world, ada, PAUSE + MINUTE)


@write_behind.scenario(preemptions=0)
def clocks_differ(world: World, editor: Any) -> Any:
    """Ada saves at an instance whose clock is a minute fast, and later at the other one."""
    ada = _apart(world, editor)
    with world.calm():
        world["editor-1"].skew(MINUTE)
        _save(ada, "one")
        world.run(WINDOW)
        _save(ada, "two")
        return _settle(world, ada)


@write_behind.scenario(preemptions=1)
def save_and_write(world: World, editor: Any) -> Any:
    """Ada saves once, and again at the moment in which an instance writes to the database."""
    ada = _apart(world, editor)
    with world.calm():
        _save(ada, "one")
    world.together(lambda: _save_at(world, EVERY, ada, "two"))
    world.run(1)
    return _settle(world, ada, 3 * EVERY)


@write_behind.scenario(preemptions=1)
def two_tabs(world: World, editor: Any) -> Any:
    """Ada saves from two tabs at the same moment."""
    ada, other = _together(world, editor), world.client("ada-too", timeout=TIMEOUT)
    world.together(lambda: _save(ada, "left"), lambda: _save(other, "right"))
    return _settle(world, ada, 3 * EVERY)


# Invariants, the most telling first


@database_away.must("NOT-BEHIND", "a save is acknowledged within a second, whatever the database does")
def database_not_waited_for(history: History) -> str | None:
    for request in history.sent:
        if request.method == "PUT" and (request.seconds > SOON or not request.ok) and request.time > MINUTE:
            return f"{asked(history, request)} after {request.seconds:.0f} s, while the database is not to be reached."
    return None


@database_away.must("OLD-DRAFT", "both instances show what was acknowledged last, at once")
def newest_shown(history: History) -> str | None:
    acknowledged = [json.loads(request.request.content)["body"] for request in history.acknowledged]
    for (seen, _), saved in history.result[:3]:
        old = [body for body in seen if saved in acknowledged and isinstance(body, str) and body != saved]
        if old:
            return f"Ada saved «{saved}», which was acknowledged; then an instance shows her «{old[0]}»."
    return None


@database_away.must("UNANSWERED", "every request is answered with 200, a question with the draft")
@write_behind.must(
    "UNANSWERED",
    "without a fault every request is answered with 200, a question with the draft",
    save_and_write,
    two_tabs,
)
def everybody_answered(history: History) -> str | None:
    for request in history.sent:
        told = isinstance(field(request.response, "body"), str)
        if not request.ok or (request.method == "GET" and not told):
            wanted = ' and {"body": text}' if request.method == "GET" else ""
            return f"{asked(history, request)}; the contract says 200{wanted}."
    return None


@one_dies.must("LOST-WRITE", "what was acknowledged is in the database a minute later, whoever dies")
def written(history: History) -> str | None:
    stored = history.result[1]
    if history.acknowledged and stored is None:
        why = "an instance has died, and " if history.faults else ""
        return f"Ada's draft was acknowledged; {why}a minute later the database has none."
    return None


@database_away.must("LOST-WRITE", "what was acknowledged is in the database a minute after that can be reached again")
def written_later(history: History) -> str | None:
    for (_, stored), saved in history.result[:3]:
        if stored != saved:
            there = f"«{stored}»" if stored else "nothing"
            return f"Ada saved «{saved}», which was acknowledged; a minute after the database is back it has {there}."
    return None


@clocks_differ.must("OLD-WINS", "the last text that was acknowledged is the one in the database, whatever clocks say")
@write_behind.must(
    "OLD-WINS", "the last text that was acknowledged is the one in the database", save_and_write, one_stands_still
)
def newest_written(history: History) -> str | None:
    _, stored = history.result
    if stored != "two":
        there = f"«{stored}»" if stored else "nothing"
        return f"Ada saved «one», then «two», both acknowledged; a minute later the database has {there}."
    return None


@write_behind.must(
    "SHOWS-ANOTHER", "the instances show what the database has, once all is written", one_dies, two_tabs, save_and_write
)
def same_text(history: History) -> str | None:
    seen, stored = history.result
    other = [body for body in seen if body != stored]
    if other and history.acknowledged:
        return f"A minute after the last save the database has «{stored}», and an instance shows «{other[0]}»."
    return None


@write_behind.must("GROWS", "what is written leaves the queue", many_drafts, database_away)
def queue_is_empty(history: History) -> str | None:
    key, count = history.result[-2:] if isinstance(history.result[0], str) else history.result[3]
    if count > LEFT:
        return f"Everything is written, and {key!r} in Redis still has {count} entries: it grows for ever."
    return None


__all__ = ["write_behind"]
