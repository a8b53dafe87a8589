"""single_flight: a hot entry is loaded by one instance of the fleet, and the others show the old one meanwhile.

The situations are in `scenarios`; here is what must hold in them.
"""

from __future__ import annotations

from fleetlab.world.http import Sent

from ..history import History
from .reports import SECONDS, Edition
from .scenarios import (
    FRESH,
    GRACE,
    LISTS,
    SLACK,
    TAKEOVER,
    TEA,
    WAIT,
    a_minute_later,
    nothing_to_show,
    purged_and_asked,
    purged_at_the_end,
    single_flight,
    ten_minutes,
    the_first_is_lost,
    the_loader_is_lost,
)

# -- what requests tell


def _lists(history: History) -> list[Sent]:
    """Return the requests for a list, in the order of their beginning."""
    return [request for request in history.sent if request.method == "GET"]


def _name(request: Sent) -> str:
    return request.path.removeprefix("/top/")


def _edition(history: History, request: Sent) -> Edition | None:
    """Return the edition that a request was answered with, None where it was none."""
    told = request.json if request.ok else None
    number = told.get("edition") if isinstance(told, dict) else None
    made = history.result.reports.made
    return made[number - 1] if isinstance(number, int) and 1 <= number <= len(made) else None


def _excused(history: History, request: Sent) -> bool:
    """Tell whether a request has met an instance that died or stood still, and so was not answered by anybody."""
    return bool(history.faults) and (request.cut_off or request.error == "ReadTimeout")


def _standing(history: History) -> bool:
    """Tell whether an instance stood still in this run: whoever was sent to it had to wait."""
    return "pause" in history.faults


def _who(request: Sent) -> str:
    return request.client.title()


def _loser(history: History) -> str:
    """Return what became of a loader, as a clause."""
    return "has stood still" if _standing(history) else "has died"


# -- invariants, the most telling first


@ten_minutes.must("WRONG-LIST", "whoever asks for a list is shown this list")
@nothing_to_show.must("WRONG-LIST", "whoever asks for a list is shown this list")
def right_list(history: History) -> str | None:
    for request in _lists(history):
        edition = _edition(history, request)
        if request.ok and (edition is None or edition.name != _name(request)):
            shown = f"the list of {edition.name}" if edition else "something that is no list of the reports"
            return f"{_who(request)} asks for {_name(request)} and is shown {shown}."
    return None


@a_minute_later.must("HERD", "a list that a minute has made old is loaded once, however many ask for it")
@nothing_to_show.must("HERD", "the first list is loaded once, however many ask for it")
@purged_and_asked.must("HERD", "after a purge a list is loaded once, however many ask for it")
@the_loader_is_lost.must("HERD", "each loader that is lost costs one load more, and no other")
def loaded_once(history: History) -> str | None:
    run = history.result
    for name in LISTS:
        until = run.since + TAKEOVER + 20
        loads = [edition for edition in run.reports.of(name, run.since) if edition.time < until]
        asked = [one for one in _lists(history) if _name(one) == name and run.since <= one.time < until]
        allowed = 1 + sum(history.faults.values())
        if len(loads) > allowed:
            lost = f", of which one {_loser(history)}" if history.faults else ""
            within = loads[-1].time - loads[0].time
            when = "in one moment" if within < 0.1 else f"within {within:.1f} s"
            return f"{len(asked)} ask for {name}, and it is loaded {len(loads)} times {when}{lost}."
    return None


@a_minute_later.must("REFUSED", "while there is an old list to show, nobody goes without")
@nothing_to_show.must("REFUSED", "readers of a list that is not there yet get it as soon as it is")
@ten_minutes.must("REFUSED", "without a fault everybody gets the list")
def nobody_refused(history: History) -> str | None:
    for request in history.sent:
        if not request.ok and not _excused(history, request):
            return (
                f"{_who(request)} asked {request.method} {request.path} and got {request.outcome}, without any fault."
            )
    return None


@the_loader_is_lost.must("REFUSED", "the loss of a loader is noticed by nobody but whom it served")
def nobody_notices(history: History) -> str | None:
    since = history.result.since
    for request in _lists(history):
        if not request.ok and not _excused(history, request) and request.time < since + GRACE - SLACK:
            then = request.time - since
            return f"A loader {_loser(history)}; {_who(request)}, who comes {then:.0f} s later, gets {request.outcome}."
    return None


@a_minute_later.must("WAITS", "while there is an old list to show, nobody but the loader waits")
@the_loader_is_lost.must("WAITS", "while there is an old list to show, nobody but a loader waits")
def only_the_loader_waits(history: History) -> str | None:
    if _standing(history):
        return None
    since = history.result.since
    asked = [request for request in _lists(history) if since <= request.time < since + GRACE - SLACK]
    slow = [request for request in asked if request.seconds > 0.5 and not _excused(history, request)]
    if len(slow) > 1 + sum(history.faults.values()):
        names = " and ".join(_who(request) for request in slow)
        longest = max(request.seconds for request in slow)
        return f"There is a list, {since:.0f} s old, to be shown; {names} waited {longest:.0f} s for a new one."
    return None


