"""JupyterLab as the learner meets it: at the lesson, trusted, without a news pop-up."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from types import FrameType

from .mistake import Mistake

USUAL_PORT = 8888
SECONDS_TO_START = 60.0

# Switches off the question about news and the calls to a web site behind it, for servers started here only.
# (JupyterLab 4.6 still asks when LabApp.news_url is None.)
CONFIG = Path(__file__).parent / "jupyter_config"

QUIET = ("--Application.log_level=ERROR", "--ServerApp.answer_yes=True")


class CannotStart(Mistake, RuntimeError):
    """JupyterLab did not come up; the text is one sentence for the learner."""


def free_port(wanted: int = USUAL_PORT) -> int:
    """Return `wanted` if nobody listens there, otherwise a port that is free now."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            if os.name != "nt":  # on Windows this option would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise CannotStart("No port is free on 127.0.0.1.")


def command(folder: Path, port: int) -> list[str]:
    """Return the command line of a JupyterLab that serves `folder` on this machine only."""
    import zmq

    # A folder's owner who is root (a container, say) is let in: the server answers to this machine alone, by token.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    # Kernels listen on TCP, which every user of the machine can read; unencrypted, each warns about it in the terminal.
    secret = ["--KernelManager.transport_encryption=auto"] if zmq.has("curve") else []
    place = [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", "--ServerApp.base_url=/"]
    listen = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser"]
    return [sys.executable, "-m", "jupyterlab", *place, *listen, *QUIET, *secret, *root]


def environment(token: str) -> dict[str, str]:
    """Return the environment of that JupyterLab: ours, the course's settings, and the token.

    The token is not on the command line because that can be read by every user of the machine.
    """
    paths = [str(CONFIG), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]  # `fleetlab` in JupyterLab's terminal
    found = {"JUPYTER_CONFIG_PATH": paths, "PATH": programs}
    joined = {name: os.pathsep.join(filter(None, places)) for name, places in found.items()}
    return {**os.environ, **joined, "JUPYTER_TOKEN": token}


def address(port: int, token: str, lesson: str | None, shelf: str = "notebooks") -> str:
    """Return the link that opens `lesson` of notebooks/ or labs/ (or the bare file list) and lets the browser in."""
    path = f"lab/tree/{shelf}/{lesson}.ipynb" if lesson else "lab"
    return f"http://127.0.0.1:{port}/{path}?token={token}"


def trust(folder: Path) -> None:
    """Sign the course's own notebooks, so that JupyterLab shows their outputs as they are stored.

    Labs are the learner's, and JupyterLab signs those itself when the learner has run them.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in sorted([*folder.glob("notebooks/*.ipynb"), *folder.glob("solutions/*.ipynb")]):
        try:
            notary.sign(nbformat.read(path, as_version=4))
        except Exception as trouble:  # a lesson that cannot be signed can still be read and run
            print(f"{path.name} stays untrusted: {trouble}", file=sys.stderr)


def answers(port: int, token: str) -> bool:
    """Say whether a Jupyter server answers on `port`, and lets in whoever has the token: another one does not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_up(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    """Return once the server answers. Raises CannotStart if it ends, or says nothing for a minute."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not answers(port, token):
        if server.poll() is not None:
            raise CannotStart(f"JupyterLab ended with code {server.returncode} before it could be reached.")
        if time.monotonic() > deadline:
            raise CannotStart(f"JupyterLab did not answer within {SECONDS_TO_START:.0f} s.")
        time.sleep(0.1)


def serve(folder: Path, lesson: str | None, port: int, *, browser: bool, shelf: str = "notebooks") -> int:
    """Run JupyterLab at a notebook until it is stopped; print its address once it answers; return its exit code."""
    trust(folder)
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    signal.signal(signal.SIGTERM, end)
    server = subprocess.Popen(command(folder, port), env=environment(token))  # noqa: S603 - our own interpreter
    try:
        wait_until_up(server, port, token)
        link = address(port, token, lesson, shelf)
        print(link, flush=True)
        if browser:
            webbrowser.open(link)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def end(number: int, frame: FrameType | None) -> None:
    """Leave as a shell would report it, so that the server is stopped on the way out."""
    raise SystemExit(128 + number)
