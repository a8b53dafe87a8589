"""Answers to 10_1.rehearse: the stub, what people really write, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text


def revision(engine: Any) -> str | None:
    """Return the revision at which a database is."""
    with engine.connect() as db:
        return MigrationContext.configure(db).get_current_revision()


def rehearsal(job: Any) -> None:
    """Wipe, copy, up, smoke test, down, up: on the scratch database."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")


def undoing(job: Any) -> None:
    """Migrate production; where that fails, go back to where it was."""
    before, production = revision(job.production), job.config(job.production)
    try:
        command.upgrade(production, "head")
    except Exception:
        command.downgrade(production, before)
        raise


def stub(job: Any) -> None:
    """The pipeline's test database is empty, and has passed every migration so far."""
    job.wipe()
    command.upgrade(job.config(job.scratch), "head")
    job.smoke_test(job.scratch)
    command.upgrade(job.config(job.production), "head")


# -- wrong: production stops half-way


def straight_on(job: Any) -> None:
    """Who has tested it on the own laptop."""
    command.upgrade(job.config(job.production), "head")


def up_and_down_when_empty(job: Any) -> None:
    """Who rehearses all of it, way back included, on a database without a row."""
    job.wipe()
    scratch = job.config(job.scratch)
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, "0001")
    command.upgrade(scratch, "head")
    command.upgrade(job.config(job.production), "head")


def schema_only(job: Any) -> None:
    """Who copies the schema alone, so that no personal data leaves production: the rows are what matters."""
    job.wipe()
    job.copy(rows=0)
    command.upgrade(job.config(job.scratch), "head")
    job.smoke_test(job.scratch)
    command.upgrade(job.config(job.production), "head")


def sample(job: Any) -> None:
    """Who copies the first ten rows, to be fast: the row that matters is another one."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy(rows=10)
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    command.upgrade(job.config(job.production), "head")


def masked(job: Any) -> None:
    """Who protects the customers' data: where everybody has a different made-up email, none is missing or shared."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy(masked=True)
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    command.upgrade(job.config(job.production), "head")


def advisory_only(job: Any) -> None:
    """Who lets the rehearsal warn and the release go on: the warning is in the log."""
    try:
        rehearsal(job)
    except Exception as error:
        print("the rehearsal failed:", error)
    command.upgrade(job.config(job.production), "head")


def no_plan(job: Any) -> None:
    """Who rehearses all of it, and believes that production then cannot fail: it has moved on since the copy."""
    rehearsal(job)
    command.upgrade(job.config(job.production), "head")


def wrong_way_round(job: Any) -> None:
    """Who notices on production, and tries the copy then: to see what was wrong."""
    try:
        command.upgrade(job.config(job.production), "head")
    except Exception:
        rehearsal(job)


def back_by_one(job: Any) -> None:
    """Who rehearses all of it, and then goes back by one revision: two of this release's three had passed."""
    rehearsal(job)
    production = job.config(job.production)
    try:
        command.upgrade(production, "head")
    except Exception:
        command.downgrade(production, "-1")
        raise


def stamped_back(job: Any) -> None:
    """Who writes the old number down in place of going back to it."""
    rehearsal(job)
    before, production = revision(job.production), job.config(job.production)
    try:
        command.upgrade(production, "head")
    except Exception:
        command.stamp(production, before)
        raise


def hundred_rows(job: Any) -> None:
    """Who takes a hundred rows for many."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy(rows=100)
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    command.upgrade(job.config(job.production), "head")


# -- wrong: customers wait


def production_first(job: Any) -> None:
    """Who has a way back, and so tries it on production at once: ten seconds under a lock, and then back."""
    undoing(job)


def closed_meanwhile(job: Any) -> None:
    """Who wants the copy to be exact: nobody may write for as long as the rehearsal takes."""
    with job.production.begin() as db:
        db.execute(text("LOCK TABLE customers IN EXCLUSIVE MODE"))
        rehearsal(job)
    undoing(job)


# -- wrong: the release in service breaks


def no_smoke_test(job: Any) -> None:
    """Who rehearses the migration, up and down, and not those who live with it."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "head")
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    undoing(job)


def tested_before(job: Any) -> None:
    """Who tests the copy before it is migrated: it works, as it does in production."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    job.smoke_test(job.scratch)
    command.upgrade(scratch, "head")
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    undoing(job)


def tested_in_production(job: Any) -> None:
    """Who runs the tests where it counts, and goes back where they fail: customers were there before the tests."""
    before, scratch, production = revision(job.production), job.config(job.scratch), job.config(job.production)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "head")
    command.downgrade(scratch, before)
    command.upgrade(scratch, "head")
    try:
        command.upgrade(production, "head")
        job.smoke_test(job.production)
    except Exception:
        command.downgrade(production, before)
        raise


# -- wrong: nobody has tried the way back


def forward_only(job: Any) -> None:
    """Who holds that one never goes back: until the day when one does."""
    job.wipe()
    job.copy()
    command.upgrade(job.config(job.scratch), "head")
    job.smoke_test(job.scratch)
    undoing(job)


def one_step_back(job: Any) -> None:
    """Who goes one revision back: this release has two."""
    scratch = job.config(job.scratch)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "+1")
    command.downgrade(scratch, "-1")
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    undoing(job)


def back_and_no_further(job: Any) -> None:
    """Who tries the way back, and is content when it raises nothing: it may have left something lying about."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, before)
    undoing(job)


