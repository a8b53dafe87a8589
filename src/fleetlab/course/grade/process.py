"""Runs one lab's worker: a home of its own, a deadline, a limit of memory and processes, and an end for all of them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

MOST_PROCESSES = 100
SECONDS_AROUND = 90.0
"""Real seconds beside a lab's own: a worker and a kernel start, the controls run, on a machine with much to do."""

_LOOK = 0.2
_MARK = "FLEETLAB_GRADE"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR")


class Ended(Exception):
    """A lab that was ended before it had results; the text is the sentence that says why."""


class Greedy(Ended):
    """A lab that took what others need: processes or memory."""


def run(job: Mapping[str, Any], stop: threading.Event) -> list[dict[str, Any]]:
    """Return the results of a job, graded in processes that are gone afterwards. Raises Ended, also on `stop`."""
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="fleetlab-grade-", ignore_cleanup_errors=True) as home:
        mark = Path(home).name
        with _started(home, mark) as worker:
            return _listen(worker, {**job, "token": token}, stop)


def environment(home: str, mark: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what a lab sees of ours: where programs are, and a home of its own; no password, no progress."""
    passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
    own = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP"), home)
    own |= {"FLEETLAB_HOME": str(Path(home) / "fleetlab"), "PYTHONDONTWRITEBYTECODE": "1", _MARK: mark}
    own["OPENBLAS_NUM_THREADS"] = "1"  # it takes a thread for each core, and where there is none, it sends SIGINT
    return passed_on | own


@contextlib.contextmanager
def _started(home: str, mark: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a worker in a process group of its own; end it, and whatever it started, in any case."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "fleetlab.course.grade.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=home,
        env=environment(home, mark),
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        end(worker.pid, mark)
        worker.kill()
        with contextlib.suppress(OSError):
            worker.communicate()


def _listen(worker: subprocess.Popen[str], job: Mapping[str, Any], stop: threading.Event) -> list[dict[str, Any]]:
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_talk, args=(worker, json.dumps(job), answers), daemon=True).start()
    most = 2 * job["seconds"] + SECONDS_AROUND  # as long again for the controls
    deadline = monotonic() + most
    while monotonic() < deadline and not stop.is_set():
        try:
            return _read(answers.get(timeout=_LOOK), job["token"])
        except queue.Empty:
            _look(worker.pid, job["memory"])
    raise Ended("Grading was stopped." if stop.is_set() else f"The lab did not end within {most:g} s.")


def _talk(worker: subprocess.Popen[str], job: str, answers: queue.SimpleQueue[str]) -> None:
    """Hand over the job and wait for the one line of an answer; an empty one if the worker dies."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(job + "\n")
        worker.stdin.flush()
        answers.put(worker.stdout.readline())
    except (OSError, ValueError):
        answers.put("")


def _read(line: str, token: str) -> list[dict[str, Any]]:
    try:
        answer = json.loads(line)
        genuine = secrets.compare_digest(str(answer["token"]), token)
    except (ValueError, KeyError, TypeError):
        raise Ended("The process that graded it died: something in the notebook ended it.") from None
    if not genuine:
        raise Ended("Something in the notebook answered in the place of the process that grades it.")
    if "mistake" in answer:
        raise Ended(answer["mistake"])
    found: list[dict[str, Any]] = answer["results"]
    return found


def _look(pid: int, megabytes: int) -> None:
    """Raise Greedy if a lab's processes take too much together, or are too many."""
    found = below(pid)
    if len(found) > MOST_PROCESSES:
        raise Greedy(f"The notebook started more than {MOST_PROCESSES} processes.")
    if sum(map(_memory, found)) > megabytes * 1_000_000:
        raise Greedy(f"The notebook took more than {megabytes} MB of memory.")


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def below(pid: int) -> list[psutil.Process]:
    """Return the living descendants of a process."""
    with contextlib.suppress(psutil.Error):
        return [one for one in psutil.Process(pid).children(recursive=True) if _alive(one)]
    return []


def family(pid: int, mark: str) -> set[psutil.Process]:
    """Return the living descendants of a worker, and those that left it but still carry its mark."""
    marked = (one for one in psutil.process_iter() if one.pid != pid and _marked(one, mark) and _alive(one))
    return {*below(pid), *marked}


def _marked(process: psutil.Process, mark: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return bool(process.environ().get(_MARK) == mark)
    return False


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def end(pid: int, mark: str) -> None:
    """End what a worker has started: stop all first, so that none starts another meanwhile."""
    for _ in range(20):
        found = family(pid, mark)
        if not found:
            return
        for act in ("suspend", "kill"):
            for one in found:
                with contextlib.suppress(psutil.Error, OSError):
                    getattr(one, act)()
        psutil.wait_procs(found, timeout=1)
