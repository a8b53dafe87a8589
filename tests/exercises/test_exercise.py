"""An exercise tells its five outcomes apart, whatever a learner hands over, and never hangs."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask import Flask
from toys import Answer, count, counter, racy, right, shop

from fleetlab.exercises import CheckFailed, Exercise
from fleetlab.exercises.search import ticket
from fleetlab.exercises.verdict import FAILED, NEVER_FINISHED, NOT_ATTEMPTED, PASSED, RAISED, CheckStopped
from fleetlab.sim import watchdog


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the watchdog look in after half a second: these tests wait for it."""
    monkeypatch.setattr(watchdog, "PATIENCE", 0.5)


@pytest.fixture(autouse=True)
def _unharmed() -> Iterator[None]:
    """After each test the interpreter is as before, and the next check works."""
    before = (sys.stdout, sys.stderr, time.time, redis.Redis.get, sys.getrecursionlimit(), signal.getsignal(2))
    yield
    assert (sys.stdout, sys.stderr, time.time, redis.Redis.get, sys.getrecursionlimit(), signal.getsignal(2)) == before
    assert counter(preemptions=0).verdict(right).outcome == PASSED


# -- passed, failed


def test_right_answer_passes_with_counts_bounds_and_extent() -> None:
    """A pass names each invariant, in how many schedules it held, the bounds, and that none were left out."""
    found = counter(preemptions=2, kills=1).verdict(right)
    assert found.outcome == PASSED
    assert found.lines == [
        f"«two visits»: {found.schedules} schedules, {found.bound}: that is all of them.",
        f"every acknowledged visit is counted: held in all {found.schedules} schedules.",
    ]
    assert (found.id, found.token, found.bound) == ("", "", "at most 2 preemptions and 1 kill, 2 together")


def test_pass_on_a_budget_says_what_was_left_out() -> None:
    """Where the budget ends first, the verdict says how much it left out and how much was drawn."""
    found = counter(preemptions=2, kills=1, budget=10).verdict(right)
    assert found.outcome == PASSED
    assert found.lines[0].startswith(
        "«two visits»: 10 schedules, at most 2 preemptions and 1 kill, 2 together: the budget of 10 left out "
    )
    assert found.lines[0].endswith("and all that follow from them; 200 of those were drawn at random and tried.")
    assert found.lines[1] == "every acknowledged visit is counted: held in all 210 schedules."


def test_wrong_answer_fails_with_id_cause_and_token() -> None:
    """A failure says what was lost, after how much, what came between what, and how to see it again."""
    exercise = counter()
    found = exercise.verdict(racy)
    assert (found.outcome, found.id) == (FAILED, "S01-LOST-VISIT")
    assert found.sentence == "2 visits were acknowledged, and the counter says 1."
    how, cause, again = found.lines
    assert how == f"After {found.schedules} schedules, with 1 preemption and no fault, in «two visits»."
    assert cause in {
        f"{a} read visits between {b}'s read and {b}'s write." for a, b in (("shop-1", "shop-2"), ("shop-2", "shop-1"))
    }
    assert again == f'counter.replay("{found.token}", shop) shows this run again.'
    assert len(found.token) <= 20


def test_failure_is_shown_beside_the_run_that_passes() -> None:
    """The failing run is marked, and its neighbour differs by one choice and passes."""
    found = counter().verdict(racy)
    assert found.trace is not None
    assert found.neighbour is not None
    assert len(found.trace.marked) == 4
    assert found.trace.title == "2 visits were acknowledged, and the counter says 1."
    assert found.neighbour.title == "The same without the preemption: it passes"


def test_check_raises_on_everything_but_a_pass() -> None:
    """`check` returns for a right answer and raises CheckFailed, with the id, for a wrong one."""
    exercise = counter()
    exercise.check(right)
    with pytest.raises(CheckFailed) as raised:
        exercise.check(racy)
    assert raised.value.id == "S01-LOST-VISIT"
    with pytest.raises(CheckFailed):
        exercise.check(None)


# -- not attempted


def empty(env: Any) -> Any:
    """Make the app."""


def ellipsis(env: Any) -> Any:
    """Make the app."""
    ...  # noqa: PIE790 - this is what a stub looks like


