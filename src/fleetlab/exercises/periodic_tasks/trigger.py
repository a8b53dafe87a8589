"""trigger_endpoint: a scheduler outside calls at least once, and each slot has one run, which anybody can ask about."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.outside import Letter
from fleetlab.world.world import World

from ..asking import HOUR, MINUTE, asked, field, patiently
from ..exercise import Exercise
from ..history import History
from .common import CUSTOMERS, letters, names, told, twice, without
from .scheduler import PATIENCE, VARS, body, call, post, sign

trigger_endpoint = Exercise(
    "08.trigger_endpoint",
    "A scheduler outside calls, perhaps twice, and each slot has one run",
    hints=[
        "Who may call, and what would a call that was overheard open? How long does the scheduler wait, and what does "
        "it do then? Answer before the work, and answer a repeat as you have answered the first.",
        "Write down that there is a run, in one command, under a name that a repeat brings along as well. From then on "
        "the run must not need the instance that was called: somebody looks for what is not done.",
        "Compare an HMAC of the raw body in constant time. Keep slot and state in a hash, `HSETNX`; a job that wakes "
        "every ten seconds takes what is not done under a lease, gives each letter an id made of slot and customer, "
        "and writes «done» last.",
    ],
)

WINDOW, DONE = 35.0, 2 * MINUTE
"""How long faults are looked for, and when a run is done at the latest, in virtual seconds."""
UNDER_WAY = 12.0
"""How long after the first call its run is under way, in virtual seconds."""
PAUSE = 120.0
"""How long an instance stands still, in virtual seconds."""
FIRST, SECOND, NEVER = "2026-01-05T09:00", "2026-01-05T09:15", "2026-01-04T09:00"
SLOT, LATER = 15 * MINUTE, 35 * MINUTE
"""When the second slot begins, and when the call for the first is sent once more, in virtual seconds."""


def _ask(world: World, run: Any) -> list[Any]:
    """Return what a monitor hears about a run, from one instance after the other."""
    monitor = world.client("monitor")
    here = world.deployments["shop"].live
    return [field(patiently(lambda: monitor.get(f"/jobs/reminders/{run}")), "status") for _ in here]


def _start(world: World, shop: Any) -> Client:
    """Start two instances whose clocks are three seconds apart, and return the scheduler."""
    with world.calm():
        fleet = world.deploy(shop, instances=1, name="shop", env=VARS)
        world.run(3)
        fleet.scale(2)
    return world.client("scheduler", timeout=PATIENCE)


def _wait(world: World) -> None:
    """Let the fleet work until all customers have a letter, as long as faults are looked for."""
    end = world.now + WINDOW
    while without(world.mail.sent) and world.now < end:
        world.run(5)


def _settle(world: World, run: Any, seconds: float = DONE) -> list[Any]:
    """Let everything come to its end, and return what a run's status is then."""
    with world.calm():
        world.deployments["shop"].scale(2)
        world.run(seconds)
        return _ask(world, run) if run is not None else []


@trigger_endpoint.scenario(preemptions=0)
def strangers(world: World, shop: Any) -> Any:
    """Strangers call, without a signature or with a wrong one; one of them has overheard the scheduler's."""
    with world.calm():
        scheduler, stranger = _start(world, shop), world.client("stranger", timeout=PATIENCE)
        for signature in (None, sign(body(FIRST), "a guess"), sign(b"")):
            post(stranger, FIRST, signature)
        world.run(MINUTE)
        opened = len(world.mail.sent)
        call(scheduler, FIRST)
        post(stranger, SECOND, sign(body(FIRST)))
    return opened


