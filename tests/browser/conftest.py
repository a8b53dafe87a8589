"""A copy of the course, served by `fleetlab start`, and a browser that a learner would sit at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --force-color-profile=srgb"
).split()


SETTINGS = {
    "apputils-extension/themes": '{"adaptive-theme": true}',  # dark where the room is dark
    "notebook-extension/tracker": '{"windowingMode": "none"}',  # all cells are in the page, so all can be asked
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what a learner sees, so that nobody's answers are touched."""
    folder = tmp_path_factory.mktemp("course")
    for part in ("notebooks", "labs", "solutions", "lessons"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment with progress, settings and workspaces of its own."""
    home = tmp_path_factory.mktemp("home")
    jupyter = {f"JUPYTER_{part}_DIR": str(home / part.lower()) for part in ("CONFIG", "DATA", "RUNTIME")}
    lab = {f"JUPYTERLAB_{part}_DIR": str(home / part.lower()) for part in ("SETTINGS", "WORKSPACES")}
    for name, setting in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(setting, "utf-8")
    return {**os.environ, **jupyter, **lab, "FLEETLAB_HOME": str(home / "fleetlab"), "JUPYTER_TOKEN": "learner"}


@pytest.fixture(scope="module")
def site(course: Path, surroundings: dict[str, str]) -> Iterator[str]:
    """Serve the course as a learner does, and return the link that `fleetlab start` prints."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    line = [sys.executable, "-m", "fleetlab.course.cli", "start", "9", "--no-browser", "--port", port]
    server = subprocess.Popen(line, cwd=course, env=surroundings, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="module")  # Playwright's event loop runs until then: no longer than the tests that need it
def browser() -> Iterator[Any]:
    """Return Debian's Chromium under Playwright; both are skipped over where they are missing."""
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: apt-get install chromium.")
    playwright = pytest.importorskip("playwright.sync_api", reason="There is no Playwright here: make dev.")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET, chromium_sandbox=False)
        yield chromium
        chromium.close()


@pytest.fixture
def desk(request: pytest.FixtureRequest, browser: Any, site: str) -> Iterator[Desk]:
    """Return a new page, let in by the link; `light` or `dark` is the room it stands in."""
    room = getattr(request, "param", "light")
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme=room)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield Desk(page, site, room)
    context.close()
