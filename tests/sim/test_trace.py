"""A trace holds what happened, as frozen events, and prints as a table."""

from __future__ import annotations

import dataclasses
import time

import pytest

from fleetlab.sim import Event, Process, Simulation, Trace, step
from fleetlab.sim.trace import clock, is_learner_file


def add_to_cart() -> None:
    """Read and write a cart."""
    found = step("GET cart:ada", ("redis", "cart:ada", "r"), to="redis", latency=(0.001, 0.001))
    found.reply = "[]"
    step("SET cart:ada", ("redis", "cart:ada", "w"), to="redis", latency=(0.002, 0.002)).reply = "OK"
    time.sleep(60)


FIRST = add_to_cart.__code__.co_firstlineno


@pytest.fixture
def trace() -> Trace:
    """Return the trace of one request, with its lanes declared."""
    sim = Simulation()
    sim.trace.lane("redis", "store")
    sim.trace.lane("shop-1", "instance")
    sim.trace.lane("shop-2", "instance")
    sim.trace.lane("ada", "client")
    sim.run(until=Process(sim, "shop-1").spawn(add_to_cart))
    sim.trace.add(sim.now, "ada", "note", "is happy")
    return sim.trace


def test_a_trace_prints_as_a_table(trace: Trace) -> None:
    """One line an event: when, who, what, to whom, the reply, and the learner's line with its number."""
    assert str(trace).splitlines() == [
        "    time | who    | step",
        "---------|--------|------------------------------",
        f'  1.0 ms | shop-1 | GET cart:ada -> redis = []   [{FIRST + 2}  found = step("GET cart:ada", ("redis", "cart:ada", "r"), to="redis", latency=(0.001, 0.001))]',  # noqa: E501
        f'  3.0 ms | shop-1 | SET cart:ada -> redis = OK   [{FIRST + 4}  step("SET cart:ada", ("redis", "cart:ada", "w"), to="redis", latency=(0.002, 0.002)).reply = "OK"]',  # noqa: E501
        f"  3.0 ms | shop-1 | sleep: sleep until 60.003 s   [{FIRST + 5}  time.sleep(60)]",
        "60.003 s | ada    | note: is happy",
    ]


def test_events_are_frozen_and_numbered(trace: Trace) -> None:
    """An event cannot be changed, knows its place, and says what it touches."""
    first = trace.events[0]
    assert [event.n for event in trace] == [0, 1, 2, 3] == list(range(len(trace)))
    assert (first.who, first.to, first.kind, first.touches) == ("shop-1", "redis", "call", ("redis", "cart:ada", "r"))
    assert (first.time, first.reply, first.until, trace.events[2].until) == (0.001, "[]", None, 60.003)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.who = "eve"  # type: ignore[misc]


def test_lanes_have_an_order_and_a_kind(trace: Trace) -> None:
    """Clients come first, then instances, then stores, then whoever was not declared; the unused are left out."""
    trace.add(0.0, "stranger", "note", "passes")
    assert trace.lanes == ["ada", "shop-1", "redis", "stranger"]
    assert [trace.lane_kind(name) for name in trace.lanes] == ["client", "instance", "store", "world"]
    with pytest.raises(ValueError, match=r"^There is no lane kind 'clients'; there are: client, balancer"):
        trace.lane("eve", "clients")


def test_highlight_is_a_view(trace: Trace) -> None:
    """It marks events under a title of its own and leaves the trace as it was."""
    view = trace.highlight([1], title="Lost", subtitle="seed 1")
    assert (view.title, view.subtitle, view.marked, trace.title, trace.marked) == ("Lost", "seed 1", (1,), "", ())
    lines = str(view).splitlines()
    assert [line[:2] for line in lines] == ["Lo", "  ", "  ", "  ", "> ", "  ", "  "]
    assert view.lanes == trace.lanes
    with pytest.raises(IndexError, match=r"^This trace has no event 9: its events are numbered from 0 to 3\.$"):
        trace.highlight([9])


def test_since_is_a_view_from_a_mark_on(trace: Trace) -> None:
    """It holds later events only, numbered anew, and does not grow."""
    mark = len(trace)
    trace.add(61.0, "ada", "note", "comes back")
    view = trace.since(mark)
    trace.add(62.0, "ada", "note", "leaves")
    assert [(event.n, event.what) for event in view] == [(0, "comes back")]


def test_a_trace_can_be_switched_off() -> None:
    """Without a trace nothing is kept, and steps still return a record to complete."""
    sim = Simulation(trace=False)
    sim.trace.add(0.0, "world", "note", "nothing").reply = "dropped"
    sim.run(until=sim.spawn(add_to_cart))
    assert (len(sim.trace), sim.trace.lanes) == (0, [])


def test_sleeps_of_libraries_show_the_learners_line() -> None:
    """The line is that of the learner's code, also where a library does the sleeping."""
    import queue

    sim = Simulation()

    def poll() -> None:
        sim.sleep(1)
        try:
            queue.Queue().get(timeout=1)
        except queue.Empty:
            step("GIVE UP")

    sim.run(until=sim.spawn(poll))
    first = poll.__code__.co_firstlineno
    assert [event.line.split()[0] for event in sim.trace] == [str(first + 1), str(first + 5)]


def test_a_step_outside_a_simulation_does_nothing() -> None:
    """It returns None, so that the same code runs for real."""
    assert step("GET a") is None


def test_a_renderer_is_registered_from_above(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one there is no HTML; with one it is asked for each trace."""
    monkeypatch.setattr(Trace, "renderer", None)
    assert trace._repr_html_() is None
    monkeypatch.setattr(Trace, "renderer", staticmethod(lambda trace: f"<b>{len(trace)}</b>"))
    assert trace._repr_html_() == "<b>4</b>"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.00145, "1.4 ms"),
        (1.0, "1.000 s"),
        (599.9, "599.900 s"),
        (600, "0:10:00"),
        (90061.5, "25:01:01"),
    ],
)
def test_moments_are_written_in_fitting_units(seconds: float, text: str) -> None:
    """Milliseconds, seconds, then hours, minutes and seconds."""
    assert clock(seconds) == text


def test_whose_a_file_is() -> None:
    """Cells and tests are the learner's; the standard library, packages and ours are not."""
    files = [
        __file__,
        "<ipython-input-1>",
        "/tmp/ipykernel_7/1.py",
        time_file(),
        pytest.__file__,
        Trace.add.__code__.co_filename,
    ]
    assert [is_learner_file(file) for file in files] == [True, True, True, False, False, False]


def time_file() -> str:
    """Return a file of the standard library."""
    import queue

    return str(queue.__file__)


def test_an_event_is_a_plain_value() -> None:
    """Two events with the same fields are equal, and have usable defaults."""
    assert Event(0, 0.0, "ada", "note", "x") == Event(0, 0.0, "ada", "note", "x", "", "", "", (), None, ())
