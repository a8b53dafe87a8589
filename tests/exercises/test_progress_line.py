"""The progress line is there for people who wait, and leaves nothing behind."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from fleetlab.exercises import progress
from fleetlab.exercises.progress import Progress

HERE = str(Path(__file__).parent)
SLOW = f"""
import sys; sys.path.insert(0, {HERE!r})
from toys import counter, racy, right, shop, count
from fleetlab.exercises import progress
progress.DELAY = progress._PAUSE = 0.0  # as if every check took long
print("before")
"""


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def test_short_check_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within half a second there is no line."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("Every visit is counted") as line:
        for _ in range(1000):
            line.step()
    assert sys.stderr.getvalue() == ""


def test_line_in_a_terminal_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long check writes one line over and over, and wipes it at the end."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    with Progress("Counted") as line:
        line.step()
        line.step()
    text = "Counted: 2 schedules so far …"
    assert sys.stderr.getvalue() == f"\rCounted: 1 schedule so far …\r{text}\r{' ' * len(text)}\r"


def test_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks, nothing is written, however long it takes."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with Progress("Counted") as line:
        line.step()
    assert sys.stderr.getvalue() == ""


def cells(*sources: str) -> Any:
    """Return a notebook with these cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_nbclient_stores_the_verdict_and_no_progress() -> None:
    """A notebook run by a program holds what was printed before, and the verdict, however slow the machine."""
    made = cells(SLOW, 'print("mine")\ncounter().check(right)', "counter().check(racy)")
    NotebookClient(made, timeout=60, kernel_name="python3", allow_errors=True).execute()
    passed, failed = made.cells[1].outputs, made.cells[2].outputs
    assert [output.output_type for output in passed] == ["stream", "display_data"]
    assert passed[1].data["text/plain"].startswith("01.counter: passed\n")
    assert [output.output_type for output in failed] == ["display_data", "error"]
    assert failed[1].traceback == ["CheckFailed: 01.counter: failed [S01-LOST-VISIT]"]
    assert "schedules so far" not in str(made)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """Return a kernel with somebody in front of it."""
    manager, client = start_new_kernel(kernel_name="python3")
    client.execute_interactive(SLOW, timeout=60, allow_stdin=False, output_hook=lambda message: None)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs(client: Any, source: str) -> list[dict[str, Any]]:
    """Run a cell as JupyterLab does, and return the messages about outputs."""
    wanted = client.execute(source, allow_stdin=True)
    found = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=60)
        except Empty:
            raise AssertionError("The kernel said nothing for a minute.") from None
        if message["parent_header"].get("msg_id") == wanted:
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return found
            if message["msg_type"] in ("stream", "display_data", "update_display_data", "clear_output", "error"):
                found.append(message)


def stored(messages: list[dict[str, Any]]) -> list[Any]:
    """Return what a notebook would store: displays with their updates in place."""
    cells: list[Any] = []
    places: dict[str, int] = {}
    for message in messages:
        content, kind = message["content"], message["msg_type"]
        place = content.get("transient", {}).get("display_id")
        if kind == "update_display_data":
            cells[places[place]] = content["data"]
        elif kind == "clear_output":
            raise AssertionError("clear_output wipes what the learner has printed")
        else:
            if place:
                places[place] = len(cells)
            cells.append(content["data"] if kind == "display_data" else content.get("text", content.get("traceback")))
    return cells


def test_in_a_notebook_the_verdict_takes_the_place_of_the_line(kernel: Any) -> None:
    """What is stored is the print before it and the verdict: the same as where nobody watched."""
    messages = outputs(kernel, 'print("mine")\ncounter().check(right)')
    kinds = [message["msg_type"] for message in messages]
    assert kinds[:2] == ["stream", "display_data"]
    assert kinds.count("update_display_data") > 1
    assert "so far" in messages[1]["content"]["data"]["text/plain"]
    printed, verdict = stored(messages)
    assert printed == "mine\n"
    assert verdict["text/plain"].startswith("01.counter: passed\n")


def test_in_a_notebook_a_failure_takes_the_place_of_the_line(kernel: Any) -> None:
    """The picture is displayed before the error, which is one line."""
    verdict, error = stored(outputs(kernel, "counter().check(racy)"))
    assert "<img " in verdict["text/html"]
    assert error == ["CheckFailed: 01.counter: failed [S01-LOST-VISIT]"]


def test_answers_without_a_search_show_their_verdict(kernel: Any) -> None:
    """Where there was no progress, the verdict is displayed on its own."""
    verdict, error = stored(outputs(kernel, "counter().check(None)"))
    assert verdict["text/plain"] == "01.counter: not attempted\nThere is no answer yet: fill in the cell above."
    assert error == ["CheckFailed: 01.counter: not attempted"]


def test_interrupt_in_a_notebook_is_one_line(kernel: Any) -> None:
    """Ctrl-C leaves one line where the progress was, and an error without a stack."""
    code = "import _thread, threading\nthreading.Timer(0.5, _thread.interrupt_main).start()\n"
    line, error = stored(outputs(kernel, code + "counter(preemptions=3, kills=2, deviations=5).check(right)"))
    assert line == {"text/plain": "Every visit is counted: stopped."}
    assert len(error) == 1
    assert error[0].startswith("CheckStopped: Stopped after ")
    passed = stored(outputs(kernel, "counter().check(right)"))[0]
    assert passed["text/plain"].startswith("01.counter: passed\n")