def unwritten(env: Any) -> Any:
    """Make the app."""
    raise NotImplementedError


def unwritten_handler(env: Any) -> None:
    """Count."""
    raise NotImplementedError("count here")


@pytest.mark.parametrize("answer", [None, ..., empty, ellipsis, unwritten, shop(unwritten_handler)])
def test_no_answer_yet_is_not_a_failure(answer: Any) -> None:
    """None, `...`, an empty body and NotImplementedError are not attempted."""
    found = counter().verdict(answer)
    assert (found.outcome, found.id) == (NOT_ATTEMPTED, "")
    assert found.sentence


# -- what cannot be judged


class Shop:
    """A class, which is no factory."""

    def __init__(self, env: Any) -> None:
        self.env = env


class Called:
    """An object that can be called like a factory."""

    def __call__(self, env: Any) -> Any:
        """Make the app."""
        return right(env)


async def asynchronous(env: Any) -> Any:
    """An async factory."""
    return right(env)


def generator(env: Any) -> Any:
    """A factory that yields."""
    yield right(env)


WANTED = "hand over the factory itself, a function that takes env and returns the app, as in check(shop)."


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Flask("shop"), f"check() got an app, which exists once, and each instance needs its own: {WANTED}"),
        (Shop, f"check() got the class Shop: {WANTED}"),
        (Shop(None), f"check() got a value of type Shop: {WANTED}"),
        ("shop", f"check() got 'shop': {WANTED}"),
        ([right], f"check() got a value of type list: {WANTED}"),
        (lambda: Flask("shop"), "<lambda>() must take exactly one parameter, env."),
        (functools.partial(right, 1), "partial() must take exactly one parameter, env."),
        (asynchronous, "asynchronous() is an async function, and an app factory is a plain one: write "),
        (generator, "generator() contains a yield, which makes it a generator: end it with `return app`."),
        (generator(None), f"check() got what calling generator() returned: {WANTED}"),
    ],
)
def test_mistaken_answer_gets_one_sentence(answer: Any, sentence: str) -> None:
    """What cannot be an answer is told so without running anything."""
    found = counter().verdict(answer)
    assert (found.outcome, found.id, found.schedules) == (RAISED, "S01-NOT-DEPLOYED", 0)
    assert found.sentence.startswith(sentence)
    assert found.lines == []


def test_coroutine_is_told_from_a_function() -> None:
    """A coroutine, which somebody got by calling an async factory, is named as such."""
    coroutine = asynchronous(None)
    assert "what calling asynchronous() returned" in counter().verdict(coroutine).sentence
    coroutine.close()


def test_anything_that_can_be_called_with_env_is_a_factory() -> None:
    """A callable object, a method and a partial are factories like any other."""
    for answer in (Called(), Called().__call__, functools.partial(lambda other, env: right(env), 1)):
        assert counter(preemptions=0).verdict(answer).outcome == PASSED


# -- your code raised

file = open(__file__)  # noqa: SIM115 - handed over by mistake, on purpose


def raising(error: BaseException) -> Callable[[Any], None]:
    """Return a function that raises."""

    def f(env: Any) -> None:
        raise error

    return f


def deep(env: Any) -> None:
    """Recurse for ever."""
    deep(env)


def reads_a_file(env: Any) -> None:
    """Use a file that was opened outside."""
    file.read()


class Unspeakable(Exception):
    """An error whose message fails as well."""

    def __str__(self) -> str:
        raise RuntimeError("gotcha")


@pytest.mark.parametrize(
    ("visit", "sentence"),
    [
        (raising(KeyError("x")), "raised KeyError: 'x' at line"),
        (raising(SystemExit(3)), "raised SystemExit: 3 at line"),
        (raising(Unspeakable()), "raised Unspeakable: (its message cannot be printed) at line"),
        (raising(ValueError("\ud800\x00" + 9999 * "x")), "raised ValueError: ?\N{REPLACEMENT CHARACTER}xxx"),
        (raising(KeyboardInterrupt()), "The answer raised KeyboardInterrupt at line"),
        (raising(GeneratorExit()), "was cut off: its handler ended without an answer."),
        (deep, "raised RecursionError: maximum recursion depth exceeded"),
        (lambda env: 42, "raised TypeError: The view function did not return a valid response."),
    ],
)
def test_error_in_a_handler_is_told_with_instance_and_line(visit: Any, sentence: str) -> None:
    """An error of the answer's own is no failure of an invariant: it is named with its place."""
    found = counter().verdict(shop(visit))
    assert (found.outcome, found.id) == (RAISED, "S01-RAISED")
    assert sentence in found.sentence
    assert len(found.sentence) < 700
    assert "after the start" not in found.sentence