@trigger_endpoint.scenario(preemptions=0)
def two_slots(world: World, shop: Any) -> Any:
    """The scheduler calls at 9:00 and at 9:15; at 9:35 its first call is sent once more."""
    with world.calm():
        scheduler = _start(world, shop)
        runs = [call(scheduler, FIRST)]
        early = _ask(world, runs[0]), without(world.mail.sent)
        patiently(lambda: world.client("auditor").get(f"/jobs/reminders/{NEVER}"))
        statuses = [_settle(world, runs[0])]
        world.run(SLOT - world.now)
        runs.append(call(scheduler, SECOND))
        statuses.append(_settle(world, runs[1]))
        world.run(LATER - world.now)
        again = post(world.client("echo", timeout=PATIENCE), FIRST, sign(body(FIRST)))
        _settle(world, None)
    return runs, statuses, early, field(again, "run")


@trigger_endpoint.scenario(preemptions=0)
def one_runs_long(world: World, shop: Any) -> Any:
    """The scheduler calls for the next slot while the run of the last one is under way."""
    with world.calm():
        scheduler = _start(world, shop)
        runs = [call(scheduler, FIRST)]
        world.run(UNDER_WAY)
        runs.append(call(scheduler, SECOND))
        return [_settle(world, run) for run in runs]


@trigger_endpoint.scenario(preemptions=2)
def called_twice(world: World, shop: Any) -> Any:
    """Two calls for one slot come at the same moment, each to another instance."""
    _start(world, shop)
    callers = [world.client(f"scheduler-{n}", timeout=PATIENCE) for n in (1, 2)]
    runs = world.together(*[lambda caller=caller: call(caller, FIRST) for caller in callers])
    return runs, _settle(world, runs[0])


@trigger_endpoint.scenario(preemptions=0, kills=1)
def one_dies(world: World, shop: Any) -> Any:
    """The scheduler calls; an instance dies at any step; a new one is started, and two minutes pass."""
    run = call(_start(world, shop), FIRST)
    _wait(world)
    return [run], _settle(world, run)


@trigger_endpoint.scenario(preemptions=0, pauses=1, lost_replies=1, deviations=1, pause_seconds=PAUSE)
def one_is_cut_off(world: World, shop: Any) -> Any:
    """The scheduler calls; an instance stands still for two minutes at any step, or a reply is lost."""
    run = call(_start(world, shop), FIRST)
    _wait(world)
    return [run], _settle(world, run, PAUSE + MINUTE / 2)


# Invariants, the most telling first


@strangers.must("OPEN-DOOR", "who has not signed what is sent starts nothing")
def door_shut(history: History) -> str | None:
    for request, how in zip(_of(history, "stranger"), _HOW, strict=False):
        if request.status not in (401, 403):
            return f"{asked(history, request)}, with {how}; the contract says 401."
    return None if not history.result else "A stranger was told 401, and letters went out all the same."


_HOW = ("no signature", "a guessed signature", "the signature of nothing", "the signature of another slot")


def _of(history: History, client: str) -> list[Sent]:
    return [request for request in history.sent if request.client == client]


@two_slots.must("TIMED-OUT", "the scheduler is answered before the work is done")
def in_time(history: History) -> str | None:
    for request in _of(history, "scheduler"):
        if request.seconds >= PATIENCE / 2:
            return f"The scheduler waited {request.seconds:.0f} s for an answer; after {PATIENCE:.0f} s it calls again."
    return None


@two_slots.must("UNANSWERED", "without a fault every request is answered as the contract says")
def as_agreed(history: History) -> str | None:
    for request in [*_of(history, "scheduler"), *_of(history, "monitor")]:
        wanted = "run" if request.method == "POST" else "status"
        if not field(request.response, wanted) and request.status != 404:
            return f'{asked(history, request)}; the contract says a success and JSON with "{wanted}".'
    return None


@two_slots.must("TWO-RUNS", "a call that is repeated gets the run of the first, or is refused, half an hour later too")
def same_run_later(history: History) -> str | None:
    runs, _, _, again = history.result
    if again not in (None, runs[0]):
        return f"The call for {FIRST} was sent again at 09:35: it began run {again!r}, where there was {runs[0]!r}."
    return None


