"""`fleetlab watch` checks what has changed, soon after each save."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pantry import ANSWERS, DATED, SET_UP, STUBS, cell, notebook, pantry, store

from fleetlab.course import keys
from fleetlab.course.commands.watch import follow
from fleetlab.course.judge import MIME
from fleetlab.course.kernel import Kernel, Ran
from fleetlab.course.labs import Lab, answer_of, source
from fleetlab.course.watch import LOOKS, Watch, imports


class Fake:
    """A kernel that runs nothing and passes every check of an answer that returns something."""

    launched: ClassVar[list[Fake]] = []

    def __init__(self, folder: Path, preload: Sequence[str] = ()) -> None:
        self.preload, self.ran, self.alive, self.lost, self.closed = list(preload), [], True, False, False
        self.launched.append(self)

    def run(self, text: str, seconds: float) -> Ran:
        """Note the cell, and judge it if it is a check."""
        self.ran.append(text)
        if not text.startswith("check("):
            return Ran()
        name = text.split("(")[1].split(",")[0].strip('"')
        passed = ANSWERS[name] in self.ran
        verdict = {"exercise": f"07.{name}", "outcome": "passed" if passed else "failed"}
        return Ran([{"output_type": "display_data", "data": {MIME: verdict}}])

    def close(self) -> None:
        """Note the end."""
        self.closed = True


@pytest.fixture
def watching(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Return a watch on the lab without real kernels."""
    monkeypatch.setattr(Fake, "launched", [])
    return Watch([lab], Fake)  # type: ignore[arg-type]


def save(lab: Lab, book: dict[str, Any]) -> None:
    """Save as an editor does, a second after the last time."""
    before = lab.path.stat().st_mtime_ns
    store(lab.path, book)
    os.utime(lab.path, ns=(before + 10**9, before + 10**9))


def checked(watching: Watch) -> list[tuple[str, str]]:
    """Look once, and return what was checked."""
    return [(result.exercise, result.outcome) for lab in watching.saved() for result in watching.check(lab)]


def test_only_what_changed_is_checked_again(watching: Watch, lab: Lab) -> None:
    """At first everything is checked, then the exercise whose answer changed, then nothing."""
    assert checked(watching) == [("07.jam", "failed"), ("07.tea", "failed")]
    assert checked(watching) == []
    save(lab, pantry({**STUBS, "tea": ANSWERS["tea"]}))
    assert checked(watching) == [("07.tea", "passed")]
    save(lab, pantry({**STUBS, "tea": ANSWERS["tea"]}))
    assert checked(watching) == []


def test_a_changed_set_up_changes_everything(watching: Watch, lab: Lab) -> None:
    """A cell that every answer may use has every exercise checked again."""
    checked(watching)
    save(lab, pantry(STUBS, SET_UP + "\nlimit = 3"))
    assert [name for name, _ in checked(watching)] == ["07.jam", "07.tea"]


def test_an_answer_that_others_use_changes_them(watching: Watch, lab: Lab) -> None:
    """An exercise that builds on a changed answer is checked again too."""
    both = {"jam": STUBS["jam"], "tea": "def tea():\n    return jam()"}
    save(lab, pantry(both))
    checked(watching)
    save(lab, pantry({**both, "jam": ANSWERS["jam"]}))
    assert [name for name, _ in checked(watching)] == ["07.jam", "07.tea"]


def test_an_unfinished_answer_does_not_disturb_the_others(watching: Watch, lab: Lab) -> None:
    """A save in the middle of a line checks that exercise alone."""
    checked(watching)
    save(lab, pantry({**STUBS, "jam": "def jam(:"}))
    assert [name for name, _ in checked(watching)] == ["07.jam"]


def test_every_check_has_a_kernel_without_memory(watching: Watch, lab: Lab) -> None:
    """A kernel is used for one save only, the next one is started before it is needed, and none is left over."""
    checked(watching)
    save(lab, pantry(ANSWERS))
    checked(watching)
    watching.close()
    assert [bool(kernel.ran) for kernel in Fake.launched] == [True, True, False]
    assert all(kernel.closed for kernel in Fake.launched)


def test_a_kernel_that_died_in_its_sleep_is_replaced(watching: Watch, lab: Lab) -> None:
    """A laptop that slept does not end the watch."""
    checked(watching)
    Fake.launched[-1].alive = False
    save(lab, pantry(ANSWERS))
    assert checked(watching) == [("07.jam", "passed"), ("07.tea", "passed")]


