"""How the cases measure: the best of several rounds, in processor time, and bare calls in a process of their own."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable


class NotHere(Exception):
    """A case that this machine lacks something for; the text says what."""


def best(f: Callable[[], object], rounds: int = 5) -> float:
    """Return the least processor seconds that `f` takes in several rounds: the round that was disturbed least."""
    times = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        f()
        times.append(time.process_time() - began)
    return min(times)


def bare(code: str) -> float:
    """Return what a snippet prints, run in a process that never imports fleetlab: real clocks, real locks."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


RAM_ENGINE = """
import sqlalchemy as sa, tempfile, os
path = os.path.join(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None), "x.db")
engine = sa.create_engine(f"sqlite:///{path}")
with engine.begin() as c:
    c.execute(sa.text("PRAGMA journal_mode=WAL")); c.execute(sa.text("PRAGMA synchronous=off"))
"""

BEST = """
import gc, time
def best(f, rounds=5):
    times = []
    for _ in range(rounds):
        gc.collect(); began = time.process_time(); f(); times.append(time.process_time() - began)
    return min(times)
"""
