"""A clean notebook kernel that runs cells one by one, each within its time.

It speaks to the kernel directly: the libraries around it take seconds to load, and end at the first cell that hangs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Self

from .mistake import Mistake

SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 5.0
Output = dict[str, Any]
_FILE = re.compile(r"\(\d+\.py, line (\d+)\)")  # a cell's file is a number that means nothing to anybody


@dataclass(slots=True)
class Ran:
    """What one cell came to: outputs as a notebook stores them, real seconds, and how it ended if not well."""

    outputs: list[Output] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    timed_out: bool = False
    clear_next: bool = False

    @property
    def failed(self) -> bool:
        """Say whether the cell ended in an error, or not at all."""
        return bool(self.error) or self.timed_out

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take in one message of the kernel."""
        if kind == "clear_output":
            self.clear_next = bool(content.get("wait"))
            if not self.clear_next:
                self.outputs.clear()
            return
        if kind == "update_display_data":
            self._update(content)
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if self.clear_next:
            self.outputs.clear()
            self.clear_next = False
        self.outputs.append({"output_type": kind, **content})
        if kind == "error":
            text = f"{content.get('ename', '')}: {content.get('evalue', '')}".split("\n")[0].rstrip(": ")
            self.error = _FILE.sub(r"(line \1)", text)

    def _update(self, content: dict[str, Any]) -> None:
        """Replace what a display with a name shows: a progress line that becomes a verdict, say."""
        name = content.get("transient", {}).get("display_id")
        for output in self.outputs:
            if name is not None and output.get("transient", {}).get("display_id") == name:
                output["data"] = content.get("data", {})


class Kernel:
    """One kernel in one folder: launched at once, waited for when it is first needed.

    `preload` are modules that it imports while it starts. `lost` says that it died or does not stop.
    """

    ran: type[Ran] = Ran
    """What notes a cell's outputs."""

    def __init__(self, folder: Path, preload: Sequence[str] = ()) -> None:
        from jupyter_client.manager import KernelManager

        self.lost = False
        self._manager = KernelManager(kernel_name="python3")
        self._client: Any = None
        # A kernel started from a notebook's terminal must not take that notebook for its own.
        environment = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
        try:
            self._manager.start_kernel(
                cwd=str(folder),
                env=environment,
                extra_arguments=_arguments(preload),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except Exception as error:  # no kernel specification, no interpreter, no port: one sentence each
            raise Mistake(f"No kernel starts here ({_brief(error)}); `fleetlab doctor` says more.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Say whether the kernel's process still runs."""
        return not self.lost and bool(self._manager.is_alive())

    def ready(self) -> None:
        """Wait until the kernel answers. Raises Mistake if it does not come up."""
        if self._client is not None:
            return
        client = self._manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=SECONDS_TO_START)
        except RuntimeError as error:
            client.stop_channels()
            self.close()
            raise Mistake(f"The kernel does not answer ({_brief(error)}); `fleetlab doctor` says more.") from None
        self._client = client

    def run(self, source: str, seconds: float) -> Ran:
        """Run one cell, for at most so many real seconds; an endless one is interrupted, and the kernel goes on."""
        self.ready()
        ran, began = self.ran(), perf_counter()
        request = self._client.execute(source, allow_stdin=False)
        if not self._follow(request, ran, seconds) and not self.lost:
            ran.timed_out = True
            self._manager.interrupt_kernel()
            self.lost = not self._follow(request, ran, SECONDS_TO_STOP)
        if self.lost and not ran.timed_out:
            ran.error = "the kernel's death"
        ran.seconds = perf_counter() - began
        return ran

    def _follow(self, request: str, ran: Ran, seconds: float) -> bool:
        """Take in what the kernel says until the cell has ended; False if time runs out or the kernel dies."""
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            try:
                message = self._client.get_iopub_msg(timeout=min(0.5, max(0.01, deadline - monotonic())))
            except Empty:
                if not self._manager.is_alive():
                    self.lost = True
                    return False
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return True
            ran.add(kind, content)
        return False

    def close(self) -> None:
        """End the kernel at once."""
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()


def _arguments(preload: Sequence[str]) -> list[str]:
    """Return the kernel's command line: no history file, and imports that leave no name behind."""
    arguments = ["--HistoryManager.hist_file=:memory:"]
    if preload:
        modules = ", ".join(repr(name) for name in preload)
        loop = (
            f"import importlib\nfor name in [{modules}]:\n try: importlib.import_module(name)\n except Exception: pass"
        )
        arguments.append(f"--IPKernelApp.exec_lines=[{f'exec({loop!r}, {{}})'!r}]")
    return arguments


def _brief(error: BaseException) -> str:
    return str(error).split("\n")[0].rstrip(".") or type(error).__name__