def test_a_half_written_file_is_read_again(watching: Watch, lab: Lab) -> None:
    """A file that is no notebook at this instant is looked at again at the next."""
    lab.path.write_text('{"cells": [')
    assert checked(watching) == []
    store(lab.path, pantry())
    assert checked(watching) == [("07.jam", "failed"), ("07.tea", "failed")]


def test_a_waiting_kernel_loads_what_the_lab_imports(watching: Watch, lab: Lab) -> None:
    """Modules of libraries are loaded ahead; answers' imports, and files beside the lab, are not."""
    (lab.path.parent / "mine.py").touch()
    set_up = "import mine\nfrom flask import Flask\nfrom fleetlab.exercises import sessions"
    book = notebook(cell(set_up), cell("import secrets", "solution:jam"), cell('check("jam", jam)', "exercise:jam"))
    assert imports(book) == ("mine", "flask", "flask.Flask", "fleetlab.exercises", "fleetlab.exercises.sessions")
    store(lab.path, book)
    checked(watching)
    assert "mine" not in Fake.launched[-1].preload
    assert "fleetlab.exercises.sessions" in Fake.launched[-1].preload


@pytest.fixture
def press(watching: Watch) -> Callable[[str], list[str]]:
    """Return a function that presses keys, then q, and returns what was told."""

    def pressed(typed: str) -> list[str]:
        told: list[str] = []
        waiting = iter([*typed, "q"])
        follow(watching, lambda seconds: next(waiting), told.append)
        return told

    return pressed


def test_keys_list_and_quit(press: Callable[[str], list[str]]) -> None:
    """l lists the latest results, q quits, other keys do nothing."""
    told = press("xl")
    assert told[2].startswith("0 of 2 passed; next is 07.jam.")
    assert told[3].splitlines()[0].startswith("✗ 07.jam: failed")


def test_reset_asks_first(press: Callable[[str], list[str]], lab: Lab) -> None:
    """One r asks, two reset the exercise that is next, and the answer is kept."""
    store(lab.path, pantry({**STUBS, "jam": "def jam():\n    return 'honey'"}))
    told = press("rlrr")
    assert told[3] == told[5] == "Press r again to reset 07.jam; your version will be kept."
    assert told[6].startswith("07.jam is as its authors wrote it; your version is kept as labs/07_pantry.kept-")
    assert [source(one) for one in lab.read()["cells"] if answer_of(one) == "jam"] == [STUBS["jam"]]
    assert len(list(lab.path.parent.glob("*.kept-*"))) == 1
    assert DATED not in told[6]


def test_a_hint_that_is_not_there_is_a_sentence(press: Callable[[str], list[str]]) -> None:
    """h never ends the watch: this course has no module of exercises."""
    assert press("h")[3] == "07_pantry has no module of exercises (fleetlab.exercises.pantry)."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_key_needs_no_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one key press is enough, and the terminal is left as it was."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(theirs)
        with keys.keyboard() as pressed:
            os.write(ours, b"h")
            assert pressed(5) == "h"
            assert pressed(0.01) == ""
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_without_a_terminal_it_just_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard input is no terminal there are no keys, and time passes."""
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with keys.keyboard() as pressed:
            assert pressed(0.001) == ""


def test_from_save_to_verdict(lab: Lab) -> None:
    """With a real kernel that waits, a save is judged; `make bench` measures how soon."""
    watching = Watch([lab], Kernel)
    try:
        checked(watching)
        save(lab, pantry(ANSWERS))
        assert checked(watching) == [("07.jam", "passed"), ("07.tea", "passed")]
    finally:
        watching.close()


def test_a_lab_that_stays_damaged_is_told_once(watching: Watch, lab: Lab) -> None:
    """A file that is half-written is left for later; one that is damaged at several looks is named, once."""
    lab.path.write_text("<<<<<<< HEAD")
    told: list[str] = []
    waiting = iter([*["x"] * (2 * LOOKS), "q"])
    follow(watching, lambda seconds: next(waiting), told.append)
    again = "`fleetlab reset 07_pantry` puts it aside and brings the stub back."
    assert told == [f"labs/07_pantry.ipynb cannot be read (it is not JSON); {again}"]


def test_a_damaged_lab_that_is_mended_is_checked(watching: Watch, lab: Lab) -> None:
    """A file that was half-written at one look is judged at the next, without a word about it."""
    lab.path.write_text("{")
    assert checked(watching) == []
    assert watching.troubles() == []
    save(lab, pantry(ANSWERS))
    assert checked(watching) == [("07.jam", "passed"), ("07.tea", "passed")]