@nothing_to_show.must("WAITS", "nobody waits longer than a list takes, nor for another list")
def no_longer_than_a_load(history: History) -> str | None:
    for request in _lists(history):
        if request.seconds > SECONDS + 1:
            return f"{_who(request)} waits {request.seconds:.1f} s for {_name(request)}, which takes {SECONDS:.0f} s."
    return None


@the_first_is_lost.must("WAITS", "nobody waits longer than 5 s for somebody who may be dead")
@ten_minutes.must("WAITS", "nobody waits longer than 5 s for somebody else")
def bounded(history: History) -> str | None:
    if _standing(history):
        return None
    for request in _lists(history):
        if request.seconds > WAIT + SECONDS + 0.5:
            why = f" for a loader that {_loser(history)}" if history.faults else ""
            return f"{_who(request)} waits {request.seconds:.0f} s{why}, and holds one of 8 workers all the while."
    return None


@the_first_is_lost.must("STUCK", "a loader that is lost is replaced within 10 s")
@the_loader_is_lost.must("STUCK", "a loader that is lost is replaced within 10 s")
def replaced(history: History) -> str | None:
    run = history.result
    late = [one for one in _lists(history) if run.since + TAKEOVER + 10 <= one.time < run.since + TAKEOVER + 20]
    if any((edition := _edition(history, one)) and edition.time >= run.since for one in late):
        return None
    after = late[0].time - run.since
    how = f"A loader {_loser(history)}, and {after:.0f} s later" if history.faults else f"{after:.0f} s later"
    got = next((one for one in late if not _excused(history, one)), late[0])
    shown = "the old list is shown" if got.ok else f"{_who(got)} gets {got.outcome}"
    return f"{how} {shown}: nobody has loaded a new one."


@the_first_is_lost.must("NO-RETRY-AFTER", "503 says when to come back")
def says_when(history: History) -> str | None:
    for request in _lists(history):
        if request.status == 503 and request.response is not None and "retry-after" not in request.response.headers:
            return f"{_who(request)} is told 503 without Retry-After, and asks again at once, as all others do."
    return None


@the_first_is_lost.must("REFUSED", "who cannot be shown a list is told 503, after a while")
def told_503(history: History) -> str | None:
    for request in _lists(history):
        if request.ok or _excused(history, request):
            continue
        if request.status != 503 or request.seconds < SECONDS:
            return (
                f"{_who(request)} gets {request.outcome} after {request.seconds:.1f} s; a list takes {SECONDS:.0f} s."
            )
    return None


@a_minute_later.must("NEVER-REFRESHED", "a list that is a minute old is loaded anew as soon as somebody asks")
@ten_minutes.must("NEVER-REFRESHED", "a list that is a minute old is loaded anew as soon as somebody asks")
def refreshed(history: History) -> str | None:
    for request in _lists(history):
        if not FRESH + 5 < request.time < FRESH + GRACE:
            continue
        edition = _edition(history, request)
        if edition is not None and edition.time < FRESH:
            age = request.time - edition.time
            return f"A list of {age:.0f} s is shown, though others have asked before: nobody loads a new one."
    return None


@the_loader_is_lost.must("TOO-OLD", "no list is shown that was asked for more than two minutes ago")
@ten_minutes.must("TOO-OLD", "no list is shown that was asked for more than two minutes ago")
def never_too_old(history: History) -> str | None:
    for request in _lists(history):
        edition = _edition(history, request)
        if edition is not None and request.time - edition.time > FRESH + GRACE + SLACK:
            how = f": its loader {_loser(history)} in between" if history.faults else ""
            return f"{_who(request)} is shown a list that was asked for {request.time - edition.time:.0f} s ago{how}."
    return None


@ten_minutes.must("NOT-CACHED", "a list that is fresh is not loaded again")
def kept_while_fresh(history: History) -> str | None:
    loads = [edition.time for edition in history.result.reports.made]
    if len(loads) > 1 and loads[1] <= 2 * FRESH / 3 + 5:
        return f"A list is loaded at 0 s and again at {loads[1]:.0f} s; it is fresh for {FRESH:.0f} s."
    return None


@ten_minutes.must("PURGED-OTHERS", "a purge drops one list and no other")
def others_kept(history: History) -> str | None:
    run = history.result
    for name in LISTS[1:]:
        if run.reports.of(name, run.since):
            return f"{TEA} is purged, and {name} is gone as well: it has to be loaded again."
    return None


@purged_and_asked.must("NOT-PURGED", "what was asked for before a purge is shown to nobody who comes after it")
@purged_at_the_end.must("NOT-PURGED", "what was asked for before a purge is shown to nobody who comes after it")
@ten_minutes.must("NOT-PURGED", "what was asked for before a purge is shown to nobody who comes after it")
def purged(history: History) -> str | None:
    run = history.result
    for request in _lists(history):
        edition = _edition(history, request)
        if edition is None or _name(request) != TEA:
            continue
        if run.since <= request.time < run.purged and edition.time < run.since:
            return f"{TEA} is purged, and {_who(request)}, who asks afterwards, is shown the old list."
        if request.time >= run.purged > edition.time:
            after = request.time - run.purged
            return (
                f"{TEA} is purged while it is being loaded; {_who(request)} asks {after:.0f} s later and is shown it."
            )
    return None


__all__ = ["single_flight"]