def test_an_error_after_a_while_is_told_with_its_moment() -> None:
    """Where time stands still nothing is said of it; where it passed, when it was."""

    def visit(env: Any) -> Any:
        time.sleep(2)
        raise KeyError("x")

    assert counter().verdict(shop(visit)).sentence.endswith(", 2.000 s after the start.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            shop(count, raising(ZeroDivisionError("oh"))),
            "did not start: its factory raised ZeroDivisionError: oh at line",
        ),
        (shop(count, raising(SystemExit(1))), "did not start: its factory raised SystemExit: 1 at line"),
        (lambda env: None or print(), "returned None: end it with `return app`."),
        (lambda env: 42, "not a Flask app"),
        (shop(reads_a_file), "is an open file and cannot be copied for each instance"),
        (shop(count, lambda env: time.sleep(366 * 86400)), "did not start within"),
    ],
)
def test_answer_that_does_not_start_is_told_why(answer: Answer, sentence: str) -> None:
    """A factory that fails, returns nothing, or holds what cannot be copied is told in one sentence."""
    found = counter().verdict(answer)
    assert (found.outcome, found.id) == (RAISED, "S01-NOT-DEPLOYED")
    assert sentence in found.sentence
    assert "\n" not in found.sentence


def test_error_that_only_an_order_of_events_brings_out_is_found() -> None:
    """A TypeError in one schedule of many is a mistake, also where no invariant is broken."""

    def visit(env: Any) -> None:
        count(env)
        if env.redis.get("visits") == "2" and env.redis.incr("seen") == 1:
            env.redis.get("visits") + 1

    found = counter(preemptions=2).verdict(shop(visit))
    assert (found.outcome, found.id) == (RAISED, "S01-RAISED")
    assert "raised TypeError" in found.sentence


def test_unexpected_answer_is_quoted() -> None:
    """Where a scenario cannot read a response, the verdict shows that response."""

    def without_number(env: Any) -> Flask:
        app = Flask("shop")
        app.post("/visit")(dict)
        return app

    found = counter().verdict(without_number)
    assert (found.outcome, found.id) == (RAISED, "S01-UNEXPECTED-ANSWER")
    assert found.sentence.startswith("owner's last request, GET /visits, came to 404 <!doctype html>")


def test_invariant_that_cannot_read_a_result_quotes_the_response() -> None:
    """A result of another type than the invariant expects is the answer's doing, and told as such."""

    def with_text(env: Any) -> Flask:
        app = Flask("shop")
        app.post("/visit")(dict)
        app.get("/visits", endpoint="visits")(lambda: {"visits": None})
        return app

    found = counter().verdict(with_text)
    assert (found.outcome, found.id) == (RAISED, "S01-UNEXPECTED-ANSWER")
    assert "Whether every acknowledged visit is counted cannot be told: TypeError" in found.sentence


# -- never finished


def spin(env: Any) -> None:
    """Loop without a step."""
    while True:
        pass


def spin_and_swallow(env: Any) -> None:
    """Loop without a step, and swallow whatever is raised."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def sleep_nothing(env: Any) -> None:
    """Loop with steps that take no time."""
    while True:
        time.sleep(0)


def sleep_for_ever(env: Any) -> None:
    """Loop with steps that take time."""
    while True:
        time.sleep(1)


def sleep_a_year(env: Any) -> None:
    """Sleep for a virtual year."""
    time.sleep(366 * 86400)


def sleep_and_swallow(env: Any) -> None:
    """Sleep for ever, and swallow the own death."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)


