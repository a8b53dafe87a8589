"""work_queue: jobs that were accepted are done, whoever dies, and count once."""

from __future__ import annotations

from typing import Any

from fleetlab.world.http import Client, Sent
from fleetlab.world.world import World

from ..asking import MINUTE, asked, field, patiently
from ..exercise import Exercise
from ..history import History
from .pending import groups, holders

work_queue = Exercise(
    "08.work_queue",
    "Every accepted job is done, whoever dies, and counts once",
    hints=[
        "At which moment does the only copy of a job sit in the memory of one instance? Accept it into a store, and "
        "let the store keep it until the work is done.",
        "A consumer group remembers what it has handed out, and to whom. Acknowledge last. Who looks for what a dead "
        "instance was handed, or a live one whose answer was lost? Look up XAUTOCLAIM.",
        "A job will come twice. Write its points under its own id, in the transaction that acknowledges it, and the "
        "second time changes nothing. Wrap the work on each job in a `try`, and put aside what can never succeed.",
    ],
)

WINDOW = 14.0
"""How long faults are looked for, in virtual seconds: every instance has looked for work by then."""
SOON, TAKEN_OVER, ASIDE = 30.0, 120.0, 600.0
"""When a job is done, at the latest, on a good day and after a fault; and when one that never can be is put aside."""
PAUSE = 120.0
"""How long an instance stands still: longer than any lease that keeps to `TAKEN_OVER`."""
BACKLOG = 220

A1, B1 = ({"id": f"{user[0]}1", "user": user, "amount": amount} for user, amount in (("ada", "10"), ("bob", "20")))
OWED = {"ada": 10}
"""What job a1 is worth, in points."""


def _post(client: Client, *jobs: dict[str, str]) -> bool:
    """Post jobs as an order service does: again, under the same ids, until they are accepted."""
    return patiently(lambda: client.post("/jobs", json=jobs)).is_success


def _points(client: Client, user: str) -> int:
    """Return a user's points; -1 where they are not to be had."""
    points = field(patiently(lambda: client.get(f"/points/{user}")), "points")
    return points if isinstance(points, int) else -1


def _failed(client: Client) -> list[list[str]]:
    """Return which jobs have been put aside, as one instance after the other tells it."""
    heard = [field(patiently(lambda: client.get("/failed")), "failed") for _ in range(2)]
    return [failed if isinstance(failed, list) else [] for failed in heard]


def _two(world: World, shop: Any) -> Client:
    """Start two instances whose clocks are three seconds apart, and return the service that posts jobs."""
    with world.calm():
        fleet = world.deploy(shop, instances=1, name="shop")
        world.run(3)
        fleet.scale(2)
    return world.client("orders")


def _work(world: World, owed: dict[str, int], seconds: float) -> bool:
    """Let the fleet work until users have the points that they are owed, at most so long; tell whether they have.

    Nothing is explored at the moment of a look, so that it comes at odd times, when no instance is likely to wake.
    """
    owner, end = world.client("owner"), world.now + seconds
    while True:
        world.run(4.7)
        with world.calm():
            done = all(_points(owner, user) == points for user, points in owed.items())
        if done or world.now >= end:
            return done


def _settle(world: World, seconds: float = TAKEN_OVER) -> tuple[dict[str, int], list[list[str]]]:
    """Let everything come to its end; return what the points are then, and which jobs have been put aside."""
    with world.calm():
        world.deployments["shop"].scale(2)
        world.run(seconds)
        owner = world.client("owner")
        return {user: _points(owner, user) for user in ("ada", "bob")}, _failed(owner)


@work_queue.scenario(preemptions=0, kills=1)
def one_dies(world: World, shop: Any) -> Any:
    """One job; an instance dies at any step; a new one is started, and two minutes pass."""
    _post(_two(world, shop), A1)
    _work(world, OWED, WINDOW)
    return _settle(world)


@work_queue.scenario(preemptions=0, pauses=1, lost_replies=1, deviations=1, pause_seconds=PAUSE)
def one_is_cut_off(world: World, shop: Any) -> Any:
    """One job; an instance stands still for two minutes at any step, or a reply is lost."""
    _post(_two(world, shop), A1)
    _work(world, OWED, WINDOW)
    return _settle(world, PAUSE + SOON)


@work_queue.scenario(preemptions=2)
def both_look(world: World, shop: Any) -> Any:
    """One job, and two instances that look for work at the same moment."""
    with world.calm():
        world.deploy(shop, instances=2, name="shop")
        _post(world.client("orders"), A1)
    _work(world, OWED, WINDOW)
    return _settle(world, SOON)


@work_queue.scenario(preemptions=0)
def one_is_poison(world: World, shop: Any) -> Any:
    """Two jobs, one of them posted again a minute later; then one that can never be done, and one behind it."""
    orders = _two(world, shop)
    with world.calm():
        _post(orders, A1, B1)
        soon = _work(world, {"ada": 10, "bob": 20}, SOON)
        world.run(MINUTE)
        _post(orders, A1)
        accepted = _post(orders, {"id": "x1", "user": "eve", "amount": "ten"})
        _post(orders, {**A1, "id": "a2", "amount": "5"})
        later = _work(world, {"ada": 15}, TAKEN_OVER)
        points, failed = _settle(world, ASIDE if later else SOON)
    _forgive(world)
    return points, failed, soon, later, accepted


def _forgive(world: World) -> None:
    """Forget the errors of the job that can never be done: that they leave the answer's code is no slip in it."""
    for instance in world.instances:
        instance.errors[:] = [one for one in instance.errors if "'ten'" not in str(one[1])]