# -- wrong: nothing is released any more


def never(job: Any) -> None:
    """Who rehearses, and leaves the rest to somebody at night."""
    rehearsal(job)


def not_wiped(job: Any) -> None:
    """Who copies into the scratch database as it is: it works once."""
    job.copy()
    command.upgrade(job.config(job.scratch), "head")
    job.smoke_test(job.scratch)
    undoing(job)


def back_to_the_beginning(job: Any) -> None:
    """Who rehearses the way back to the beginning of time (an over-fix): no first revision can be taken back."""
    scratch = job.config(job.scratch)
    job.wipe()
    job.copy()
    command.upgrade(scratch, "head")
    job.smoke_test(job.scratch)
    command.downgrade(scratch, "base")
    command.upgrade(scratch, "head")
    undoing(job)


# -- wrong: production loses rows


def cleaned_first(job: Any) -> None:
    """Who makes the data fit before the migration: whoever does not fit is no customer any more."""
    rehearsal(job)
    with job.production.begin() as db:
        db.execute(text("DELETE FROM customers WHERE email LIKE '%@example.org' AND name > 'customer-020'"))
    undoing(job)


# -- right


def everything(job: Any) -> None:
    """The whole rehearsal, then production with a way back."""
    rehearsal(job)
    undoing(job)


def says_no(job: Any) -> bool:
    """Refuses with an answer in place of an exception."""
    try:
        rehearsal(job)
        undoing(job)
    except Exception:
        return False
    return True


def twice_with_tests(job: Any) -> None:
    """Smoke tests after each step: also on the way back."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    steps: list[Callable[[], Any]] = [
        lambda: command.upgrade(scratch, "head"),
        lambda: command.downgrade(scratch, before),
        lambda: command.upgrade(scratch, "head"),
    ]
    for step in steps:
        step()
        job.smoke_test(job.scratch)
    undoing(job)


def revision_by_revision(job: Any) -> None:
    """One revision at a time, up, down and up again, with the tests in between; production likewise."""
    before, scratch = revision(job.production), job.config(job.scratch)
    job.wipe()
    job.copy()
    while True:
        here = revision(job.scratch)
        command.upgrade(scratch, "+1")
        job.smoke_test(job.scratch)
        command.downgrade(scratch, here)
        command.upgrade(scratch, "+1")
        if revision(job.scratch) == "0004":
            break
    command.downgrade(scratch, before)
    undoing(job)


STUB = (stub, "S10_1-HALF-WAY")

WRONG = {
    "straight_on": (straight_on, "S10_1-HALF-WAY"),
    "up_and_down_when_empty": (up_and_down_when_empty, "S10_1-HALF-WAY"),
    "schema_only": (schema_only, "S10_1-HALF-WAY"),
    "sample": (sample, "S10_1-HALF-WAY"),
    "masked": (masked, "S10_1-HALF-WAY"),
    "advisory_only": (advisory_only, "S10_1-HALF-WAY"),
    "no_plan": (no_plan, "S10_1-HALF-WAY"),
    "wrong_way_round": (wrong_way_round, "S10_1-HALF-WAY"),
    "production_first": (production_first, "S10_1-WAITED"),
    "closed_meanwhile": (closed_meanwhile, "S10_1-WAITED"),
    "no_smoke_test": (no_smoke_test, "S10_1-OLD-BROKEN"),
    "tested_before": (tested_before, "S10_1-OLD-BROKEN"),
    "forward_only": (forward_only, "S10_1-NO-WAY-BACK"),
    "one_step_back": (one_step_back, "S10_1-NO-WAY-BACK"),
    "back_and_no_further": (back_and_no_further, "S10_1-NO-WAY-BACK"),
    "never": (never, "S10_1-NOT-RELEASED"),
    "not_wiped": (not_wiped, "S10_1-NOT-RELEASED"),
    "back_to_the_beginning": (back_to_the_beginning, "S10_1-NOT-RELEASED"),
    "cleaned_first": (cleaned_first, "S10_1-LOST-ROWS"),
    "back_by_one": (back_by_one, "S10_1-HALF-WAY"),
    "stamped_back": (stamped_back, "S10_1-HALF-WAY"),
    "hundred_rows": (hundred_rows, "S10_1-HALF-WAY"),
    "tested_in_production": (tested_in_production, "S10_1-OLD-BROKEN"),
}

RIGHT = {
    "everything": everything,
    "says_no": says_no,
    "twice_with_tests": twice_with_tests,
    "revision_by_revision": revision_by_revision,
}

REPLAYED = "masked"