@pytest.mark.parametrize(
    ("visit", "sentence"),
    [
        (spin, "takes no step and never ends"),
        (spin_and_swallow, "takes no step and never ends"),
        (sleep_nothing, "Still not finished after 50,000 turns: shop-1 goes on at line"),
        (sleep_for_ever, "is still not answered 1:00:00 later. shop-1 stands at line"),
        (sleep_a_year, "time.sleep(366 * 86400)"),
        (sleep_and_swallow, "is still not answered 1:00:00 later."),
    ],
)
def test_code_that_never_finishes_is_ended_and_named(visit: Any, sentence: str) -> None:
    """A loop without end, with steps or without, is an outcome with its line, and no hang."""
    began = time.perf_counter()
    found = counter().verdict(shop(visit))
    assert (found.outcome, found.id) == (NEVER_FINISHED, "S01-NEVER-FINISHED")
    assert sentence in found.sentence
    assert time.perf_counter() - began < 15


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal to wake it")
def test_code_that_waits_outside_the_simulation_is_no_pressed_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog wakes what waits in the operating system by the signal of Ctrl-C: the check goes on all the same."""
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)

    def visit(env: Any) -> None:
        select.select([], [], [], 30)

    with pytest.raises(CheckFailed) as raised:
        counter().check(shop(visit))
    assert raised.value.id == "S01-NEVER-FINISHED"
    assert "select.select([], [], [], 30)" in raised.value.verdict.sentence


def test_deadlock_names_who_holds_what() -> None:
    """Two handlers that take two locks in opposite order wait for each other: both lines are named."""

    def begin(env: Any) -> None:
        env.locks = threading.Lock(), threading.Lock()

    def visit(env: Any) -> None:
        first, second = env.locks if env.redis.incr("turn") % 2 else reversed(env.locks)
        with first:
            env.redis.get("a step")
            with second:
                count(env)

    exercise = Exercise("01.one_instance", "Nobody waits for ever")

    @exercise.scenario(preemptions=1)
    def both_at_once(world: Any, app: Any) -> None:
        world.deploy(app, instances=1, name="shop")
        ada, bob = world.client("ada"), world.client("bob")
        world.together(lambda: ada.post("/visit"), lambda: bob.post("/visit"))

    found = exercise.verdict(shop(visit, begin))
    assert (found.outcome, found.id) == (NEVER_FINISHED, "S01-DEADLOCK")
    assert found.sentence.count("waits for a lock at line") == 2
    assert found.sentence.count("holds it at line") == 2


# -- nondeterminism


def by_address(env: Any) -> None:
    """Use an address as a key."""
    env.redis.set(f"visitor {id(object())} {id(env)}", 1)


def by_set(env: Any) -> None:
    """Iterate over a set of objects, whose order is that of their addresses."""
    for one in {type("Visitor", (), {"number": n}) for n in range(12)}:
        env.redis.set(f"visitor {one.number}", 1)


def by_file(env: Any) -> None:
    """Use the machine's randomness."""
    with open("/dev/urandom", "rb") as random:
        env.redis.set(f"visitor {random.read(8).hex()}", 1)


def by_cache(env: Any) -> None:
    """Use a cache that no instance can have of its own: a library's."""
    sys.modules["seen"] = sys.modules.get("seen", 0) + 1
    env.redis.set(f"visitor {sys.modules['seen']}", 1)


@pytest.mark.parametrize(
    ("visit", "cause"),
    [
        (by_address, "The likely cause is id(), an address that is another in each run (line "),
        (by_set, "The likely cause is a set, which has no order of its own (line "),
        (by_file, "The likely cause is a file, which outlives the run (line "),
        (by_cache, "The same schedule must give the same steps: look for id(), the order of a set, a cache"),
    ],
)
def test_answer_that_does_not_repeat_itself_is_told_why(visit: Any, cause: str) -> None:
    """A run that differs from its repetition is named with the first differing step and the likely cause."""
    found = counter().verdict(shop(visit))
    sys.modules.pop("seen", None)
    assert (found.outcome, found.id) == (RAISED, "S01-NONDETERMINISM")
    step, likely = found.lines
    assert step.startswith("In «two visits»: Step ")
    assert "in one run and «" in step
    assert likely.startswith(cause)


# -- answers that are up to something


