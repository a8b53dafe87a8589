"""What an answer changes in Python itself is put back; what the notebook had changed before is left alone."""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from fleetlab.exercises.shield import Shield


def remove_a_function() -> None:
    """Delete a name of a module."""
    del time.time


def add_a_name() -> None:
    """Add a name to a module."""
    json.mine = 1


def add_a_method() -> None:
    """Shadow an inherited method."""
    redis.Redis.get = lambda self, name: None


def replace_a_builtin() -> None:
    """Replace what everything else needs."""
    import builtins

    builtins.len = builtins.list = builtins.isinstance = None


def leave() -> None:
    """Go to another folder."""
    os.chdir("/")


def go_deep() -> None:
    """Allow deep recursion."""
    sys.setrecursionlimit(5000)


def collect_nothing() -> None:
    """Switch the collector off."""
    gc.disable()


def keep_the_streams() -> None:
    """Replace both streams."""
    sys.stdout = sys.stderr = None


def trace() -> None:
    """Trace every call."""
    sys.settrace(lambda frame, event, argument: None)


def extend_the_path() -> None:
    """Import from elsewhere."""
    sys.path.insert(0, "/nowhere")


def fail() -> None:
    """Raise what is no Exception."""
    raise SystemExit


def state() -> tuple[object, ...]:
    """Return everything that the functions above change."""
    namespaces = [dict(vars(one)) for one in (time, json, redis.Redis, sys.modules["builtins"])]
    streams = (sys.stdout, sys.stderr, sys.gettrace(), list(sys.path))
    return (*namespaces, *streams, Path.cwd(), sys.getrecursionlimit(), gc.isenabled())


@pytest.mark.parametrize(
    "harm",
    [
        remove_a_function,
        add_a_name,
        add_a_method,
        replace_a_builtin,
        leave,
        go_deep,
        collect_nothing,
        keep_the_streams,
        trace,
        extend_the_path,
        fail,
    ],
)
def test_harm_is_undone(harm: Callable[[], None]) -> None:
    """Whatever a run has done, the next one starts as the first one did."""
    before = state()
    with Shield() as shield:
        for _ in range(2):
            try:
                with shield.restored():
                    harm()
            except SystemExit:
                pass
            assert state() == before


def test_what_was_changed_before_stays() -> None:
    """A patch of the learner's own, made in a cell before the check, is none of our business."""
    mine = lambda self, name: "mine"  # noqa: E731
    redis.Redis.get = mine
    try:
        with Shield() as shield, shield.restored():
            assert redis.Redis.get is mine
        assert redis.Redis.get is mine
    finally:
        del redis.Redis.get


def test_submodule_that_is_imported_meanwhile_stays() -> None:
    """A lazy import binds a name in its package for good: taking it away would break the next import."""
    sys.modules.pop("json.tool", None)
    vars(json).pop("tool", None)
    with Shield() as shield:
        with shield.restored():
            importlib.import_module("json.tool")
        assert json.tool is sys.modules["json.tool"]
        with shield.restored():
            json.mine = 1
        assert not hasattr(json, "mine")


def test_prints_and_warnings_go_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """A thousand runs would print and warn a thousand times."""
    with Shield() as shield, shield.restored():
        print("out")
        print("err", file=sys.stderr)
        warnings.warn("mind", stacklevel=1)
    assert capfd.readouterr() == ("", "")


ALEMBIC_AFTER_US = """
from fleetlab.exercises.shield import Shield
from fleetlab import World
from alembic import context
with Shield() as shield:
    with shield.restored():
        World(seed=1).database.engine()
    print(type(context._proxy).__name__)
"""


def test_alembic_stays_one_a_process() -> None:
    """What gives each process its own Alembic is no patch of the answer's, also where Alembic came later than we."""
    ran = subprocess.run([sys.executable, "-c", ALEMBIC_AFTER_US], capture_output=True, text=True, check=True)
    assert ran.stdout == "_Proxy\n"
