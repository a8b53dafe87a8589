"""What is wrong with this environment, a sentence each, with what to do about it."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .home import home
from .jupyter import USUAL_PORT, CannotStart, free_port
from .kernel import Kernel
from .mistake import Mistake

OK, NOTE, WRONG = "ok", "note", "wrong"
PYTHON = (3, 11)
SQLITE = (3, 35, 0)  # RETURNING, and ALTER TABLE … DROP COLUMN
SECONDS_TO_CONNECT = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `state` is ok, note or wrong; `remedy` is empty where nothing is to be done."""

    about: str
    state: str
    sentence: str
    remedy: str = ""

    def data(self) -> dict[str, Any]:
        """Return the finding for programs."""
        return asdict(self)


def examine(course: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look at everything that the course needs, the slowest last."""
    yield python()
    yield from packages(course / "requirements.lock")
    yield sqlite()
    yield jupyterlab()
    yield port()
    for name, folder in (("labs", course / "labs"), ("progress", home(environ)), ("temporary", _temporary())):
        yield writable(name, folder)
    yield kernel(course / "labs" if (course / "labs").is_dir() else course)
    yield from servers(environ)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Say whether this Python is new enough."""
    told = f"Python is {'.'.join(map(str, version))}"
    if version >= PYTHON:
        return Finding("python", OK, f"{told}.")
    return Finding(
        "python", WRONG, f"{told}; the course needs 3.11 or newer.", "Make the environment with a newer Python."
    )


def packages(lock: Path) -> list[Finding]:
    """Compare the installed packages with the lock: missing ones are wrong, other versions are worth a note."""
    if not lock.is_file():
        return [Finding("packages", NOTE, f"There is no {lock.name} to compare the packages with.")]
    missing, other, count = _compare(lock.read_text("utf-8"), _installed)
    again = f"Run `{_python()} -m pip install -r {lock.name}`."
    found = []
    if missing:
        found.append(Finding("packages", WRONG, f"Not installed: {_listed(missing)}.", again))
    if other:
        found.append(Finding("packages", NOTE, f"Not the version of {lock.name}: {_listed(other)}.", again))
    return found or [Finding("packages", OK, f"All {count} packages are those of {lock.name}.")]


def _compare(text: str, installed: Callable[[str], str]) -> tuple[list[str], list[str], int]:
    from packaging.requirements import Requirement

    missing, other, count = [], [], 0
    for line in text.splitlines():
        words = line.split(" #")[0].strip()
        wanted = Requirement(words) if words and not words.startswith("#") else None
        if wanted is None or (wanted.marker and not wanted.marker.evaluate()):
            continue
        count += 1
        there = installed(wanted.name)
        if not there:
            missing.append(wanted.name)
        elif not wanted.specifier.contains(there, prereleases=True):
            other.append(f"{wanted.name} {there} ({wanted.specifier})")
    return missing, other, count


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def sqlite(version: str = sqlite3.sqlite_version) -> Finding:
    """Say whether the SQLite inside this Python can do what the course's database needs."""
    if tuple(int(part) for part in version.split(".")) >= SQLITE:
        return Finding("sqlite", OK, f"SQLite is {version}.")
    needed = ".".join(map(str, SQLITE))
    remedy = "Make the environment with another Python: SQLite comes with it."
    return Finding("sqlite", WRONG, f"SQLite is {version}; the course needs {needed} or newer.", remedy)


def jupyterlab() -> Finding:
    """Say whether JupyterLab has its pages: with them, Node.js is not needed."""
    pages = [
        Path(base) / "share" / "jupyter" / "lab" / "static" / "index.html" for base in (sys.prefix, sys.base_prefix)
    ]
    version = _installed("jupyterlab")
    if version and any(page.is_file() for page in pages):
        return Finding("jupyterlab", OK, f"JupyterLab is {version}, with its pages; Node.js is not needed.")
    told = f"JupyterLab {version} lacks its pages" if version else "JupyterLab is not installed"
    remedy = f"Run `{_python()} -m pip install --force-reinstall jupyterlab`; Node.js is not needed."
    return Finding("jupyterlab", WRONG, f"{told}.", remedy)


def port(wanted: int = USUAL_PORT) -> Finding:
    """Say whether the usual port is free; if not, another one is taken, so it is only worth a note."""
    try:
        found = free_port(wanted)
    except CannotStart as error:
        return Finding("port", WRONG, str(error), "End a program that listens on 127.0.0.1.")
    if found == wanted:
        return Finding("port", OK, f"Port {wanted} is free.")
    return Finding("port", NOTE, f"Port {wanted} is taken; `fleetlab start` takes another one.")


def writable(name: str, folder: Path) -> Finding:
    """Say whether files can be written into a folder, or the folder made."""
    place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding(f"folder:{name}", OK, f"The folder for {_WHAT[name]} can be written: {folder}")
    except OSError as error:
        told = f"The folder for {_WHAT[name]} cannot be written ({(error.strerror or '').lower()}): {folder}"
        return Finding(f"folder:{name}", WRONG, told, _REMEDY[name])


_WHAT = {"labs": "answers", "progress": "progress", "temporary": "temporary files"}
_REMEDY = {
    "labs": "Move the course into a folder of yours.",
    "progress": "Set FLEETLAB_HOME to a folder of yours.",
    "temporary": "Set TMPDIR to a folder of yours.",
}


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # Python has tried them all
        return Path(os.environ.get("TMPDIR", os.sep + "tmp"))


def kernel(folder: Path) -> Finding:
    """Start a notebook kernel and see that it has this course's package."""
    remedy = f"Run `{_python()} -m ipykernel install --sys-prefix`."
    code = "import sys, fleetlab; print(sys.executable, fleetlab.__file__, sep='\\n')"
    try:
        with Kernel(folder) as started:
            ran = started.run(code, 60)
    except Mistake as mistake:
        return Finding("kernel", WRONG, str(mistake).split(";")[0] + ".", remedy)
    if ran.failed:
        return Finding(
            "kernel", WRONG, f"The notebook kernel cannot load the course: {ran.error or 'no answer'}.", remedy
        )
    used, package = "".join(output.get("text", "") for output in ran.outputs).split("\n")[:2]
    if os.path.samefile(package, Path(__file__).parents[1] / "__init__.py"):
        return Finding("kernel", OK, "A notebook kernel starts and loads the course.")
    return Finding("kernel", WRONG, f"The notebook kernel runs another Python, {used}, with another fleetlab.", remedy)


def servers(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the real Redis and PostgreSQL that the environment names; neither is needed for the lessons."""
    for name, ask in (("REDIS_URL", _ask_redis), ("DATABASE_URL", _ask_database)):
        if not environ.get(name):
            yield Finding(name, OK, f"{name} is not set: no real server is wanted.")
            continue
        try:
            yield Finding(name, OK, f"{name}: {ask(environ[name])} answers.")
        except (
            Exception
        ) as error:  # any of two drivers' errors; their texts may hold the password, so only the kind is told
            told = f"{name} is set, and the server does not answer ({type(error).__name__})."
            yield Finding(name, WRONG, told, f"Start the server, or unset {name}.")


def _ask_redis(url: str) -> str:
    import redis

    limits = {"socket_connect_timeout": SECONDS_TO_CONNECT, "socket_timeout": SECONDS_TO_CONNECT}
    with redis.Redis.from_url(url, **limits) as client:
        return f"Redis {client.info('server')['redis_version']}"


def _ask_database(url: str) -> str:
    import psycopg
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    plain = parsed.set(drivername=parsed.get_backend_name()).render_as_string(hide_password=False)
    with psycopg.connect(plain, connect_timeout=SECONDS_TO_CONNECT) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return f"PostgreSQL {row[0].split()[0] if row else ''}"


def _python() -> str:
    """Return how this interpreter is called in a terminal."""
    return f'"{sys.executable}"' if " " in sys.executable else sys.executable