def test_what_an_answer_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """A megabyte a visit, on both streams, does not reach the notebook."""

    def visit(env: Any) -> None:
        print(1_000_000 * "x")
        sys.stderr.write(1_000_000 * "y")
        count(env)

    counter().verdict(shop(visit))
    assert capfd.readouterr() == ("", "")


def test_patched_libraries_are_whole_again_for_each_run() -> None:
    """A factory that wraps a method of a library wraps it once a run, not once more a run."""

    def begin(env: Any) -> None:
        get = redis.Redis.get
        redis.Redis.get = lambda self, name: get(self, name)
        time.time = lambda: 0.0

    assert counter(preemptions=2, kills=1).verdict(shop(count, begin)).outcome == PASSED


def test_patches_of_the_notebook_are_left_alone() -> None:
    """What the learner has patched outside the check is the same after it."""
    before, mine = redis.Redis.get, lambda self, name: before(self, name)
    try:
        redis.Redis.get = mine
        assert counter().verdict(right).outcome == PASSED
        assert redis.Redis.get is mine
    finally:
        del redis.Redis.get
        redis.Redis.get = before


def test_broken_python_is_put_together_again() -> None:
    """An answer that takes `len` away breaks its own check and nothing else."""

    def begin(env: Any) -> None:
        import builtins

        builtins.len = None

    found = counter().verdict(shop(count, begin))
    assert found.outcome == RAISED
    assert len("abc") == 3


def test_no_frame_of_the_judge_is_in_sight() -> None:
    """An answer that looks up the stack, or at the environment, sees the world and nothing of the check."""

    def visit(env: Any) -> dict[str, Any]:
        frame, names = sys._getframe(), []
        while frame is not None:
            names.append(frame.f_globals["__name__"])
            frame = frame.f_back
        told = [*names, *os.environ, type(sys.stdout).__module__, type(env).__module__]
        count(env)
        assert not [name for name in told if "exercise" in name.lower() and not name.startswith("test_")]
        return {}

    assert counter(preemptions=0).verdict(shop(visit)).outcome == PASSED


def test_check_inside_a_check_is_refused() -> None:
    """An answer that checks another answer is told so."""

    def visit(env: Any) -> None:
        import toys

        toys.counter().check(toys.right)

    found = counter().verdict(shop(visit))
    assert (found.outcome, found.id) == (RAISED, "S01-RAISED")
    assert "called check() inside a simulation: check an answer from outside." in found.sentence


def test_threads_left_running_end_with_their_run() -> None:
    """A thread that never ends does not outlive the run in which it was started."""

    def visit(env: Any) -> None:
        threading.Thread(target=sleep_for_ever, args=(env,)).start()
        count(env)

    before = threading.active_count()
    assert counter(preemptions=0).verdict(shop(visit)).outcome == PASSED
    assert threading.active_count() <= before + 1  # the watchdog's own


def test_large_responses_are_no_trouble() -> None:
    """A body of five megabytes is carried, and appears in no text."""

    def visit(env: Any) -> str:
        count(env)
        return 5_000_000 * "x"

    found = counter(preemptions=0).verdict(shop(visit))
    assert found.outcome == PASSED
    assert len(str(found)) < 1000


# -- Ctrl-C


def slow(env: Any) -> None:
    """Take real time, and count."""
    sum(range(200_000))
    count(env)


def swallowing(env: Any) -> None:
    """Take real time, and swallow an interrupt."""
    with contextlib.suppress(BaseException):
        sum(range(200_000))
    count(env)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal to press")
@pytest.mark.parametrize("visit", [slow, swallowing])
def test_interrupt_ends_a_check_and_leaves_nothing(visit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C in the middle ends the check, also where the answer swallows it; the next check works (see above)."""
    exercise = counter(preemptions=2, kills=2, deviations=4, budget=100_000)
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(CheckStopped, match=r"Stopped after .* schedules?; there is no verdict\."):
        exercise.check(shop(visit))
    timer.join()
    assert isinstance(CheckStopped("x"), KeyboardInterrupt)
    assert CheckStopped("x")._render_traceback_() == ["CheckStopped: x"]


# -- hints and replay


def test_hints_come_one_by_one_and_the_last_one_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Each call shows the next hint; observers hear how many were shown."""
    heard: list[tuple[str, int]] = []
    exercise = counter()
    Exercise.hint_observers.append(lambda key, number: heard.append((key, number)))
    try:
        for _ in range(3):
            exercise.hint()
    finally:
        Exercise.hint_observers.pop()
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 2: Whose memory is it?",
        "Hint 2 of 2: Redis can count.",
        "Hint 2 of 2: Redis can count.",
    ]
    assert heard == [("01.counter", 1), ("01.counter", 2), ("01.counter", 2)]


