"""What a learner does in JupyterLab, by the names of the things on the screen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTEBOOK = ".jp-NotebookPanel:visible"
MILLISECONDS_TO_RUN = 180_000


@dataclass
class Desk:
    """A page of JupyterLab; `link` is what `fleetlab start` printed."""

    page: Any
    link: str
    room: str

    def open(self, path: str) -> None:
        """Open a notebook of the course, and wait for its kernel."""
        start, _, token = self.link.partition("?")
        self.page.goto(f"{start.split('/lab/tree/')[0]}/lab/tree/{path}?{token}")
        self.until_idle()

    def run_all(self) -> None:
        """Restart the kernel, run all cells, and wait for the last of them, or for the first that fails.

        When a kernel restarts, JupyterLab now and then sends a message in a form that its server does not expect, and
        the server drops it: the first cell waits for ever. A learner restarts once more then, and so does this.
        """
        from playwright.sync_api import TimeoutError as TooLate

        self._restart_and_run()
        try:
            self.until_idle(MILLISECONDS_TO_RUN / 2)
        except TooLate:
            self._restart_and_run()
            self.until_idle()

    def _restart_and_run(self) -> None:
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…", exact=True).click()
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self._waiting().first.wait_for(state="attached")

    def until_idle(self, patience: float = MILLISECONDS_TO_RUN) -> None:
        """Wait, for so many milliseconds, until no cell waits for its turn and the kernel rests."""
        self._waiting().first.wait_for(state="detached", timeout=patience)
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=patience)

    def _waiting(self) -> Any:
        return self.page.locator(f"{NOTEBOOK} .jp-InputPrompt", has_text="*")

    def save(self) -> None:
        """Press Ctrl-S, and wait until the notebook is on the disk."""
        self.page.keyboard.press("Control+s")
        self.page.locator(".jp-mod-dirty:visible").wait_for(state="detached")

    def cell(self, text: str) -> Any:
        """Return the first code cell whose source or output holds a text, brought into view."""
        cell = self.page.locator(f"{NOTEBOOK} .jp-CodeCell", has_text=text).first
        cell.scroll_into_view_if_needed()
        return cell

    def rewrite(self, old: str, new: str) -> None:
        """Type another text over the code cell that holds `old`."""
        self.cell(old).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(new)

    def pictures(self) -> int:
        """Scroll through the notebook, and return how many pictures of outputs are drawn."""
        return self.page.evaluate("""async () => {
            const panel = [...document.querySelectorAll('.jp-NotebookPanel')].find(p => p.offsetParent);
            const window = panel.querySelector('.jp-WindowedPanel-outer');
            const drawn = new Set();
            for (let y = 0; y < window.scrollHeight; y += 500) {
                window.scrollTop = y;
                await new Promise(done => setTimeout(done, 50));
                for (const image of panel.querySelectorAll('.jp-OutputArea-output img'))
                    if (image.naturalWidth > 0) drawn.add(image);
            }
            window.scrollTop = 0;
            return drawn.size;
        }""")

    def fields(self) -> int:
        """Return how many fields for a prediction are drawn, with room to type in."""
        fields = self.page.locator(f"{NOTEBOOK} .jp-OutputArea-output .widget-text input").all()
        return sum(field.is_visible() and field.bounding_box()["width"] > 50 for field in fields)

    def shot(self, name: str) -> None:
        """Keep a picture of the screen in the folder that FLEETLAB_PICTURES names, if it names one."""
        folder = os.environ.get("FLEETLAB_PICTURES")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}-{self.room}.png")
