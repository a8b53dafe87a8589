"""The same scenario gives the same text: in every run, with every hash seed, in every process, on every Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import everything
import pytest

SCENARIO = Path(everything.__file__)
SOURCES = SCENARIO.parents[2] / "src"


def others() -> list[str]:
    """Return the other Pythons at hand: those on the path, and those that FLEETLAB_PYTHONS lists as PATH does."""
    named = os.environ.get("FLEETLAB_PYTHONS", "").split(os.pathsep)
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 16) if minor != sys.version_info.minor]
    return [python for python in (*named, *found) if python and usable(python)]


def usable(python: str) -> bool:
    """Tell whether a Python has what the simulation needs."""
    asked = [python, "-c", "import greenlet, time_machine"]
    return subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 0


def printed(hash_seed: int, python: str = sys.executable) -> str:
    """Return what the scenario prints in a process of its own: 20 runs of a seed, which must agree, and another."""
    variables = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(SOURCES)}
    result = subprocess.run(
        [python, str(SCENARIO)], capture_output=True, text=True, env=variables, timeout=120, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(scope="module")
def expected() -> str:
    """Return the text of the scenario in this process."""
    return f"{everything.text(5)}\n{everything.text(6)}\n"


@pytest.mark.parametrize("hash_seed", [0, 1, 42, 4711])
def test_one_text_in_every_process(hash_seed: int, expected: str) -> None:
    """Neither the hash seed nor what ran before in the process makes a difference."""
    assert printed(hash_seed) == expected


def test_one_text_on_every_python(expected: str) -> None:
    """Every other Python at hand prints the same text."""
    pythons = others()
    if not pythons:
        pytest.skip("there is no other Python with the project's dependencies; FLEETLAB_PYTHONS may name some")
    assert [printed(7, python) for python in pythons] == [expected] * len(pythons)


def test_another_seed_gives_another_text() -> None:
    """The seed matters."""
    assert everything.text(5) != everything.text(6)


def test_the_scenario_exercises_what_it_should(expected: str) -> None:
    """It contains deaths, contention, threads, randomness and time."""
    assert all(
        word in expected for word in ("GET cart:ada", "SET cart:", "ThreadPoolExecutor-0_0", "Thread-3 1 ", "sleep")
    )
    assert len(expected.splitlines()) > 100