def test_exercise_without_hints_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for a hint that nobody wrote is no error."""
    Exercise("01.bare", "Nothing").hint()
    assert capsys.readouterr().out == "01.bare has no hints.\n"


def test_observers_hear_every_verdict() -> None:
    """Whoever keeps a record hears of a check before it raises."""
    heard: list[str] = []
    Exercise.observers.append(lambda verdict: heard.append(verdict.id))
    try:
        with pytest.raises(CheckFailed):
            counter().check(racy)
    finally:
        Exercise.observers.pop()
    assert heard == ["S01-LOST-VISIT"]


def test_token_shows_the_run_again() -> None:
    """A replayed token returns the trace of the failure, marked and titled."""
    exercise = counter()
    found = exercise.verdict(racy)
    again = exercise.replay(found.token, racy)
    assert found.trace is not None
    assert [str(event) for event in again] == [str(event) for event in found.trace]
    assert again.marked == found.trace.marked
    assert again.title == "2 visits were acknowledged, and the counter says 1."
    assert again.subtitle == f"{found.lines[1]} 01.counter · {found.token}"


def test_token_of_a_repaired_answer_shows_that_it_passes() -> None:
    """The default schedule of a right answer passes, and says so."""
    exercise = counter()
    token = exercise.verdict(shop(raising(KeyError("x")))).token
    assert exercise.replay(token, right).title == "This run passes."


@pytest.mark.parametrize("token", ["", "hello world", "0.4ü", "7", "zzz.11"])
def test_foreign_or_mistyped_token_is_refused_in_a_sentence(token: str) -> None:
    """A token that is none, or another exercise's, raises ValueError with one sentence and no stack."""
    with pytest.raises(ValueError, match=r"is no replay token|is not a token of 01\.counter") as raised:
        counter().replay(token, right)
    assert raised.value._render_traceback_() == [f"ValueError: {raised.value}"]


def test_token_of_another_exercise_is_refused() -> None:
    """Two exercises with the same scenario do not take each other's tokens."""
    token = counter("02.other").verdict(racy).token
    with pytest.raises(ValueError, match=f"'{token}' is not a token of 01.counter"):
        counter().replay(token, racy)


def test_token_that_no_longer_fits_is_told_so() -> None:
    """A token for an answer with more to choose from does not fit this one, and the sentence says so."""
    exercise = counter()
    deep = ticket(exercise.key, 0, ((0, 31),))
    with pytest.raises(ValueError, match="does not fit this answer; it belongs to another version of it"):
        exercise.replay(deep, right)


def test_nothing_cannot_be_replayed() -> None:
    """A token needs an answer, and says so."""
    exercise = counter()
    token = exercise.verdict(racy).token
    for answer, sentence in ((None, "There is no answer yet"), (Flask("shop"), "check\\(\\) got an app")):
        with pytest.raises(ValueError, match=sentence):
            exercise.replay(token, answer)


def test_answer_of_another_kind_has_its_own_complaint() -> None:
    """An exercise whose answer is no app says itself what it wants."""

    def a_rule_table(answer: Any) -> str:
        return "" if isinstance(answer, dict) else "check() wants a table of rules."

    exercise = Exercise("03.routes", "Each request goes where the table says", complaint=a_rule_table)

    @exercise.scenario(preemptions=0)
    def one_rule(world: Any, table: Any) -> Any:
        return table["/"]

    one_rule.must("LOST", "the root has a place")(lambda history: history.result != "home")
    assert exercise.verdict({"/": "home"}).outcome == PASSED
    assert exercise.verdict({"/": "away"}).sentence == "This does not hold: the root has a place."
    assert exercise.verdict(right).sentence == "check() wants a table of rules."
