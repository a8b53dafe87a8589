"""Words come out right: plurals, lists, and text that prints everywhere alike."""

from __future__ import annotations

import pytest

from fleetlab.exercises.wording import cause, clean, counted, listed, plural, told


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "kill", "1 kill"),
        (2, "kill", "2 kills"),
        (0, "preemption", "0 preemptions"),
        (2, "lost reply", "2 lost replies"),
        (1290, "schedule", "1,290 schedules"),
    ],
)
def test_plurals(count: int, noun: str, text: str) -> None:
    """One is one, and thousands have a comma."""
    assert plural(count, noun) == text


def test_lists() -> None:
    """The last one has a word before it, and what does not occur is left out."""
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")] == [
        "",
        "a",
        "a and b",
        "a, b or c",
    ]
    assert counted({"preemption": 2, "kill": 1, "pause": 0}) == "2 preemptions and 1 kill"


def test_text_is_the_same_in_every_run() -> None:
    """No addresses, no control characters, no lone surrogates, no endless text."""
    assert clean("<Shop object at 0x7f3a11e24bf1>") == "<Shop object>"
    assert clean("a\x00b\ud800c\td\ne") == "a\N{REPLACEMENT CHARACTER}b?c\td\ne"
    assert len(clean(10_000 * "x")) == 400
    assert told(KeyError("x")) == "KeyError: 'x'"
    assert told(MemoryError()) == "MemoryError"


def test_cause_of_an_error_is_the_databases_own_first_line() -> None:
    """What SQLAlchemy adds, a statement and a link, is left out."""
    from sqlalchemy.exc import IntegrityError

    own = ValueError("duplicate key value violates unique constraint\nDETAIL: Key (id)=(1) already exists.")
    assert cause(IntegrityError("INSERT ...", {}, own)) == "ValueError: duplicate key value violates unique constraint"
    assert [cause(KeyError("x")), cause(MemoryError())] == ["KeyError: 'x'", "MemoryError"]
