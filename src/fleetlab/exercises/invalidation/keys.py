"""keys: one call drops all pages of a user and no others, and two releases share one cache."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client
from fleetlab.world.world import World

from ..asking import MINUTE, asked, attempt
from ..exercise import Exercise
from ..history import History
from ..salt import salted
from .common import client
from .pages import PAGES, SESSION, Page, change, drop, look, look_at_all, open_shop, session_there, total_of

LIFE = 10 * MINUTE
"""How long a page may be kept, in virtual seconds."""

keys = Exercise(
    "11_3.keys",
    "One call drops a user's pages, in both releases",
    hints=[
        "Write down the keys of user `ann`, page `a:cart`, and of user `ann:a`, page `cart`. Then those that "
        "`scan_iter` finds for the user `an*`. And who else keeps something in this Redis?",
        "Two releases that keep different things under one key read each other's. Put the format into the key, and let "
        "the user's own place (a tag set, a hash, or a number that is part of every key) know the entries of both.",
        "With a tag set: `SET` with `ex`, `SADD` and `EXPIRE` in one MULTI, so that no entry is without its tag and no "
        "tag without its end. Drop what you have read from the set and nothing else: somebody may add to it meanwhile. "
        "`quote(name, safe='')` makes any name harmless.",
    ],
)


# -- situations


@keys.scenario(preemptions=0)
def neighbours(world: World, shop: Any) -> Any:
    """Six users whose names look alike have pages; everything changes, and one after another is dropped."""
    with salted(), world.calm():
        reader = open_shop(world, shop)
        first = look_at_all(world, reader)
        change(world)
        kept = look_at_all(world, reader)
        drop(reader, "ann")
        dropped = look_at_all(world, reader)
        drop(reader, "an*")
        starred = look_at_all(world, reader)
        return first, kept, dropped, starred, session_there(world)


@keys.scenario(preemptions=0)
def ten_minutes(world: World, shop: Any) -> Any:
    """Ann looks at her cart, six minutes later at her orders, five minutes later at her cart again; then at nothing."""
    with world.calm():
        reader = open_shop(world, shop)
        look(world, reader)
        change(world)
        world.run(6 * MINUTE)
        look(world, reader, page="orders")
        drop(reader, "anna")
        world.run(5 * MINUTE)
        late = look(world, reader)
        world.run(LIFE + MINUTE)
        return late, world.redis.size() - 1


@keys.scenario(preemptions=0)
def dropped_late(world: World, shop: Any) -> Any:
    """Ann's pages are dropped, drawn one after the other within nine minutes, and dropped again at the eleventh."""
    with world.calm():
        reader = open_shop(world, shop)
        drop(reader)
        for page, minutes in (("cart", 6), ("orders", 3), ("a", 2)):
            look(world, reader, page=page)
            world.run(minutes * MINUTE)
        change(world)
        drop(reader)
        return [look(world, reader, page=page) for page in ("orders", "a")]


@keys.scenario(preemptions=0)
def two_releases(world: World, shop: Any) -> Any:
    """A release with another format is rolled out while Ann looks at her cart and something is dropped."""
    with world.calm():
        reader = open_shop(world, shop)
        look(world, reader), look(world, reader)
        change(world)
        fleet = world.deployments["shop"]
        fleet.vars["FORMAT"] = "2"
        for _ in fleet.rolling(shop):
            break
        both = [look(world, reader) for _ in range(2)]
        change(world)
        again = [look(world, reader) for _ in range(4)]
        drop(reader)
        dropped = [look(world, reader) for _ in range(2)]
        drop(reader)
        return both, again, dropped + [look(world, reader) for _ in range(2)], session_there(world)


@keys.scenario(preemptions=0, kills=1)
def half_kept(world: World, shop: Any) -> Any:
    """An instance may die at any step of keeping a page; the totals change, Ann's pages are dropped, Anna's are not."""
    with world.calm():
        reader = open_shop(world, shop)
    for user in ("ann", "anna"):
        attempt(lambda user=user: reader.get(f"/pages/{user}/cart"))  # type: ignore[misc]
    with world.calm():
        return _dropped_later(world, reader)


@keys.scenario(preemptions=1)
def drop_while_drawing(world: World, shop: Any) -> Any:
    """Ann looks at her cart while her pages are dropped; later they are dropped once more."""
    with world.calm():
        reader = open_shop(world, shop)
        look(world, reader, page="orders")
        other = client(world, "owner")
    world.together(lambda: attempt(lambda: reader.get("/pages/ann/cart")), lambda: drop(other))
    with world.calm():
        return _dropped_later(world, reader)


def _dropped_later(world: World, reader: Client) -> tuple[list[Page], int]:
    """Change the totals, drop Ann's pages and look; return what she sees, and how many keys are left at the end."""
    change(world)
    drop(reader)
    seen = [look(world, reader) for _ in range(2)]
    world.run(LIFE + MINUTE)
    return seen, world.redis.size() - 1


# Invariants, the most telling first


