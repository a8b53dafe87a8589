"""rehearse: production sees a migration only after a copy of it has."""

from __future__ import annotations

import inspect
from typing import Any

from fleetlab.world.world import World

from ..answer import app_factory
from ..exercise import Exercise
from ..history import History
from ..wording import cause
from .production import CUSTOMERS, Outcome, attempt


def function_of_one(answer: Any) -> str:
    """Say what keeps an answer from being a function of the job."""
    if not callable(answer) or inspect.isclass(answer):
        return f"{app_factory(answer).split(':')[0]}: hand over the function itself, as in check(release)."
    try:
        inspect.signature(answer).bind(None)
    except TypeError:
        return f"{getattr(answer, '__name__', 'The answer')} must take exactly one parameter, the job."
    except ValueError:
        return ""
    return ""


rehearse = Exercise(
    "10_1.rehearse",
    "The copy dies, and production does not",
    hints=[
        "What passes on an empty database and dies on real rows? List what an ALTER may demand of rows that are there "
        "already, and then look for a copy that has such rows for certain.",
        "A release can be taken back in two ways: the application alone, on the new schema, or the schema as well. "
        "Rehearse both: `job.smoke_test` on the migrated copy; down to where production is, and up again.",
        "Wipe, copy everything, upgrade, smoke test, downgrade to production's revision, upgrade: all on the scratch "
        "database. Then production, and where that fails in spite of it all, down to the revision it had.",
    ],
    complaint=function_of_one,
)


# -- situations

SHARED = "INSERT INTO customers (name, email) VALUES ('ann', 'office@example.org'), ('ben', 'office@example.org')"
NONE = "INSERT INTO customers (name) VALUES ('zoe')"


@rehearse.scenario(preemptions=0)
def an_index(world: World, answer: Any) -> Any:
    """A good release. One customer has no email, two share one, and the rehearsal before has left its tables."""
    return attempt(world, answer, "index", SHARED, NONE, dirty=True)


@rehearse.scenario(preemptions=0)
def a_missing_email(world: World, answer: Any) -> Any:
    """The column `email` becomes NOT NULL, and one customer of many has none."""
    return attempt(world, answer, "not null", NONE)


@rehearse.scenario(preemptions=0)
def a_shared_email(world: World, answer: Any) -> Any:
    """The column `email` becomes unique, and two customers share one."""
    return attempt(world, answer, "unique", SHARED)


@rehearse.scenario(preemptions=0)
def another_name(world: World, answer: Any) -> Any:
    """A column gets another name, and the release in service uses the old one."""
    return attempt(world, answer, "renamed")


@rehearse.scenario(preemptions=0)
def no_way_back(world: World, answer: Any) -> Any:
    """A column that nobody uses is dropped; to bring it back is possible in an empty table only."""
    return attempt(world, answer, "no fax")


@rehearse.scenario(preemptions=0)
def half_a_way_back(world: World, answer: Any) -> Any:
    """The way back forgets the new column, so that nobody can go forward again."""
    return attempt(world, answer, "forgetful")


@rehearse.scenario(preemptions=0)
def a_late_guest(world: World, answer: Any) -> Any:
    """All is well on the copy; then somebody registers without an email, while production is being changed."""
    return attempt(world, answer, "late", late=True)


# Invariants, the most telling first


def _ended(outcome: Outcome) -> str:
    """Return how the job ended, as the end of a sentence."""
    return "" if outcome.error is None else f"; the job ended with {cause(outcome.error)}"


@rehearse.must("LOST-ROWS", "whoever was a customer is one afterwards, with the same email")
def rows_are_kept(history: History) -> str | None:
    kept = history.result.kept
    for name, email in CUSTOMERS:
        if name not in kept:
            return f"{len(kept)} customers are left in production, and {name} is none of them."
        if kept[name] != email:
            return f"{name} is stored with the email {kept[name]}, and gave {email}."
    lost = [name for request in history.acknowledged if (name := request.path.split("?")[0][11:]) not in kept]
    return f"{lost[0]} registered while the job ran, and is not stored." if lost else None


@rehearse.must("HALF-WAY", "production is migrated to the end, or not at all")
def all_or_nothing(history: History) -> str | None:
    outcome: Outcome = history.result
    if outcome.version == "0004" or outcome.after == outcome.before:
        return None
    return f"Production was at {outcome.before[0]} and is left at {outcome.version}{_ended(outcome)}."


@rehearse.must("OLD-BROKEN", "the release in service works on, before, during and after")
def the_old_one_works(history: History) -> str | None:
    for sent in history.sent:
        if sent.status == 500 and sent.client == "visitor":
            return f"The release in service met the new schema, and POST /customers got 500: {sent.json['error']}."
    return None


@rehearse.must("WAITED", "customers notice nothing of a release")
def nobody_waits(history: History) -> str | None:
    for sent in history.sent:
        if sent.status != 200 and sent.client == "visitor":
            return f"A customer waited {sent.seconds:.0f} s, and got {sent.outcome}: production was locked."
    return None


@rehearse.must("NO-WAY-BACK", "what was released can be taken back, and released again")
def there_is_a_way_back(history: History) -> str | None:
    error = history.result.way_back
    if error is None:
        return None
    return f"It was released, and could not be taken back to 0001 and released again: {cause(error)}."


@rehearse.must("NOT-RELEASED", "a migration that is right is released", an_index)
def released(history: History) -> str | None:
    outcome: Outcome = history.result
    if outcome.version != "0004":
        return f"The release adds an index and nothing else, and production is still at 0001{_ended(outcome)}."
    return None


__all__ = ["rehearse"]
