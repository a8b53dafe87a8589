"""etag: a page is sent again only when it has changed, whoever is asked, and each copy lies where it may."""

from __future__ import annotations

from typing import Any

from fleetlab.world.world import World

from ..asking import asked
from ..exercise import Exercise
from ..history import History
from ..salt import salted
from .common import opaque, tag_of
from .pages import ADA, BOB, DE, EN, FIRST, TEA, Look, Reader, greeting, set_price

etag = Exercise(
    "11_1.etag",
    "A page is sent again only when it has changed",
    hints=[
        "What is an ETag a tag of? If two instances make the same page, both must come to the same one; if the page "
        "differs in a single letter, or in its language, to another. Neither a clock nor an instance can know that.",
        "Who may keep a page, and for how long, stands in Cache-Control: look up `private`, `no-cache`, `max-age`. A "
        "shared cache does not read pages. What tells it that there are two of `/tea` under one URL?",
        "Flask has the comparison ready, lists and `W/` included: `response.add_etag()` makes a tag of the body, "
        "`response.make_conditional(request)` a 304 where it fits. Set Cache-Control and Vary before that, so that the "
        "304 carries them too.",
    ],
)


@etag.scenario(preemptions=0)
def any_instance(world: World, app: Any) -> Any:
    """A client goes from instance to instance with what it holds, in every form that its ETag may take on the way."""
    with salted(), world.calm():
        world.deploy(app, instances=2, name="shop")
        reader = Reader(world, "ada")
        reader.hold("/tea", EN)
        reader.look("At once", "/tea", EN)
        reader.look("With its ETag weakened by a proxy (W/)", "/tea", EN, 'W/"{name}"')
        reader.look("With its ETag in a list of three", "/tea", EN, '"x1", {tag}, "x2"')
        reader.look("With an ETag of somebody else's", "/tea", EN, '"0{name}0"', matches=False)
        reader.look("With the ETag of the English page", "/tea", DE)
        reader.look("With the ETag of the German page", "/tea", EN)
        return reader.looks


@etag.scenario(preemptions=0)
def changes_and_a_release(world: World, app: Any) -> Any:
    """A client comes back two seconds later, after each of three changes of the price, and after a release."""
    with salted(), world.calm():
        fleet = world.deploy(app, instances=2, name="shop")
        owner, reader = world.client("owner"), Reader(world, "ada")
        reader.hold("/tea", EN)
        world.run(2)
        reader.look("Two seconds later", "/tea", EN)
        for price in (5, 6, FIRST):
            set_price(owner, price)
            reader.price = price
            reader.look(f"After the price has become {price}", "/tea", EN)
        fleet.rollout(app)
        reader.look("After a release", "/tea", EN)
        return reader.looks


@etag.scenario(preemptions=0)
def two_users(world: World, app: Any) -> Any:
    """Ada has her own page confirmed; then Bob is logged in where she was."""
    with salted(), world.calm():
        world.deploy(app, instances=2, name="shop")
        owner, reader = world.client("owner"), Reader(world, "ada")
        reader.hold("/me", ADA)
        reader.look("At once", "/me", ADA)
        reader.look("With Bob logged in, in Ada's browser,", "/me", BOB)
        set_price(owner, 5)
        reader.look("After the price has become 5", "/me", BOB)
        return reader.looks


@etag.scenario(preemptions=1)
def while_the_price_changes(world: World, app: Any) -> Any:
    """Bob asks for the page while the owner changes its price; Ada has had it before."""
    world.deploy(app, instances=2, name="shop")
    ada, owner, bob = Reader(world, "ada"), world.client("owner"), Reader(world, "bob")
    with world.calm():
        ada.hold("/tea", EN)
    world.together(lambda: set_price(owner, 5), lambda: bob.hold("/tea", EN))
    with world.calm():
        for reader in (ada, bob):
            reader.look("After the price has changed", "/tea", EN)
    return ada.looks + bob.looks


