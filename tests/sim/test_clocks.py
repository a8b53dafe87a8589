"""Clocks are virtual inside a task and real outside, however they are reached."""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from datetime import date, datetime
from time import gmtime, monotonic, perf_counter, strftime, time_ns
from time import time as time_time

import pytest

from fleetlab.sim import EPOCH, Process, Simulation


def at(seconds: float, f, process: Process | None = None, sim: Simulation | None = None):
    """Return what `f` returns in a task after `seconds`."""
    sim = sim or (process.sim if process else Simulation())
    return sim.run(until=sim.spawn(lambda: (time.sleep(seconds), f())[1], process=process))


def test_virtual_time_begins_on_a_monday_morning() -> None:
    """Virtual time 0 is 2026-01-05 09:00:00 UTC."""
    assert (EPOCH, at(0, lambda: datetime.now(dt.UTC).isoformat())) == (1767603600.0, "2026-01-05T09:00:00+00:00")


@pytest.mark.parametrize(
    ("clock", "value"),
    [
        (time.time, EPOCH + 90.5),
        (time_time, EPOCH + 90.5),
        (time.time_ns, 1767603690500000000),
        (time_ns, 1767603690500000000),
        (time.monotonic, 90.5),
        (monotonic, 90.5),
        (time.monotonic_ns, 90500000000),
        (time.perf_counter, 90.5),
        (perf_counter, 90.5),
        (time.perf_counter_ns, 90500000000),
        (time.process_time, 90.5),
        (time.thread_time, 90.5),
        (lambda: datetime.now(dt.UTC).isoformat(), "2026-01-05T09:01:30.500000+00:00"),
        (lambda: datetime.utcnow().isoformat(), "2026-01-05T09:01:30.500000"),
        (lambda: datetime.now().timestamp(), EPOCH + 90.5),
        (lambda: datetime.today().timestamp(), EPOCH + 90.5),
        (lambda: time.mktime(time.localtime()), EPOCH + 90),
        (lambda: time.strftime("%H:%M:%S", time.gmtime()), "09:01:30"),
        (lambda: strftime("%M:%S"), "01:30"),
        (lambda: gmtime()[:6], (2026, 1, 5, 9, 1, 30)),
        (lambda: date.today().year, 2026),
        (lambda: uuid.uuid1().time, (1767603690500000000 // 100) + 0x01B21DD213814000),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_clock_is_virtual_inside(clock, value: object) -> None:
    """Every clock of Python shows virtual time in a task, also where it was bound long before."""
    assert at(90.5, clock) == value


def test_clocks_are_real_outside() -> None:
    """Before, between and after runs the clocks are those of the machine."""
    sim = Simulation()
    before = time.monotonic()
    at(0.0, time.time, sim=sim)
    at(1e6, time.time, sim=sim)
    assert abs(time.time() - datetime.now().timestamp()) < 5
    assert time.time() > EPOCH + 1e6 + 86400
    assert 0 <= time.monotonic() - before < 60


def test_clocks_of_other_threads_are_real_meanwhile() -> None:
    """A real thread sees real time while the simulation runs."""
    seen: list[float] = []
    begun, done = threading.Event(), threading.Event()

    def look() -> None:
        begun.wait()
        while not done.is_set():
            seen.extend((time.time(), datetime.now().timestamp()))
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    sim = Simulation(trace=False)

    def work() -> None:
        begun.set()
        while len(seen) < 4:
            time.sleep(1)
            assert time.time() == EPOCH + sim.now

    sim.run(until=sim.spawn(work))
    done.set()
    thread.join()
    assert min(seen) > EPOCH + 180 * 86400


def test_a_process_may_have_a_skewed_clock() -> None:
    """Its wall clock is off and runs at another rate; the monotonic one runs at that rate from 0."""
    process = Process(Simulation(), "shop-1")
    process.offset, process.rate = -30.0, 1.5
    assert at(100, lambda: (time.time() - EPOCH, time.monotonic()), process) == (120.0, 150.0)
    assert process.sim.now == 100.0


def test_real_sleep_outside() -> None:
    """Outside a task a sleep takes its time, and so does one of another thread."""
    before = time.perf_counter()
    time.sleep(0.02)
    assert time.perf_counter() - before >= 0.02


def test_timestamps_survive_a_round_trip() -> None:
    """A moment read from the clock is the same after a trip through text, to the microsecond."""
    now = at(1 / 3, lambda: (time.time(), datetime.now(dt.UTC).isoformat()))
    assert now == (1767603600.333333, "2026-01-05T09:00:00.333333+00:00")


def test_uuid1_is_unique_and_forgets_what_happened_outside() -> None:
    """Two at one moment differ, a real one before does not count, and the host is a drawn one."""
    uuid.uuid1()

    def two() -> list[int]:
        return [uuid.uuid1().time - 0x01B21DD213814000 - int(EPOCH * 1e7) for _ in range(2)]

    assert at(1, two) == [10000000, 10000001]
    assert at(1, uuid.getnode) == at(1, uuid.getnode) != uuid.getnode()
