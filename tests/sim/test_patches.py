"""The dispatchers are installed once, and found where originals were bound before."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from fleetlab.sim import Simulation, patches

BOUND_BEFORE = """
from time import sleep, monotonic
from threading import Lock, local, get_ident
from random import random
import queue, threading
import fleetlab.sim
from fleetlab.sim import Simulation
from fleetlab.sim.patches import adopt

lock, mine = Lock(), local()

def work():
    with lock:
        sleep(5)
    mine.value = random()
    return monotonic(), hasattr(mine, "value"), get_ident() == threading.get_ident()

adopt(work)
sim = Simulation()
tasks = [sim.spawn(work) for _ in range(2)]
sim.run()
print(sorted(task.value()[0] for task in tasks), tasks[0].value()[1:], queue.time.__module__)
"""


def test_originals_bound_before_the_import_are_found() -> None:
    """`from time import sleep` above `import fleetlab` sleeps in virtual time all the same, in cells and in modules."""
    result = subprocess.run([sys.executable, "-c", BOUND_BEFORE], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("[5.0, 10.0] (True, True) fleetlab.sim.clocks\n", "")


def test_a_second_installation_changes_nothing() -> None:
    """install() may be called again."""
    before = (time.sleep, threading.Lock, len(patches.REPLACED))
    patches.install()
    assert (time.sleep, threading.Lock, len(patches.REPLACED)) == before


@pytest.mark.parametrize("value", [7, None, "text", print, [1], time.sleep])
def test_what_is_no_original_is_left_alone(value: Any) -> None:
    """Anything else among a learner's globals stays what it is."""
    assert patches.adopted(value) is value


def test_a_held_lock_is_not_replaced() -> None:
    """A plain lock that somebody holds at the moment keeps its identity."""
    lock = patches.locks._real_lock()
    with lock:
        assert patches.adopted(lock) is lock


def test_names_used_in_nested_functions_are_found() -> None:
    """Globals of inner functions and comprehensions count as used."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def outer():\n  def inner():\n    return [deep for _ in range(2)]\n  return inner, shallow", space)
    assert {"deep", "shallow"} <= patches.global_names(space["outer"].__code__)


@pytest.mark.parametrize("thing", [None, 7, print, len, Simulation])
def test_only_functions_are_looked_into(thing: Any) -> None:
    """Handing over anything else does nothing."""
    assert patches.adopt(thing) is None