@called_twice.must("TWO-RUNS", "calls for one slot get one run")
def one_run(history: History) -> str | None:
    runs = history.result[0]
    if None in runs and not history.faults:
        return _refused(history)
    return f"Two calls for {FIRST} were told two runs: {runs[0]!r} and {runs[1]!r}." if runs[0] != runs[1] else None


def _refused(history: History) -> str:
    refused = next(request for request in history.sent if request.client.startswith("scheduler") and not request.ok)
    return f"{asked(history, refused)}: a repeat is no mistake, it wants to hear of its run."


@two_slots.must("SENT-TWICE", "each customer gets one letter a slot")
def one_letter_a_slot(history: History) -> str | None:
    return _twice(letters(history.world, 0, SLOT)) or _twice(letters(history.world, SLOT, HOUR))


@trigger_endpoint.must("SENT-TWICE", "each customer gets one letter a slot", called_twice, one_dies, one_is_cut_off)
def one_letter(history: History) -> str | None:
    return _twice(history.world.mail.sent)


def _twice(sent: list[Letter]) -> str | None:
    again = twice(sent)
    return f"{again[0].to.title()} got {len(again)} letters for one slot: {told(again)}." if again else None


@two_slots.must("NOT-SENT", "each slot has its letters, the next one too")
def next_slot(history: History) -> str | None:
    for slot, since, until in ((FIRST, 0.0, SLOT), (SECOND, SLOT, LATER)):
        missing = without(letters(history.world, since, until))
        if missing:
            return f"The scheduler called for {slot} and was told a run; {names(missing)} got no letter for it."
    return None


@one_runs_long.must("NOT-SENT", "each slot has its letters, whether or not the run of the last one is over")
def both_slots(history: History) -> str | None:
    got = Counter(letter.to for letter in history.world.mail.sent)
    missing = [customer for customer in CUSTOMERS if got[customer] < 2]
    if missing:
        late = f"{SECOND} was called for while the run for {FIRST} was under way"
        return f"{late}; {names(missing)} got no letter for one of the two."
    return None


@called_twice.must("NOT-SENT", "a run that was acknowledged comes to its end")
@one_dies.must("NOT-SENT", "a run that was acknowledged comes to its end, whoever dies")
@one_is_cut_off.must("NOT-SENT", "a run that was acknowledged comes to its end, whoever is cut off")
def all_sent(history: History) -> str | None:
    missing, run = without(history.world.mail.sent), history.result[0][0]
    if missing and run is not None:
        return f"The scheduler was told run {run!r} and is content; minutes later {names(missing)} got no letter."
    return None


@two_slots.must("STATUS", "every instance tells how a run goes, and «done» when it is done, not before")
def tells_the_status(history: History) -> str | None:
    _, statuses, (early, missing), _ = history.result
    for request in _of(history, "auditor"):
        if request.status != 404:
            return f"{asked(history, request)}; nobody has ever called for that slot, and the contract says 404."
    if missing and "done" in early:
        return f"The status is «done», and {names(missing)} have no letter yet."
    return _not_known(early) or _not_done(statuses[0]) or _not_done(statuses[1])


@one_runs_long.must("STATUS", "every instance tells how each run goes")
def both_told(history: History) -> str | None:
    return _not_done(history.result[0]) or _not_done(history.result[1])


@called_twice.must("STATUS", "every instance tells how a run goes")
@one_dies.must("STATUS", "every instance tells how a run goes, whoever dies")
@one_is_cut_off.must("STATUS", "every instance tells how a run goes, whoever is cut off")
def still_tells(history: History) -> str | None:
    return _not_done(history.result[1])


def _not_known(statuses: list[Any]) -> str | None:
    if None in statuses:
        return f"A run was acknowledged, and {statuses.count(None)} of {len(statuses)} instances do not know it."
    return None


def _not_done(statuses: list[Any]) -> str | None:
    if set(statuses) - {"done"}:
        heard = " and ".join(repr(status) if status else "nothing" for status in statuses)
        return f"All letters are out, and who asks the instances for the status of the run hears {heard}."
    return None


__all__ = ["trigger_endpoint"]
