"""What an instance does to its own process does not befall the notebook; see also `test_instance`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from cells import notebook

from fleetlab import World


def test_a_fork_is_refused():
    """An instance is one process."""
    names = notebook("""
        import os
        def shop(env):
            os.fork()
    """)
    with World() as world, pytest.raises(Exception, match=r"shop-1 tried os\.fork\(\): an instance is one process"):
        world.deploy(names["shop"])


def test_a_signal_without_an_effect_has_none():
    """Signal 0 asks whether a process is there; other signals go to the instance's own handlers."""
    names = notebook("""
        import os, signal
        def shop(env):
            seen = []
            signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
            os.kill(os.getpid(), 0)
            signal.raise_signal(signal.SIGINT)
            env.redis.set("seen", str([int(number) for number in seen]))
            return lambda environ, start_response: []
    """)
    with World() as world:
        world.deploy(names["shop"], instances=1)
        assert world.redis.client().get("seen") == "[2]"


def test_outside_all_is_real():
    """A Python that imports the package still ends, and hears signals, as ever."""
    code = "import fleetlab, os; os._exit(7)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    os.kill(os.getpid(), signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM, signal.SIGTERM]