@etag.scenario(preemptions=0, kills=1)
def half_a_change(world: World, app: Any) -> Any:
    """The instance that changes the price may die at any step; Ada has had the page before."""
    world.deploy(app, instances=2, name="shop")
    ada, owner = Reader(world, "ada"), world.client("owner")
    with world.calm():
        ada.hold("/tea", EN)
    set_price(owner, 5)
    with world.calm():
        ada.look("After an instance has died changing the price", "/tea", EN)
    return ada.looks


# Invariants, the most telling first


@etag.must(
    "CONTRACT",
    "without a fault each page comes with status 200, its text and an ETag in quotes",
    any_instance,
    changes_and_a_release,
    two_users,
)
def as_agreed(history: History) -> str | None:
    for request in history.sent:
        if request.status not in (200, 204, 304):
            return f"{asked(history, request)}, without any fault."
    for look in history.result:
        tag = opaque(tag_of(look.fresh))
        if look.fresh.text not in _pages() or not (len(tag) > 2 and tag[0] == tag[-1] == '"'):
            return (
                f"GET {look.path} came as {look.fresh.text[:60]!r} with the ETag {tag_of(look.fresh) or 'of nothing'}; "
                f'the contract says a text as {_example(look)!r}, and an ETag in quotes, as "v1".'
            )
    return None


def _pages() -> set[str]:
    prices = (FIRST, 5, 6)
    teas = {text.format(price) for text in TEA.values() for price in prices}
    return teas | {greeting(user, price) for user in ("ada", "bob") for price in prices}


def _example(look: Look) -> str:
    return TEA["en"].format(FIRST) if look.path == "/tea" else greeting("ada", FIRST)


@changes_and_a_release.must("TOO-OLD", "a page says what tea costs now, whichever instance makes it")
def current(history: History) -> str | None:
    for look in history.result:
        for answer in (look.asked, look.fresh):
            if answer.status_code == 200 and answer.text != look.right:
                return f"{look.when} an instance answers {look.path} with «{answer.text}»; it is «{look.right}»."
    return None


@etag.must("FALSE-304", "304 means that what the client holds is what it would have been sent")
def held_is_right(history: History) -> str | None:
    for look in history.result:
        if look.answered and look.asked.status_code == 304 and look.held != look.fresh.text:
            shows = f"goes on showing «{look.held}»" if look.matches else "shows what it does not have"
            return f"{look.when} a client asks for {look.path}, is told 304, and {shows}; it is «{look.fresh.text}»."
    return None


@etag.must(
    "SENT-AGAIN",
    "what a client holds is not sent again, whichever instance is asked",
    any_instance,
    changes_and_a_release,
    two_users,
)
def not_sent_again(history: History) -> str | None:
    for look in history.result:
        if look.matches and look.answered and look.asked.status_code == 200 and look.held == look.fresh.text:
            ours, theirs = tag_of(look.asked), look.asked.request.headers.get("if-none-match", "nothing")
            tags = f"it holds {theirs}, the page now has {ours}"
            what = f"{look.when} a client asks for {look.path} and is sent all of it again"
            return f"{what}, though nothing has changed: {tags}."
    return None


@etag.must("BODY-WITH-304", "a 304 has no body", any_instance, changes_and_a_release, two_users)
def no_body(history: History) -> str | None:
    for look in history.result:
        size = len(look.asked.content)
        if look.asked.status_code == 304 and size:
            return f"A 304 for {look.path} carries {size} bytes: the client takes them for the next answer's beginning."
    return None


@etag.must(
    "BARE-304",
    "a 304 repeats ETag, Cache-Control and Vary of the page that it confirms",
    any_instance,
    changes_and_a_release,
    two_users,
)
def says_the_same(history: History) -> str | None:
    for look in history.result:
        if look.asked.status_code != 304:
            continue
        for name in ("etag", "cache-control", "vary"):
            said, page = look.asked.headers.get(name), look.fresh.headers.get(name)
            if page and (said is None or opaque(said) != opaque(page)):
                return f"The 304 for {look.path} says {name}: {said or 'nothing'}, its page {page} (RFC 9110, 15.4.5)."
    return None


__all__ = ["etag"]
