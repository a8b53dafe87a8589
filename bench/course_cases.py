"""Figures of the course: a check beside its notebook, a save and its verdict, ten learners at once, `make` as a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fleetlab.course.labs import Lab, answer_of, source
from fleetlab.course.watch import Watch
from measure import NotHere

ROOT = Path(__file__).parents[1]
LAB = "09_sessions"
sys.path.insert(0, str(ROOT / "tests" / "hub"))
Case = Callable[[], tuple[float, str]]


def wall(command: Sequence[str], rounds: int = 3) -> float:
    """Return the least real seconds that a command takes: most of them pass in processes that it starts."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def check() -> tuple[float, str]:
    """A lab's check in a clean kernel against running its notebook."""
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        book = shutil.copy(ROOT / "solutions" / f"{LAB}.ipynb", folder)
        executed = wall([str(programs / "jupyter"), "execute", str(book)])
    checked = wall([str(programs / "fleetlab"), "check", LAB, "--solutions"])
    return checked / executed, f"x jupyter execute ({checked:.1f} s)"


def watch() -> tuple[float, str]:
    """From a save to the verdict on the one exercise that has changed, with a kernel that is warm."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), LAB)
        for shelf in ("labs", "notebooks", "lessons"):
            shutil.copytree(ROOT / shelf, lab.course / shelf)
        shutil.copy(ROOT / "solutions" / lab.path.name, lab.path)
        watching = Watch([lab])
        try:
            list(watching.check(lab))
            time.sleep(5)  # the learner types, and the kernel gets warm
            return saved(lab, watching), "s"
        finally:
            watching.close()


def saved(lab: Lab, watching: Watch) -> float:
    """Change an answer, save, and return the real seconds until its verdict is known."""
    notebook = lab.read()
    cell = next(cell for cell in notebook["cells"] if answer_of(cell) == "shared_cart")
    cell["source"] = source(cell) + "\n# saved again"
    began = time.perf_counter()
    lab.write(notebook)
    verdicts = list(watching.check(lab))
    assert [(one.exercise, one.outcome) for one in verdicts] == [("09.shared_cart", "passed")]
    return time.perf_counter() - began


@cache
def ten() -> list[Any]:
    """Return ten learners who have run the lab's solution at once, each in a server of their own on one hub."""
    from room import NoHub, workshop

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return workshop(Path(folder))
        except NoHub as missing:
            raise NotHere(str(missing)) from None


def passed() -> tuple[float, str]:
    """How many of ten learners pass every exercise."""
    exercises = {Lab(ROOT, LAB).key(name) for name in Lab(ROOT, LAB).exercises()}
    wanted = dict.fromkeys(exercises, "passed")
    return sum(learner.verdicts == wanted for learner in ten()), f"of {len(ten())}"


def memory() -> tuple[float, str]:
    """What server and kernel of one learner hold at the end."""
    most = max(ten(), key=lambda learner: learner.rss)
    return most.rss, f"MB ({most.kernel:.0f} the kernel; {most.pss:.0f} unshared)"


def slowest() -> tuple[float, str]:
    """The slowest check of all, on so many cores."""
    seconds = max(second for learner in ten() for second in learner.seconds.values())
    return seconds, f"s ({os.cpu_count()} cores)"


def start() -> tuple[float, str]:
    """From a fresh copy to a JupyterLab that answers: `make start` with nothing installed yet."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        subprocess.run(["git", "checkout-index", "--all", f"--prefix={folder}/"], cwd=ROOT, check=True)
        began = time.perf_counter()
        subprocess.run(["make", "--silent", "setup"], cwd=folder, check=True, capture_output=True)
        command = [f"{folder}/.venv/bin/fleetlab", "start", "--no-browser"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("http"), "JupyterLab did not start."
            return (time.perf_counter() - began) / 60, "min"
        finally:
            server.terminate()
            server.wait()


def suite() -> tuple[float, str]:
    """All that `make test` does, in two processes."""
    return wall(["make", "test"], rounds=1) / 60, f"min ({os.cpu_count()} cores)"


CASES: list[tuple[str, str, Case]] = [
    ("a lab's check against its notebook", "<=2", check),
    ("watch: from save to verdict", "<=3", watch),
    ("hub: ten learners at once, passed", ">=10", passed),
    ("hub: memory a learner", "<=400", memory),
    ("hub: the slowest check of ten learners", "<=30", slowest),
    ("make start on a fresh machine", "<=2", start),
    ("make test in all", "<=10", suite),
]
