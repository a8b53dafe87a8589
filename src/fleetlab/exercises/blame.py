"""Whose mistake a run shows: an error of the answer's own code, with instance, moment and line."""

from __future__ import annotations

from dataclasses import dataclass

from fleetlab.sim.trace import clock, is_learner_file, source_line

from .history import History
from .verdict import NOT_ATTEMPTED, RAISED
from .wording import clean, told

_OF_THE_WORLD = {
    *("builtins.ConnectionError", "builtins.TimeoutError", "httpx.HTTPError"),
    *("redis.exceptions.ConnectionError", "redis.exceptions.TimeoutError"),
    *("redis.exceptions.LockError", "redis.exceptions.WatchError"),
    *("sqlalchemy.exc.OperationalError", "sqlalchemy.exc.TimeoutError"),
    *("sqlalchemy.exc.IntegrityError", "sqlalchemy.orm.exc.StaleDataError"),
    *("jwt.exceptions.PyJWTError", "werkzeug.exceptions.HTTPException"),
}
"""Errors that the world does to an app, or that are its way to answer: not slips in the code."""

_BUGS = (TypeError, LookupError, AttributeError, NameError, AssertionError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was wrong with one run: an outcome, an id, a sentence; `stuck` if its code had to be interrupted."""

    outcome: str
    id: str
    sentence: str
    stuck: bool = False


def unfinished() -> Wrong:
    """Return what NotImplementedError comes to."""
    return Wrong(NOT_ATTEMPTED, "", "The answer still raises NotImplementedError: it is not written yet.")


def slip(history: History) -> Wrong | None:
    """Return the first error of the answer that is a slip in its code, and not something that the world did to it."""
    for name, time, error in history.errors:
        if isinstance(error, NotImplementedError):
            return unfinished()
        if not _of_the_world(error):
            return _raised(name, time, error)
    return None


def bug(history: History) -> Wrong | None:
    """Return the first error that no order of events excuses, such as a TypeError."""
    for name, time, error in history.errors:
        if isinstance(error, _BUGS) and not _of_the_world(error):
            return _raised(name, time, error)
    return None


def _raised(name: str, time: float, error: BaseException) -> Wrong:
    when = f", {clock(time)} after the start" if time else ""  # in most checks time stands still
    return Wrong(RAISED, "RAISED", f"{name} raised {told(error)}{_at(error)}{when}.")


def _at(error: BaseException) -> str:
    """Return the innermost line of the learner's code that an error came through."""
    line, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_learner_file(code.co_filename):
            line = f" at line {source_line(code, trace.tb_lineno)}"
        trace = trace.tb_next
    return clean(line)


def _of_the_world(error: BaseException) -> bool:
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__}
    return not names.isdisjoint(_OF_THE_WORLD)


def scenario_stopped(history: History, error: BaseException) -> Wrong:
    """Return what it comes to that a scenario could not go on: an error of the answer, or an answer of its app."""
    found = slip(history) or bug(history)
    if found is not None:
        return found
    if not isinstance(error, Exception):
        return Wrong(RAISED, "RAISED", f"The answer raised {told(error)}{_at(error)}.")
    sentence = f"{_last(history)}, and the check cannot go on with that ({told(error)})."
    return Wrong(RAISED, "UNEXPECTED-ANSWER", sentence)


def unreadable(history: History, sentence: str, error: BaseException) -> Wrong:
    """Return what it comes to that an invariant cannot read the result of a run."""
    what = f"Whether {sentence} cannot be told: {told(error)}. {_last(history)}."
    return slip(history) or Wrong(RAISED, "UNEXPECTED-ANSWER", what)


def _last(history: History) -> str:
    """Return the last request that was answered, and how."""
    if not history.sent:
        return "No request was sent"
    sent = history.sent[-1]
    body = f" {clean(sent.response.text, 80)}" if sent.response is not None else ""
    text = f"{sent.client}'s last request, {sent.method} {sent.path}, came to {sent.outcome}{body}"
    return " ".join(text.split())


def silence(history: History) -> Wrong | None:
    """Return the first request that was cut off although nothing had happened to its instance."""
    world = history.world
    if not all(instance.process.alive for instance in world.instances):
        return None
    for sent in history.sent:
        if sent.cut_off:
            sentence = f"{sent.client}'s {sent.method} {sent.path} was cut off: its handler ended without an answer."
            return Wrong(RAISED, "RAISED", sentence)
    return None
