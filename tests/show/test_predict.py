"""A prediction is made before a run, fixed, and shown beside what happened."""

from __future__ import annotations

import pytest

from fleetlab.show.predict import Prediction, predict, reveal

QUESTION = "How many e-mails will go out?"


def test_without_an_answer_both_places_are_shown() -> None:
    """What a committed notebook holds: a question, then a dash beside the number."""
    asked = predict(QUESTION)
    assert str(asked) == "Predict: How many e-mails will go out?"
    assert str(asked.reveal(3)) == "How many e-mails will go out? You said —, it is 3."
    assert asked.html() == "<p><b>Predict:</b> How many e-mails will go out?</p>"


def test_the_two_numbers_stand_side_by_side() -> None:
    """As a table, with the comparison in words and a sign."""
    assert predict(QUESTION, 1).reveal(3).html() == (
        "<p><b>Predict:</b> How many e-mails will go out?</p><table><tr><th>you said</th><th>it is</th></tr>"
        "<tr><td>1</td><td><b>3</b></td><td>≠ look why</td></tr></table>"
    )


@pytest.mark.parametrize(("said", "actual"), [("3.0", 3), (1000, "1,000"), ("Shop-1.", "shop-1"), ("33 %", "33")])
def test_the_same_answer_in_other_words_is_right(said: object, actual: object) -> None:
    """Numbers are compared as numbers, words without regard to case."""
    assert predict(QUESTION, said).reveal(actual).right


def test_reveal_takes_the_latest_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authors need no variable; before the first prediction there is a sentence."""
    monkeypatch.setattr(Prediction, "latest", None)
    with pytest.raises(ValueError, match="There is no prediction yet"):
        reveal(3)
    predict("Which instance?", "shop-1")
    assert str(reveal("shop-2")) == "Which instance? You said shop-1, it is shop-2."


def test_the_field_is_fixed_by_the_button() -> None:
    """What was typed first counts; the field takes nothing more."""
    asked = predict(QUESTION)
    assert asked.widget is asked.widget
    asked._field.value = "5"
    asked._button.click()
    assert asked._field.disabled
    assert asked._told.value == '<span role="status">You said <b>5</b>. Now run on.</span>'
    asked._field.value = "3"
    assert str(asked.reveal(3)) == "How many e-mails will go out? You said 5, it is 3."


def test_an_empty_field_commits_to_nothing() -> None:
    """The button waits for an answer; running on does not."""
    asked = predict(QUESTION)
    assert asked.widget is asked.widget
    asked._button.click()
    assert not asked._field.disabled
    assert asked.reveal(3).said == "—"
    assert asked._field.disabled


def test_what_is_typed_but_not_committed_counts_when_it_is_revealed() -> None:
    """Running the next cell is as good as pressing the button."""
    asked = predict(QUESTION)
    assert asked.widget is asked.widget
    asked._field.value = "<b>4"
    assert asked.reveal(3).said == "<b>4"
    assert "&lt;b&gt;4" in asked.html()
