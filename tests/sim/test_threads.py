"""Threads started inside a task are tasks of its process, and thread-local storage is per task."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest

from fleetlab.sim import Process, Simulation


@pytest.fixture
def sim() -> Simulation:
    """Return a fresh simulation."""
    return Simulation(6)


def call(sim: Simulation, f: Any, process: Process | None = None) -> Any:
    """Return what a function returns in a task."""
    return sim.run(until=sim.spawn(f, process=process))


def test_a_thread_runs_in_virtual_time_and_is_joined(sim: Simulation) -> None:
    """Thread, join with and without a timeout, and is_alive agree with the virtual clock."""

    def main() -> list[object]:
        thread = threading.Thread(target=time.sleep, args=(10,))
        seen: list[object] = [thread.is_alive()]
        thread.start()
        thread.join(3)
        seen += [thread.is_alive(), sim.now]
        thread.join()
        return [*seen, thread.is_alive(), sim.now]

    assert call(sim, main) == [False, True, 3.0, False, 10.0]


def test_a_thread_starts_only_once(sim: Simulation) -> None:
    """A second start is refused as Python refuses it."""

    def main() -> None:
        thread = threading.Thread(target=print)
        thread.start()
        thread.start()

    with pytest.raises(RuntimeError, match="threads can only be started once"):
        call(sim, main)


def test_threads_belong_to_their_process(sim: Simulation) -> None:
    """They die with it, and see its context, not that of the request that started them."""
    variable, seen = contextvars.ContextVar("variable", default="process"), []
    process = Process(sim, "shop-1")

    def work() -> None:
        seen.append(variable.get())
        time.sleep(10)
        seen.append("survived")

    def request() -> None:
        variable.set("request")
        threading.Thread(target=work).start()

    call(sim, request, process)
    sim.run(until=1)
    process.kill()
    sim.run(until=20)
    assert seen == ["process"]


def test_names_and_identities_are_the_same_in_every_run() -> None:
    """Thread names count from one in each process, whatever was started outside."""

    def main() -> list[object]:
        threads = [threading.Thread(target=print), threading.Thread(), threading.Timer(1, print)]
        with ThreadPoolExecutor() as pool:
            worker = pool.submit(lambda: threading.current_thread().name).result()
        return [*(thread.name for thread in threads), worker, threading.get_ident(), threading.current_thread().ident]

    def names() -> list[object]:
        sim = Simulation()
        return call(sim, main, Process(sim, "shop-1"))

    first = names()
    threading.Thread(target=int).start()
    assert first == names()
    assert first[:4] == ["Thread-1 (print)", "Thread-2", "Thread-3", "ThreadPoolExecutor-0_0"]
    assert first[4] == first[5]


def test_each_task_is_a_thread_of_its_own(sim: Simulation) -> None:
    """Two tasks have different identities, and outside the real ones are untouched."""
    tasks = [sim.spawn(lambda: (threading.get_ident(), threading.current_thread()), name=name) for name in "ab"]
    sim.run()
    (first, a), (second, b) = (task.value() for task in tasks)
    assert (first != second, a is not b, a.name, b.name) == (True, True, "a", "b")
    assert threading.current_thread() is threading.main_thread()


def test_a_timer_fires_in_virtual_time_and_can_be_cancelled(sim: Simulation) -> None:
    """One timer fires after its interval, a cancelled one never."""
    fired = []

    def main() -> None:
        threading.Timer(30, lambda: fired.append(sim.now)).start()
        cancelled = threading.Timer(20, lambda: fired.append("cancelled"))
        cancelled.start()
        time.sleep(10)
        cancelled.cancel()
        time.sleep(100)

    call(sim, main)
    assert fired == [30.0]


def test_a_timer_that_starts_itself_again_runs_for_days(sim: Simulation) -> None:
    """A chain of timers is not limited by the depth of the stack."""
    fired = []

    def tick() -> None:
        fired.append(sim.now)
        again = threading.Timer(60, tick)
        again.start()

    sim.spawn(tick)
    sim.run(until=86400)
    assert (len(fired), fired[-1]) == (1441, 86400.0)


def test_a_thread_pool(sim: Simulation) -> None:
    """map, submit, timeouts and as_completed of ThreadPoolExecutor work in virtual time."""

    def main() -> list[object]:
        with ThreadPoolExecutor(max_workers=2) as pool:
            mapped = list(pool.map(lambda n: (time.sleep(n), n * n)[1], [3, 1, 2]))
            seen: list[object] = [mapped, sim.now]
            slow, quick = pool.submit(time.sleep, 10), pool.submit(lambda: "quick")
            try:
                slow.result(timeout=4)
            except TimeoutError:
                seen.append(sim.now)
            seen.append([future is quick for future in as_completed([slow, quick])])
            failing = pool.submit(lambda: 1 / 0)
            seen.append(type(failing.exception()))
        return [*seen, sim.now]

    assert call(sim, main) == [[9, 1, 4], 3.0, 7.0, [True, False], ZeroDivisionError, 13.0]


def test_a_worker_loop_ends_with_the_run(sim: Simulation) -> None:
    """A worker thread that polls for ever does not keep a run going, and goes on in the next."""
    jobs: queue.Queue[str] = queue.Queue()
    done = []

    def worker() -> None:
        while True:
            try:
                done.append((jobs.get(timeout=1), sim.now))
            except queue.Empty:
                continue

    def main() -> None:
        threading.Thread(target=worker).start()
        time.sleep(2.5)
        jobs.put("mail")
        time.sleep(1)

    call(sim, main)
    jobs.put("invoice")
    sim.run(until=10)
    assert done == [("mail", 2.5), ("invoice", 3.5)]


def test_an_error_in_a_thread_is_noted_in_the_trace(sim: Simulation, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends the thread alone and is not printed to the notebook; SystemExit ends it without a word."""

    def main() -> str:
        for target in (lambda: 1 / 0, lambda: exit(3)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        return "goes on"

    assert call(sim, main, Process(sim, "shop-1")) == "goes on"
    assert [(event.who, event.kind, event.what) for event in sim.trace] == [
        ("shop-1", "error", "ZeroDivisionError: division by zero")
    ]
    assert [type(error) for _, error in sim.errors] == [ZeroDivisionError]
    assert capsys.readouterr() == ("", "")


class Session(threading.local):
    """Thread-local state with an initialiser, a property, and a fallback."""

    kind = "session"

    def __init__(self, user: str = "nobody") -> None:
        self.user = user
        self.items: list[str] = []

    @property
    def greeting(self) -> str:
        """A greeting."""
        return f"Hello {self.user}"

    @greeting.setter
    def greeting(self, value: str) -> None:
        self.user = value.removeprefix("Hello ")

    def __getattr__(self, name: str) -> str:
        if name.startswith("guess_"):
            return name[6:]
        raise AttributeError(name)


def test_thread_local_storage_is_per_task(sim: Simulation) -> None:
    """Each task sees its own attributes, none of another task, and none from outside."""
    local = threading.local()
    local.user = "cell"

    def work(user: str) -> list[object]:
        before = hasattr(local, "user")
        local.user = user
        time.sleep(1)
        after = local.user, dict(local.__dict__)
        del local.user
        return [before, *after, hasattr(local, "user")]

    tasks = [sim.spawn(work, user) for user in ("ada", "eve")]
    sim.run()
    assert [task.value() for task in tasks] == [
        [False, "ada", {"user": "ada"}, False],
        [False, "eve", {"user": "eve"}, False],
    ]
    assert local.user == "cell"


def test_a_subclass_of_local_is_initialised_in_each_task(sim: Simulation) -> None:
    """Its `__init__` runs again with the same arguments; methods, properties and `__getattr__` work."""
    session = Session("ada")
    session.items.append("outside")

    def work(item: str) -> list[object]:
        session.items.append(item)
        time.sleep(1)
        session.greeting = f"Hello {item}"
        return [session.items, session.user, session.greeting, session.kind, session.guess_price, sorted(vars(session))]

    tasks = [sim.spawn(work, item) for item in ("tea", "milk")]
    sim.run()
    assert [task.value() for task in tasks] == [
        [["tea"], "tea", "Hello tea", "session", "price", ["items", "user"]],
        [["milk"], "milk", "Hello milk", "session", "price", ["items", "user"]],
    ]
    assert (session.user, session.items, session.greeting) == ("ada", ["outside"], "Hello ada")


def test_a_missing_attribute_is_an_attribute_error(sim: Simulation) -> None:
    """Reading or deleting what a task has not set raises what Python raises."""
    local = threading.local()
    for use in (lambda: local.user, lambda: delattr(local, "user"), lambda: Session().nothing):
        with pytest.raises(AttributeError, match=r"user|nothing"):
            call(sim, use)


def test_thread_local_storage_of_real_threads(sim: Simulation) -> None:
    """Outside each real thread has its own attributes, as ever."""
    local, seen = threading.local(), []
    local.user = "main"
    thread = threading.Thread(target=lambda: seen.append(hasattr(local, "user")))
    thread.start()
    thread.join()
    assert (seen, local.user) == ([False], "main")


def test_scoped_sessions_are_per_task(sim: Simulation) -> None:
    """SQLAlchemy's scoped_session gives two tasks two sessions, and one task the same twice."""
    from sqlalchemy.orm import Session as OrmSession
    from sqlalchemy.orm import scoped_session, sessionmaker

    registry = scoped_session(sessionmaker())

    def request() -> tuple[OrmSession, bool]:
        mine = registry()
        time.sleep(1)
        return mine, registry() is mine

    tasks = [sim.spawn(request) for _ in range(2)]
    sim.run()
    (first, same), (second, same_too) = (task.value() for task in tasks)
    assert (first is second, same, same_too) == (False, True, True)


def test_apscheduler_fires_in_virtual_time(sim: Simulation) -> None:
    """A BackgroundScheduler inside a process runs its jobs by the virtual clock."""
    from apscheduler.schedulers.background import BackgroundScheduler

    fired = []

    def main() -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(lambda: fired.append(round(sim.now, 3)), "interval", seconds=60)
        scheduler.start()
        time.sleep(200)
        scheduler.shutdown()

    call(sim, main, Process(sim, "shop-1"))
    assert fired == [60.0, 120.0, 180.0]
