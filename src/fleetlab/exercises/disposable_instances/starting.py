"""unattended_start: instances and database start in any order, and nobody sits at a keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetlab.world.deployment import Deployment
from fleetlab.world.factory import DeployError, start_error
from fleetlab.world.instance import Instance
from fleetlab.world.memory import CannotCopy
from fleetlab.world.world import World

from ..asking import asked, attempt
from ..exercise import Exercise
from ..history import History
from ..owner import sql
from ..wording import clean
from .common import TIMEOUT, listed

OUTAGE = 65.0
SOON = 10.0
"""How long the database is away, and how soon after that an instance has to be ready, in virtual seconds."""

SETTINGS = {"CURRENCY": "EUR", "MAX_ITEMS": "100", "MAIL_FROM": "shop@example.org"}
WRONG = (
    {"CURRENCY": "euro", "MAX_ITEMS": "ten", "MAIL_FROM": "shop@example.org"},
    {"CURRENCY": "USD", "MAX_ITEMS": "0"},
    {"CURRENCY": "eur", "MAX_ITEMS": "1", "MAIL_FROM": "shop@example.org"},
    {"CURRENCY": "EUR", "MAX_ITEMS": "101", "MAIL_FROM": "shop@example.org"},
    {"CURRENCY": "USD", "MAX_ITEMS": "20", "MAIL_FROM": "example.org"},
)
_FAULTY = (("CURRENCY", "MAX_ITEMS"), ("MAX_ITEMS", "MAIL_FROM"), ("CURRENCY",), ("MAX_ITEMS",), ("MAIL_FROM",))
_SLIPS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, NotImplementedError, TypeError)

unattended_start = Exercise(
    "02.unattended_start",
    "An instance starts by itself, before the database or after it",
    hints=[
        "Which errors get better by waiting, and which never do? A database that is away is of one kind, a setting "
        "that is no number of the other. Which of them should be looked for first?",
        "Collect what is wrong with the settings in a list, and raise once, with all of it. Then try the database in a "
        "loop, with a pause that has an upper limit: a pause that doubles for ever oversleeps.",
        "Inside the loop: `SELECT 1`, and break; on `sqlalchemy.exc.OperationalError` a `logger.warning` that says "
        "what is waited for, and `time.sleep(2)`. The factory returns after the loop: nothing is asked of it before.",
    ],
)


def _start(world: World, shop: Any, settings: dict[str, str], name: str = "shop", instances: int = 2) -> Deployment:
    """Start instances and wait for none of them."""
    return world.deploy(shop, instances=0, name=name, env=settings).scale(instances, wait=False)


def _database(world: World) -> None:
    sql(world, "CREATE TABLE orders (id SERIAL PRIMARY KEY, item TEXT)")


def _probe(world: World, seconds: float, every: float = 5.0) -> None:
    """Ask for readiness as a platform does, for so long."""
    platform, end = world.client("platform", timeout=TIMEOUT), world.now + seconds
    while world.now < end:
        attempt(lambda: platform.get("/ready"))
        world.run(min(every, max(0.0, end - world.now)))


def _use(world: World) -> int:
    """Ask each instance whether it is ready, then for an order; return the number of requests before that."""
    before = len(world.sent)
    platform, ada = world.client("platform", timeout=TIMEOUT), world.client("ada", timeout=TIMEOUT)
    for _ in range(2):
        attempt(lambda: platform.get("/ready"))
    for _ in range(2):
        attempt(lambda: ada.post("/orders"))
    return before


def _check_slips(fleet: Deployment) -> None:
    """Raise what kept an instance from starting where it is no matter of waiting or asking: a slip of the pen."""
    for instance in fleet:
        if isinstance(instance.failure, (*_SLIPS, DeployError, CannotCopy)):
            raise start_error(instance.name, instance.failure) from None


@unattended_start.scenario(preemptions=0)
def database_first(world: World, shop: Any) -> Any:
    """The database is there, and two instances start."""
    with world.calm():
        _database(world)
        fleet = _start(world, shop, SETTINGS)
        world.run(SOON)
        _check_slips(fleet)
        return _use(world)


@unattended_start.scenario(preemptions=0)
def instances_first(world: World, shop: Any) -> Any:
    """Two instances start, and the database follows 65 s later; the platform asks for readiness all the time."""
    with world.calm():
        _database(world)
        world.database.outage(OUTAGE)
        _start(world, shop, SETTINGS)
        _probe(world, OUTAGE)
        world.run(SOON)
        return _use(world)


@unattended_start.scenario(preemptions=0, kills=1)
def one_dies(world: World, shop: Any) -> Any:
    """Two instances start, three seconds before the database; one of them may die at any step of its start."""
    with world.calm():
        _database(world)
        world.database.outage(3)
    _start(world, shop, SETTINGS)
    world.run(5)
    with world.calm():
        world.run(SOON)
        return _use(world)


@unattended_start.scenario(preemptions=0)
def wrong_settings(world: World, shop: Any) -> Any:
    """The database is away, and the settings are wrong: of five shops each has others, at and beyond the limits."""
    with world.calm():
        _database(world)
        world.database.outage(OUTAGE)
        for name, settings in zip(("shop", "store", "stall", "kiosk", "booth"), WRONG, strict=True):
            _start(world, shop, settings, name, instances=1)
        world.run(SOON)
        alive = [instance.process.alive for instance in world.instances]
        world.run(OUTAGE)
        return alive


# Invariants, the most telling first


@unattended_start.must(
    "EXITED",
    "an instance whose settings are right stays, whatever is not there yet",
    database_first,
    instances_first,
    one_dies,
)
def stays(history: History) -> str | None:
    for instance in history.world.instances:
        if instance.failure is not None:
            reason = f"{type(instance.failure).__name__}: {instance.failure}".splitlines()[0]
            return f"{instance.name} has ended itself, and nobody starts it again ({clean(reason, 100)})."
    return None


@instances_first.must("READY-TOO-EARLY", "an instance says that it is ready when it can take an order, and not before")
def not_too_early(history: History) -> str | None:
    for request in history.sent[: history.result]:
        if request.ok:
            when = f"{request.time:.0f} s after the start; the database comes after {OUTAGE:.0f} s"
            return f"{asked(history, request)}, {when}."
    return None


@unattended_start.must(
    "NOT-READY", "ten seconds after the database is there, every instance takes orders", database_first, instances_first
)
@one_dies.must("NOT-READY", "ten seconds after the database is there, every instance that lives takes orders")
def ready(history: History) -> str | None:
    waiting = [i.name for i in history.world.instances if i.process.alive and i.state == "starting"]
    if waiting:
        return f"The database has been there for {SOON:.0f} s, and {listed(waiting)} still {_does(waiting)} not serve."
    for request in history.sent[history.result :]:
        if not request.ok:
            return f"{asked(history, request)}, {SOON:.0f} s after the database was there."
    return None


def _does(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"


@instances_first.must("SILENT", "who waits says what for, as a warning in its log")
def says_so(history: History) -> str | None:
    for instance in history.world.instances:
        if not any(level in ("WARNING", "ERROR", "CRITICAL") for time, level, _ in instance.log if time < OUTAGE):
            return (
                f"{instance.name} has waited for {OUTAGE:.0f} s, and its log holds no warning: whoever is called at "
                "night does not learn what is missing."
            )
    return None


@wrong_settings.must("STARTED-WRONG", "with wrong settings no instance serves")
def does_not_serve(history: History) -> str | None:
    for instance, names in _wrongly(history):
        if instance.process.alive and instance.state != "starting":
            return f"{instance.name} serves, although {listed(_told(history, names))}."
    return None


@wrong_settings.must("KEPT-WAITING", "what waiting cannot mend ends the start at once, also while the database is away")
def ends_at_once(history: History) -> str | None:
    for (instance, names), alive in zip(_wrongly(history), history.result, strict=True):
        if alive:
            return f"{instance.name} waits for the database, although {listed(_told(history, names))}."
    return None


@wrong_settings.must("NOT-NAMED", "every wrong setting is named, at once")
def all_named(history: History) -> str | None:
    for instance, names in _wrongly(history):
        missing = [name for name in names if name not in _last_words(instance)]
        if missing:
            wrong = listed(_told(history, missing, instance))
            return f"{instance.name} has ended, and neither its error nor its log says that {wrong}."
    return None


@wrong_settings.must("BLAMED", "a setting that is right is not complained about")
def none_blamed(history: History) -> str | None:
    for instance, names in _wrongly(history):
        blamed = [name for name in SETTINGS if name not in names and name in _last_words(instance)]
        if blamed:
            return f"{instance.name} complains about {listed(blamed)}, which is right."
    return None


def _wrongly(history: History) -> Iterator[tuple[Instance, tuple[str, ...]]]:
    """Yield each instance with the settings that are wrong there."""
    return iter(zip(history.world.instances, _FAULTY, strict=True))


def _told(history: History, names: Any, instance: Instance | None = None) -> list[str]:
    """Return what is wrong with each of some settings, as clauses."""
    given = (instance or next(i for i, wrong in _wrongly(history) if wrong == names)).deployment.vars
    return [f"{name} is {given[name]!r}" if name in given else f"{name} is missing" for name in names]


def _last_words(instance: Instance) -> str:
    """Return what an instance said before it ended: its log, and the error that ended it."""
    return "\n".join([*(message for _, _, message in instance.log), *_texts(instance.failure)])


def _texts(error: BaseException | None) -> Iterator[str]:
    """Yield what an error says, with its notes, and what the errors of its group say."""
    if error is None:
        return
    yield str(error)
    yield from getattr(error, "__notes__", [])
    for one in getattr(error, "exceptions", ()):
        yield from _texts(one)


__all__ = ["unattended_start"]
