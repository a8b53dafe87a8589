"""A scrubber steps through two runs and shows what stores and instances hold at each step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask
from fleets import shop, two_tabs

from fleetlab import World
from fleetlab.show.compare import compare
from fleetlab.show.recorder import recorded, snapshots
from fleetlab.show.scrubber import IDLE, UNSEEN, Scrubber, scrubber
from fleetlab.sim.trace import Trace


@pytest.fixture(scope="module")
def runs() -> tuple[Trace, Trace]:
    """A run that loses an item and one that does not."""
    found = [two_tabs(seed) for seed in range(40)]
    return next(trace for trace, kept in found if kept == 1), next(trace for trace, kept in found if kept == 2)


@pytest.fixture
def desk(runs: tuple[Trace, Trace]) -> Scrubber:
    """A scrubber over both."""
    return scrubber(*runs)


def test_the_static_form_is_the_comparison(desk: Scrubber, runs: tuple[Trace, Trace]) -> None:
    """As text and as one picture."""
    assert str(desk) == str(compare(*runs))
    assert desk.html() == compare(*runs)._repr_html_()


def test_it_begins_at_the_first_difference(desk: Scrubber) -> None:
    """The step is told for both runs."""
    assert desk.at == desk.comparison.first
    assert desk.sentence().startswith(f"Step {desk.at + 1} of {len(desk)}. Left: ")


def test_it_stays_within_the_runs(desk: Scrubber) -> None:
    """There is nothing before the first step and nothing after the last."""
    assert desk.move(-3).at == 0
    assert desk.move(999).at == len(desk) - 1


def test_each_step_shows_stores_and_variables_after_it(runs: tuple[Trace, Trace]) -> None:
    """The write is in the store once its step is over; a variable has the value that the read returned."""
    trace = runs[0]
    events = trace.events
    written = next(event for event in events if event.what.startswith("SET"))
    seen = snapshots(trace)
    before, after = seen[written.n - 1], seen[written.n]
    assert before is not None
    assert after is not None
    assert before.stores == {"redis": {}}
    item = "milk" if "milk" in written.what else "tea"
    assert after.stores == {"redis": {"cart:ada": f'["{item}"]'}}
    assert before.locals[written.who] == {"cart": f"['{item}']", "item": f"'{item}'"}
    assert before.lines[written.who].endswith('env.redis.set("cart:ada", json.dumps(cart))')


def test_recording_changes_nothing(runs: tuple[Trace, Trace]) -> None:
    """The same world without a recorder has the same trace."""
    for seed in range(3):
        bare = World(seed)
        bare.deploy(shop, 2, name="shop")
        ada, mark = bare.client("ada"), len(bare.trace)
        bare.together(lambda ada=ada: ada.post("/cart/tea"), lambda ada=ada: ada.post("/cart/milk"))
        steps = [
            [(e.time, e.who, e.what, e.reply) for e in trace] for trace in (bare.trace.since(mark), two_tabs(seed)[0])
        ]
        assert steps[0] == steps[1]


def test_what_a_step_changed_is_marked(desk: Scrubber) -> None:
    """By weight and by a dot, not by colour."""
    n = next(i for i, (left, _) in enumerate(desk.comparison.pairs) if left and left.what.startswith("SET"))
    assert "<b>● <code>cart:ada = [&quot;" in desk.move(n).states()


def test_traces_that_nobody_recorded_say_so(lost_cart: Trace, whole_cart: Trace) -> None:
    """Pictures work without snapshots."""
    plain = scrubber(lost_cart, whole_cart)
    assert plain.states() == f"<p>{UNSEEN}</p>"
    assert plain.picture().startswith('<div class="fl-live"><svg aria-label=')


def test_the_slider_and_the_buttons_move_it(desk: Scrubber) -> None:
    """One step back, one on, and to the first difference."""
    from fleetlab.show.scrubber import _Desk

    made = _Desk(desk)
    first = desk.at
    made.buttons["On"].click()
    made.buttons["On"].click()
    assert (desk.at, made.slider.value) == (first + 2, first + 2)
    made.buttons["Back"].click()
    assert desk.at == first + 1
    made.slider.value = 0
    assert "Step 1 of" in made.line.value
    made.buttons["Back"].click()
    assert desk.at == 0
    made.buttons["First difference"].click()
    assert desk.at == first


def test_long_runs_are_folded_around_the_present_step(load_test: Trace) -> None:
    """Thirteen rows are in view, wherever one looks."""
    long = scrubber(load_test, load_test.highlight([], "the same"))
    drawings = [long.move(at).picture() for at in (0, 100, 199)]
    assert [drawing.count("steps  …") for drawing in drawings] == [2, 4, 2]
    assert all(drawing.count(">INCR hits:") == 26 for drawing in drawings)


def test_one_run_alone_is_drawn_once(lost_cart: Trace) -> None:
    """With its source lines, the whole width is its own; two runs are drawn side by side."""
    alone, both = scrubber(lost_cart).picture(), scrubber(lost_cart, lost_cart.highlight([], "the same")).picture()
    events = [event.what for event in lost_cart.events if event.kind == "request"]
    assert [picture.count(f">{events[0]}<") for picture in (alone, both)] == [1, 2]
    assert "Two diagrams" not in alone


def test_a_moment_without_anything_is_told(runs: tuple[Trace, Trace]) -> None:
    """Where neither a store nor an instance holds anything there is a sentence, not an empty table."""
    world = World(1)
    with recorded(world):
        world.deploy(lambda env: Flask("idle"), 1, name="idle")
    assert scrubber(world.trace).move(0).states() == f"<p>{IDLE}</p>"


def test_a_verdict_has_both_runs(lost_cart: Trace, whole_cart: Trace) -> None:
    """A failure can be handed over whole; a pass has nothing to scrub."""
    assert len(scrubber(SimpleNamespace(trace=lost_cart, neighbour=whole_cart))) == 9
    alone = scrubber(SimpleNamespace(trace=lost_cart, neighbour=None))
    assert str(alone) == str(lost_cart)
    with pytest.raises(ValueError, match="There is no failing run"):
        scrubber(SimpleNamespace(trace=None, neighbour=None))
