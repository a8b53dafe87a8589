"""A verdict reads the same in a terminal, in a notebook and for programs."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from toys import counter, racy, right

from fleetlab.exercises import CheckFailed, progress
from fleetlab.exercises.verdict import FAILED, MIME, PASSED, Verdict, plainly, publish
from fleetlab.show.scrubber import UNSEEN, scrubber
from fleetlab.sim import Trace


@pytest.fixture(scope="module")
def failure() -> Verdict:
    """Return the verdict on a lost update."""
    return counter().verdict(racy)


def test_text_has_one_fact_a_line(failure: Verdict) -> None:
    """Headline, what was lost, then the facts, indented."""
    lines = str(failure).splitlines()
    assert lines[:2] == [
        "01.counter: failed [S01-LOST-VISIT]",
        "2 visits were acknowledged, and the counter says 1.",
    ]
    assert len(lines) == 5
    assert all(line.startswith("  ") for line in lines[2:])


def test_bundle_has_text_pictures_and_data(failure: Verdict) -> None:
    """A notebook gets all three forms; the data holds no seconds and no picture."""
    bundle = failure._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", MIME}
    assert bundle["text/plain"] == str(failure)
    assert bundle[MIME] == {
        "exercise": "01.counter",
        "outcome": "failed",
        "id": "S01-LOST-VISIT",
        "sentence": "2 visits were acknowledged, and the counter says 1.",
        "schedules": failure.schedules,
        "bound": "at most 1 preemption",
        "token": failure.token,
    }
    assert json.loads(json.dumps(bundle[MIME])) == bundle[MIME]


def test_verdict_is_the_same_in_every_run(failure: Verdict) -> None:
    """Two checks of one answer give the same bytes: no seconds, no addresses."""
    assert counter().verdict(racy).bundle() == failure.bundle()


def test_failing_run_can_be_stepped_through_with_what_each_instance_holds(failure: Verdict) -> None:
    """The scrubber over a verdict knows stores and local variables at every step."""
    panel = scrubber(failure)
    seen = [panel.move(at).states() for at in range(len(panel))]
    assert any("number = 0" in states for states in seen)
    assert not any(UNSEEN in states for states in seen)


def test_html_is_text_in_the_pages_colours_and_pictures_with_alt_text(failure: Verdict) -> None:
    """No colour of ours outside the pictures, and each picture says in words what it shows."""
    page = failure.to_html()
    pictures = re.findall(r"<img [^>]*>", page)
    assert pictures
    assert all('alt="' in picture for picture in pictures)
    assert "2 visits were acknowledged, and the counter says 1" in html.unescape(pictures[0])
    text = re.sub(r"<img [^>]*>", "", page)
    assert not re.search(r"colou?r|style=|<script", text)
    assert text.startswith("<p><b>✗ 01.counter: failed</b> <code>S01-LOST-VISIT</code></p>")


def test_failing_run_comes_first_and_its_neighbour_after_it(failure: Verdict) -> None:
    """Five lanes and more are drawn one under the other, with their source lines."""
    assert failure.trace is not None
    assert len(failure.trace.lanes) == 6
    pictures = re.findall(r'alt="([^"]*)"', failure.to_html())
    assert len(pictures) == 2
    assert "The same without the preemption: it passes" in pictures[1]


def small(title: str, reply: str) -> Trace:
    """Return a trace of two lanes."""
    trace = Trace()
    trace.lane("shop-1", "instance")
    trace.lane("redis", "store")
    trace.add(0.0, "shop-1", "call", "GET a", "redis", ("redis", "a", "r")).reply = reply
    return trace.highlight([0], title)


def test_small_runs_are_drawn_side_by_side() -> None:
    """Up to four lanes fit beside each other, with the first difference marked."""
    verdict = Verdict("01.x", FAILED, "S01-X", trace=small("Lost", "1"), neighbour=small("Kept", "2"))
    (picture,) = re.findall(r'alt="([^"]*)"', verdict.to_html())
    assert picture.startswith("Two diagrams side by side, steps aligned. First difference, at step 1")


def test_run_that_cannot_be_drawn_is_told_all_the_same() -> None:
    """Whatever an answer puts into a trace, there is a verdict."""
    trace = small("Lost", "1")
    trace.records.append(None)  # type: ignore[arg-type]
    page = Verdict("01.x", FAILED, "S01-X", "It is lost.", trace=trace).to_html()
    assert "<p>It is lost.</p>" in page
    assert page.endswith("<p>(There is no picture: AttributeError.)</p>")


def test_html_escapes_what_an_answer_says() -> None:
    """A sentence with markup in it stays text."""
    page = Verdict("01.x", FAILED, "S01-X", "<script>alert(1)</script>", ["<b>"]).to_html()
    assert "<script>" not in page
    assert "<li>&lt;b&gt;</li>" in page


def test_pass_is_marked_as_one() -> None:
    """A pass has a tick, its lines and no picture."""
    page = counter(preemptions=0).verdict(right).to_html()
    assert page.startswith("<p><b>✓ 01.counter: passed</b></p><ul><li>«two visits»: ")
    assert "<img" not in page


def test_outside_a_notebook_a_pass_is_printed_and_a_failure_raised(
    failure: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure's text is its exception's; it is not printed as well."""
    publish(failure)
    assert capsys.readouterr().out == ""
    assert str(CheckFailed(failure)) == str(failure)
    assert CheckFailed(failure)._render_traceback_() == [f"CheckFailed: {failure}"]
    publish(Verdict("01.x", PASSED, lines=["It held."]))
    assert capsys.readouterr().out == "01.x: passed\n  It held.\n"


def test_in_a_notebook_the_error_is_one_line_under_the_verdict(
    failure: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict stands above, with its picture: the error only names it."""
    shown: list[Any] = []
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "show", lambda bundle, handle: shown.append((bundle, handle)))
    publish(failure, "the progress line's place")
    assert shown == [(failure.bundle(), "the progress line's place")]
    assert CheckFailed(failure)._render_traceback_() == ["CheckFailed: 01.counter: failed [S01-LOST-VISIT]"]


def test_plain_errors_have_no_stack() -> None:
    """An error that is told plainly renders as its type and sentence."""
    assert plainly(ValueError("no"))._render_traceback_() == ["ValueError: no"]  # type: ignore[attr-defined]