@work_queue.scenario(preemptions=0)
def a_rush(world: World, shop: Any) -> Any:
    """Jobs come in faster than they are done, until hundreds wait, and a release replaces both instances."""
    orders = _two(world, shop)
    with world.calm():
        for first in range(0, BACKLOG, 20):
            _post(orders, *[{"id": f"r{n}", "user": "ada", "amount": "1"} for n in range(first, first + 20)])
        world.deployments["shop"].rollout(shop)
        return _drain(world)


def _drain(world: World) -> int:
    """Let the fleet work until two minutes bring nothing more, and return how many points there are."""
    owner, before, points = world.client("owner"), -1, 0
    while before < points < BACKLOG:
        world.run(TAKEN_OVER)
        before, points = points, _points(owner, "ada")
    return points


# Invariants, the most telling first


@work_queue.must(
    "UNANSWERED", "without a fault every request is answered as the contract says", one_dies, one_is_poison
)
def all_answered(history: History) -> str | None:
    if history.faults:
        return None
    for request in history.sent:
        if not request.ok and not _refused(request):
            return f"{asked(history, request)}, without any fault."
        wanted = request.path.split("/")[1]
        if request.method == "GET" and request.response is not None and field(request.response, wanted) is None:
            return f'{asked(history, request)}; the contract says JSON with "{wanted}".'
    return None


def _refused(request: Sent) -> bool:
    """Tell whether an amount that is no number was sent back at the door, which is as good as putting it aside."""
    return request.status in (400, 422) and b'"ten"' in request.request.content


@one_dies.must("KEEPS-WAITING", "who posts jobs is answered at once")
def at_once(history: History) -> str | None:
    for request in history.sent:
        if request.method == "POST" and request.seconds >= 1 and not history.faults:
            return f"POST /jobs took {request.seconds:.0f} s: whoever posts jobs waits for the work on them."
    return None


@work_queue.must("GIVEN-UP", "a fault is no reason to give a job up", one_dies, one_is_cut_off)
@one_is_poison.must("GIVEN-UP", "only what can never be done is put aside")
def not_given_up(history: History) -> str | None:
    failed = [job for heard in history.result[1] for job in heard if job != "x1"]
    why = f", after one {next(iter(history.faults))}" if history.faults else ""
    return f"Job {failed[0]} can be done, and stands in GET /failed{why}." if failed else None


@work_queue.must("DONE-TWICE", "a job counts once, however often it is handed out", one_dies, one_is_cut_off)
@both_look.must("DONE-TWICE", "a job counts once, whoever takes it")
def counted_once(history: History) -> str | None:
    return _too_many(history, OWED)


@one_is_poison.must("DONE-TWICE", "a job that is posted again under its id is one job")
def one_job_an_id(history: History) -> str | None:
    return _too_many(history, {"ada": 15, "bob": 20})


def _too_many(history: History, owed: dict[str, int]) -> str | None:
    points = history.result[0]
    for user in owed:
        if points[user] > owed[user]:
            return f"{user.title()} is owed {owed[user]} points, and has {points[user]}."
    return None


@work_queue.must("STRANDED", "what was handed out and not acknowledged is taken over", one_dies, one_is_cut_off)
def taken_over(history: History) -> str | None:
    lost, held = _lost(history), holders(history.world)
    if lost and held:
        alive = {instance.name for instance in history.world.instances if instance.process.alive}
        why = "lives and does not look at it again" if held[0] in alive else "will never ask for it"
        return f"{lost} It is pending: the group handed it to {held[0]!r}, which {why}."
    return None


@one_dies.must("LOST-JOB", "every accepted job is done, whoever dies")
@one_is_cut_off.must("LOST-JOB", "every accepted job is done, whoever is cut off")
@both_look.must("LOST-JOB", "every accepted job is done, whoever takes it")
def none_lost(history: History) -> str | None:
    return _lost(history)


def _lost(history: History) -> str | None:
    points = max(history.result[0]["ada"], 0)
    if points < OWED["ada"] and history.acknowledged:
        return f"A job for {OWED['ada']} points was accepted; two minutes later Ada has {points}."
    return None


@one_is_poison.must("LOST-JOB", "without a fault an accepted job is done within half a minute")
def done_soon(history: History) -> str | None:
    return (
        None if history.result[2] else "Nothing breaks, and half a minute after two jobs were accepted one is not done."
    )


@one_is_poison.must("POISON", "a job that can never be done keeps no other one waiting, and is put aside")
def next_one_done(history: History) -> str | None:
    _, failed, _, later, accepted = history.result
    if not later:
        return "Job x1 fails each time; the job accepted after it is not done, two minutes later."
    silent = sum("x1" not in heard for heard in failed)
    if accepted and silent:
        who = "" if silent == len(failed) else f" on {silent} of {len(failed)} instances"
        return f"Job x1 was accepted and fails each time; ten minutes later GET /failed does not name it{who}."
    return None


@one_is_poison.must("LEFT-BEHIND", "a job that is done leaves the queue")
def nothing_left(history: History) -> str | None:
    store = history.world.redis.client()
    for stream, group in groups(history.world):
        if group["pending"]:
            return f"All jobs are done, and {group['pending']} are still pending: they are handed out for ever."
        if store.xlen(stream):
            return f"All jobs are done, and {stream!r} keeps {store.xlen(stream)} entries: it grows for ever."
    return None


@a_rush.must("BACKLOG-LOST", "every accepted job is done, also where hundreds wait during a release")
def none_trimmed(history: History) -> str | None:
    if history.result != BACKLOG:
        return f"{BACKLOG} jobs were accepted; {history.result} of them are done, and nothing more happens."
    return None


__all__ = ["work_queue"]
