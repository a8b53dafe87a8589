"""A workshop on a real JupyterHub: users who log in, start their servers, and run a lab at the same moment.

Everything listens on 127.0.0.1, on ports that were free a moment ago, and lives in one folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import httpx
import psutil
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from fleetlab.course.jupyter import free_port

ROOT = Path(__file__).resolve().parents[2]
BRANCH = "main"
PROXY = "configurable-http-proxy"
PATIENCE = 240.0
"""Real seconds that ten servers may take to start on a machine with much else to do."""

MIME = "application/vnd.fleetlab.check+json"

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.Authenticator.allowed_users = {users!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = {arguments!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = {patience}
c.JupyterHub.concurrent_spawn_limit = {count}
c.JupyterHub.log_level = "WARN"
"""


class NoHub(Exception):
    """A hub cannot be had on this machine; the text is the sentence that says what is missing."""


def proxy() -> str:
    """Return the hub's proxy: that of build/, which .ci/run installs, or one in the PATH. Raises NoHub."""
    here = ROOT / "build" / "hub" / "node_modules" / ".bin"
    found = shutil.which(PROXY, path=os.pathsep.join([str(here), os.environ.get("PATH", "")]))
    if os.name == "nt":
        raise NoHub("JupyterHub does not run on Windows.")
    if found is None or shutil.which("node") is None:
        raise NoHub(f"{PROXY} is missing: `npm install --no-save --prefix build/hub {PROXY}` brings it.")
    missing = [name for name in ("jupyterhub", "nbgitpuller") if importlib.util.find_spec(name) is None]
    if missing:
        raise NoHub(f"{' and '.join(missing)} are missing: `make dev` brings them.")
    return found


@dataclass(slots=True)
class Learner:
    """One user: what the checks came to, how long each took in seconds, and what the user's processes hold in MB.

    `rss` counts what processes share for each of them, `pss` once among all; `kernel` is the notebook's part of `rss`.
    """

    name: str
    verdicts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    rss: float = 0.0
    pss: float = 0.0
    kernel: float = 0.0
    progress: dict[str, bool] = field(default_factory=dict)


