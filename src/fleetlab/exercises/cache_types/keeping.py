"""Where copies of a page may lie: the scenario of `etag` with a shared cache and a browser."""

from __future__ import annotations

from typing import Any

from fleetlab.world.browser import browser
from fleetlab.world.proxy import reverse_proxy
from fleetlab.world.world import World

from ..history import History
from .etag import etag
from .pages import ADA, BOB, DE, EN, Visit, Visits

CDN = reverse_proxy("shop")


@etag.scenario(preemptions=0)
def behind_a_shared_cache(world: World, app: Any) -> Any:
    """Three people come through one shared cache, a fourth with a browser of her own; the price changes twice."""
    with world.calm():
        world.deploy(app, instances=2, name="shop")
        world.deploy(CDN, instances=1, name="cdn")
        ada, bob, cem = (
            world.client(name, base_url="http://cdn", headers={"user-agent": f"{name}'s"})
            for name in ("ada", "bob", "cem")
        )
        visits = Visits(world)
        visits.by(ada, "ada", "/tea", EN | ADA)
        visits.by(bob, "bob", "/tea", EN | BOB, may_be_kept=True)
        visits.by(cem, "cem", "/tea", DE)
        visits.by(cem, "cem", "/tea", DE, may_be_kept=True)
        visits.by(ada, "ada", "/me", ADA)
        visits.by(bob, "bob", "/me", BOB)
        world.run(50)
        visits.by(cem, "cem", "/tea", EN, may_be_kept=True)
        visits.change(5)
        world.run(61)
        visits.by(ada, "ada", "/tea", EN | ADA)
        visits.by(bob, "bob", "/tea", EN | BOB, may_be_kept=True)
        return visits.made, _one_browser(world, visits)


def _one_browser(world: World, visits: Visits) -> tuple[list[Visit], list[int]]:
    """Let Ada look at her page three times, and Bob after her in the same browser; return what they saw."""
    before, visits.made = visits.made, []
    dot = browser(world, "dot", base_url="http://cdn")
    mark = len(world.sent)
    for price in (5, 5, 6):
        if price != visits.price:
            visits.change(price)
        visits.by(dot, "ada", "/me", ADA)
    visits.by(dot, "bob", "/me", BOB)
    seen, visits.made = visits.made, before
    return seen, [sent.status for sent in world.sent[mark:] if sent.client == "dot"]


# Invariants, the most telling first


@behind_a_shared_cache.must("LEAKED", "nobody sees somebody else's page")
def own_page(history: History) -> str | None:
    visits, (alone, _) = history.result
    for visit in (*visits, *alone):
        user = visit.text.split(" ", 1)[0]
        if visit.path == "/me" and user != visit.who:
            place = "the shared cache" if visit in visits else "a browser in which Ada was logged in before"
            return f"{visit.who.title()} asks for /me, and {place} shows «{visit.text}»."
    return None


@behind_a_shared_cache.must("KEPT-PRIVATE", "a page of one user lands in no shared cache")
def never_kept(history: History) -> str | None:
    for visit in history.result[0]:
        if visit.path == "/me" and ("stored" in visit.cache or "hit" in visit.cache):
            return (
                f"The shared cache has kept «{visit.text}» (Cache-Status: {visit.cache}): one wrong key, and it leaks."
            )
    return None


@behind_a_shared_cache.must("WRONG-LANGUAGE", "each language is kept apart")
def own_language(history: History) -> str | None:
    for visit in history.result[0]:
        if visit.path == "/tea" and visit.text[:3] != visit.right[:3]:
            return f"{visit.who.title()} asks for «{visit.right}» and is shown «{visit.text}» ({visit.cache})."
    return None


@behind_a_shared_cache.must("TOO-OLD", "after a minute nobody sees an old price, and on /me nobody ever does")
def in_time(history: History) -> str | None:
    visits, (alone, _) = history.result
    for visit in (*visits, *alone):
        if visit.text != visit.right:
            since = "61 s after the price was changed" if visit.path == "/tea" else "at once after a change"
            return f"{visit.who.title()} sees «{visit.text}» on {visit.path}, {since}; it is «{visit.right}»."
    return None


@behind_a_shared_cache.must("GUESSED", "no cache has to guess for how long it may show /me")
def nothing_to_guess(history: History) -> str | None:
    for visit in history.result[1][0]:
        said = {part.partition("=")[0].strip() for part in visit.rule.split(",")}
        if not said & {"no-cache", "no-store", "max-age", "expires"}:
            return (
                f"/me says «{visit.rule}» and not for how long: a browser may guess (RFC 9111, 4.2.2), "
                "and show Bob the page that Ada was sent."
            )
    return None


@behind_a_shared_cache.must("NOT-KEPT", "for a minute the shared cache answers for /tea by itself, whoever asks")
def kept(history: History) -> str | None:
    for visit in history.result[0]:
        if visit.may_be_kept and "; hit" not in visit.cache:
            who = f"{visit.who.title()} asks for /tea, which others had before"
            return f"{who}, and the shop is asked again at {visit.time:.0f} s (Cache-Status: {visit.cache})."
    return None


@behind_a_shared_cache.must("SENT-AGAIN", "Ada's own browser keeps her page, and asks before it shows it")
def browser_asks(history: History) -> str | None:
    statuses = history.result[1][1]
    if statuses[1:2] != [304]:
        return (
            "Ada looks at /me twice in her browser, nothing has changed, and the second time all of it is sent again."
        )
    return None


__all__ = ["etag"]
