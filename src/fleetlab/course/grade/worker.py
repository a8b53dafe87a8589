"""The process that grades one lab: reads a job from standard input, limits and fences itself, answers with one line.

The answer carries the job's token, which stands in no file and in no process's environment: another process that
writes into our standard output has none. Afterwards we wait to be ended, so that processes that a notebook left behind
are still our descendants when they are looked for.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

from ..labs import Lab
from ..mistake import Mistake
from .fence import put_up
from .strict import LimitedKernel, StrictJudge

_SUBREAPER, _DUMPABLE = 36, 4  # <linux/prctl.h>
LARGEST_FILE = 100_000_000
PROCESSES = 256
RESERVED = 2_000_000_000
"""Bytes of addresses that libraries and threads reserve and never use."""


def main() -> None:
    """Grade the lab of one job."""
    job = json.loads(sys.stdin.readline())
    limit(job["memory"])
    put_up(Path.cwd())
    print(json.dumps({"token": job["token"], **graded(job)}), flush=True)
    sys.stdin.read()  # until whoever started us ends us, or is gone


def graded(job: dict[str, Any]) -> dict[str, Any]:
    """Return the results of a job, or the sentence that says why there are none."""
    lab = Lab(Path(job["course"]), job["lab"])
    judge = StrictJudge(lab, job["notebook"], seconds=job["seconds"] / 4)
    try:
        with LimitedKernel(Path.cwd(), job["seconds"]) as kernel:
            return {"results": [found.data() for found in judge.confirmed(kernel, job["controls"])]}
    except Mistake as mistake:
        return {"mistake": str(mistake)}


def limit(megabytes: int) -> None:
    """Set what this process and those that it starts may take, as far as the system can limit it."""
    if sys.platform == "linux":
        process = ctypes.CDLL(None)
        process.prctl(_SUBREAPER, 1, 0, 0, 0)  # a notebook's orphans become our children
        process.prctl(_DUMPABLE, 0, 0, 0, 0)  # no process of the same user reads our memory, or our pipes
    if sys.platform == "win32":
        return
    import resource

    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _set(resource.RLIMIT_AS, megabytes * 1_000_000 + RESERVED)
    if os.geteuid() != 0:  # the count is the user's, and root has none
        import psutil

        own = [one.info["num_threads"] or 0 for one in psutil.process_iter(["uids", "num_threads"]) if _ours(one)]
        _set(resource.RLIMIT_NPROC, sum(own) + PROCESSES)


def _ours(process: Any) -> bool:
    return bool(process.info["uids"]) and process.info["uids"].real == os.getuid()


def _set(what: int, most: int) -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):  # already limited further, or not limited on this system
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