class Room:
    """A running hub and its users."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = list(names)
        self.port = free_port(0)
        self.address = f"http://127.0.0.1:{self.port}"
        self._password = secrets.token_hex(16)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Start the hub, and stop it with all of its users' servers."""
        self._publish()
        log = (self.folder / "hub.log").open("wb")
        hub = subprocess.Popen(self._command(), cwd=self.folder, env=self._environment(), stdout=log, stderr=log)
        try:
            yield
        finally:
            _end(hub)
            log.close()

    def home(self, name: str) -> Path:
        """Return a user's home folder."""
        return self.folder / "homes" / name

    @property
    def repository(self) -> str:
        """The git repository that learners get the course from."""
        return str(self.folder / "break-the-fleet")

    def _publish(self) -> None:
        """Commit the course's notebooks to a repository of our own: what lies in the working copy is a learner's."""
        course = Path(self.repository)
        for shelf in ("labs", "notebooks", "solutions"):
            shutil.copytree(ROOT / shelf, course / shelf, ignore=shutil.ignore_patterns("*.kept-*", ".*"))
        shutil.copy(ROOT / "pyproject.toml", course)
        git = ["git", "-C", self.repository, "-c", "user.name=Teacher", "-c", "user.email=teacher@example.org"]
        for step in (["init", "-q", "-b", BRANCH], ["add", "."], ["commit", "-q", "-m", "The course"]):
            subprocess.run([*git, *step], check=True, capture_output=True)

    def _command(self) -> list[str]:
        config = self.folder / "jupyterhub_config.py"
        root = ["--allow-root"] if os.geteuid() == 0 else []
        config.write_text(
            CONFIG.format(
                port=self.port,
                hub=free_port(0),
                api=free_port(0),
                proxy=proxy(),
                password=self._password,
                users=set(self.names),
                homes=str(self.folder / "homes" / "{username}"),
                python=sys.executable,
                arguments=root,
                patience=PATIENCE,
                count=len(self.names),
            ),
            "utf-8",
        )
        return [sys.executable, "-m", "jupyterhub", "-f", str(config)]

    def _environment(self) -> dict[str, str]:
        """Return our environment without what would lead the hub or its users elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "FLEETLAB"))}
        return {**kept, "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32)}

    def run(self, cells: Sequence[dict[str, Any]]) -> list[Learner]:
        """Let every user run these cells in a kernel of their own, all at once; return what came of it."""
        with ThreadPoolExecutor(1) as alone:  # whatever loop runs in this thread, Playwright's say, is not ours
            return alone.submit(asyncio.run, self._run(cells)).result()

    async def _run(self, cells: Sequence[dict[str, Any]]) -> list[Learner]:
        seats = [Seat(self, name) for name in self.names]
        try:
            await asyncio.gather(*(seat.sit_down(self._password) for seat in seats))
            return list(await asyncio.gather(*(seat.work(cells) for seat in seats)))  # everybody is ready: go
        finally:
            await asyncio.gather(*(seat.leave() for seat in seats))


class Seat:
    """One user in front of a browser: cookies, a server, a kernel."""

    def __init__(self, room: Room, name: str) -> None:
        self.room = room
        self.learner = Learner(name)
        self.client = httpx.AsyncClient(base_url=room.address, follow_redirects=True, timeout=PATIENCE)
        self._token = ""
        self._kernel: Any = None

    async def sit_down(self, password: str) -> None:
        """Log in through the page, start the server, and open a kernel in the labs' folder."""
        name = self.learner.name
        await _until(self._answers)
        await self.client.get("/hub/login")
        form = {"username": name, "password": password, "_xsrf": self._cross_site()}
        (await self.client.post("/hub/login", params={"next": "/hub/home"}, data=form)).raise_for_status()
        await self.client.get("/hub/home")
        headers = {"X-XSRFToken": self._cross_site()}
        got = await self.client.post(f"/hub/api/users/{name}/tokens", headers=headers, json={"note": "workshop"})
        got.raise_for_status()
        self._token = got.json()["token"]
        self.client.headers["Authorization"] = f"token {self._token}"
        self.client.cookies.clear()
        (await self.client.post(f"/hub/api/users/{name}/server")).raise_for_status()
        await _until(self._ready)
        await self._pull()
        where = {"name": "python3", "path": "break-the-fleet/labs"}
        made = await self.client.post(f"/user/{name}/api/kernels", json=where)
        made.raise_for_status()
        address = f"ws://127.0.0.1:{self.room.port}/user/{name}/api/kernels/{made.json()['id']}/channels"
        headers = {"Authorization": f"token {self._token}"}
        request = HTTPRequest(address, headers=headers, connect_timeout=PATIENCE, request_timeout=PATIENCE)
        self._kernel = await websocket_connect(request)
        await self._execute("import fleetlab")

    def _cross_site(self) -> str:
        """Return the token against cross-site requests that the hub has set as a cookie."""
        return next(cookie.value or "" for cookie in self.client.cookies.jar if cookie.name == "_xsrf")

    async def _answers(self) -> bool:
        try:
            return (await self.client.get("/hub/api")).is_success
        except httpx.TransportError:
            return False

    async def _ready(self) -> bool:
        found = await self.client.get(f"/hub/api/users/{self.learner.name}")
        return bool(found.raise_for_status().json()["servers"].get("", {}).get("ready"))

    async def _pull(self) -> None:
        """Have nbgitpuller bring the course, as the page does that its link opens."""
        wanted = {"repo": self.room.repository, "branch": BRANCH, "targetpath": "break-the-fleet"}
        pulled = await self.client.get(f"/user/{self.learner.name}/git-pull/api", params=wanted)
        assert '"phase": "finished"' in pulled.text, pulled.text

    async def work(self, cells: Sequence[dict[str, Any]]) -> Learner:
        """Run the cells one after the other, as a person with a lab before them does."""
        for cell in cells:
            began = perf_counter()
            for output in await self._execute("".join(cell["source"])):
                verdict = output.get("data", {}).get(MIME)
                if verdict:
                    self.learner.verdicts[verdict["exercise"]] = verdict["outcome"]
                    self.learner.seconds[verdict["exercise"]] = perf_counter() - began
        self._measure()
        self._read_progress()
        return self.learner

    async def leave(self) -> None:
        """Close the browser."""
        if self._kernel is not None:
            self._kernel.close()
        await self.client.aclose()

    async def _execute(self, code: str) -> list[dict[str, Any]]:
        """Return what a cell displays. Raises AssertionError if it ends in an error."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "room"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": {**header, "version": "5.3", "date": ""}, "parent_header": {}, "metadata": {}}
        await self._kernel.write_message(json.dumps({**message, "content": content, "channel": "shell"}))
        outputs: list[dict[str, Any]] = []
        while True:
            text = await asyncio.wait_for(self._kernel.read_message(), PATIENCE)
            assert text is not None, "The connection to the kernel was closed."
            heard = json.loads(text)
            if heard["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, content = heard["header"]["msg_type"], heard["content"]
            assert kind != "error", content.get("evalue")
            if kind in ("display_data", "update_display_data", "execute_result"):
                outputs.append(content)
            if kind == "status" and content["execution_state"] == "idle":
                return outputs

    def _measure(self) -> None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("HOME") == str(self.room.home(self.learner.name)):
                    memory = process.memory_full_info()
                    self.learner.rss += memory.rss / 1e6
                    self.learner.pss += getattr(memory, "pss", memory.rss) / 1e6
                    if any("ipykernel" in word for word in process.cmdline()):
                        self.learner.kernel += memory.rss / 1e6

    def _read_progress(self) -> None:
        found = [*self.room.home(self.learner.name).rglob("progress.json")]
        stored = json.loads(found[0].read_text("utf-8"))["exercises"] if found else {}
        self.learner.progress = {key: record["passed"] for key, record in stored.items()}


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + PATIENCE
    while not await holds():
        assert monotonic() < deadline, f"{holds.__name__} did not hold within {PATIENCE:.0f} s."
        await asyncio.sleep(0.5)


def _end(hub: subprocess.Popen[bytes]) -> None:
    """End the hub, its proxy, and every server and kernel below it."""
    family = psutil.Process(hub.pid).children(recursive=True) if hub.poll() is None else []
    hub.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        hub.wait(20)
    for process in [*family, psutil.Process(hub.pid)] if hub.poll() is None else family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(family, timeout=10)
    hub.wait()


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def workshop(folder: Path, count: int = 10, lab: str = "09_sessions") -> list[Learner]:
    """Return what so many learners come to who run a lab's solution at once on a hub in a folder. Raises NoHub."""
    proxy()
    room = Room(folder, [f"learner-{number}" for number in range(1, count + 1)])
    with room.open():
        return room.run(code_cells(ROOT / "solutions" / f"{lab}.ipynb"))