@neighbours.must("CONTRACT", 'without a fault each request is answered with 200, a page as {"total": "3 EUR"}')
@two_releases.must("CONTRACT", "without a fault each request is answered with 200, each page in one of both formats")
def as_agreed(history: History) -> str | None:
    for request in history.sent:
        if not request.ok:
            return f"{asked(history, request)}, without any fault."
        if request.method == "GET" and total_of(request.json) is None:
            return f"{asked(history, request)}, which is neither of both formats."
    return None


@keys.must("FLUSHED", "what others keep in this Redis stays", neighbours, two_releases)
def others_keys_stay(history: History) -> str | None:
    return None if history.result[-1] else f"{SESSION} is gone from Redis: Ann is logged out, as is everybody."


@neighbours.must("MIXED-UP", "everybody sees his or her own page")
def own_page(history: History) -> str | None:
    for page in history.result[0]:
        if page.total != page.right:
            whose = next(f"{user}/{name}" for n, (user, name) in enumerate(PAGES, 1) if n == page.total)
            return f"{page.name} shows the total of {whose}."
    return None


@neighbours.must("NOT-KEPT", "a page is drawn once in ten minutes, whichever instance is asked")
def kept(history: History) -> str | None:
    for page in history.result[1]:
        if page.total == page.right:
            return (
                f"{page.name} was drawn a moment ago, and is drawn again: it was not kept, or not for both instances."
            )
    return None


@neighbours.must("SURVIVED", "after the call no page of that user is left")
def all_gone(history: History) -> str | None:
    _, _, dropped, starred, _ = history.result
    for user, pages in (("ann", dropped), ("an*", starred)):
        for page in pages:
            if page.user == user and page.total != page.right:
                return f"All pages of {user} were dropped, and {page.name} is still the old one."
    return None


@neighbours.must("FORGOT-OTHERS", "the call drops no page of anybody else")
def others_stay(history: History) -> str | None:
    _, _, dropped, starred, _ = history.result
    for user, pages in (("ann", dropped), ("an*", starred)):
        for page in pages:
            if page.user not in ("ann", user) and page.total == page.right:
                return f"The pages of {user} were dropped, and {page.name} with them."
    return None


@two_releases.must("WRONG-FORMAT", "each instance answers in the format of its release, whoever has kept the page")
def own_format(history: History) -> str | None:
    both, again, dropped, _ = history.result
    for pages in (both, again[:2], again[2:], dropped[:2], dropped[2:]):
        if {page.format for page in pages} != {"1", "2"}:
            old, new = ("old", "new") if pages[0].format == "2" else ("new", "old")
            return f"The instance of the {old} release answers {pages[0].name} in the format of the {new} one."
    return None


@two_releases.must("REBUILT", "through the rollout each release finds its own pages")
def each_keeps(history: History) -> str | None:
    both, again, _, _ = history.result
    old = next(page for page in both if page.format == "1")
    if old.total == old.right:
        return "The first new instance has started, and the old ones find no page any more: all are drawn again."
    for page in again:
        if page.total == page.right:
            return f"While both releases run, {page.name} is drawn again for one whenever the other has kept its own."
    return None


@two_releases.must("SURVIVED", "after the call no page of that user is left, of either release")
def all_gone_in_both(history: History) -> str | None:
    for page in history.result[2]:
        if page.total != page.right:
            which = "old" if page.format == "1" else "new"
            return f"All pages of ann were dropped during a rollout, and the {which} release still shows an old one."
    return None


@dropped_late.must("SURVIVED", "after the call no page of that user is left, however long ago the first was kept")
def all_gone_later(history: History) -> str | None:
    for page in history.result:
        if page.total != page.right:
            return (
                f"{page.name} was kept less than ten minutes ago, all pages of ann were dropped, and it is still there."
            )
    return None


@half_kept.must("SURVIVED", "after the call no page of that user is left, whoever died keeping it")
@drop_while_drawing.must("SURVIVED", "after the call no page of that user is left, whatever overlapped before")
def none_left(history: History) -> str | None:
    for page in history.result[0]:
        if page.total is not None and page.total != page.right:
            how = "An instance died keeping" if history.faults else "Ann's pages were dropped while somebody kept"
            return f"{how} {page.name}; a later call that drops all pages of ann does not find it."
    return None


@ten_minutes.must("TOO-OLD", "no page is older than ten minutes")
def ends(history: History) -> str | None:
    late = history.result[0]
    if late.total != late.right:
        return f"{late.name} was drawn eleven minutes ago, has changed since, and is still shown."
    return None


@ten_minutes.must("LEAK", "what is kept for a user ends by itself, tags and numbers too")
@half_kept.must("LEAK", "what is kept for a user ends by itself, whoever died keeping it")
def nothing_stays(history: History) -> str | None:
    left = history.result[1]
    if left > 0:
        what = "one key is" if left == 1 else f"{left} keys are"
        return f"Eleven minutes after anybody looked at anything {what} still in Redis, and would be for ever."
    return None


__all__ = ["keys"]
