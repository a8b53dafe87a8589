"""Where a learner's progress lives, and how a file there is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

# Windows refuses to replace a file while a virus scanner looks at it: a few more tries, seconds apart.
_PAUSES = (0.05, 0.1, 0.2, 0.4)


def home(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder for what the course remembers of its learner; FLEETLAB_HOME moves it.

    Otherwise it is where each system keeps such files: %LOCALAPPDATA%, ~/Library/Application Support, $XDG_DATA_HOME.
    """
    if environ.get("FLEETLAB_HOME"):
        return Path(environ["FLEETLAB_HOME"]).expanduser().absolute()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "fleetlab"
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fleetlab"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fleetlab"


def replace_text(path: Path, text: str) -> None:
    """Write a file whole: who reads it meanwhile sees the old text or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        error.filename = str(path)  # what was asked for; nobody knows the other name
        raise
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _keep_mode(path, name)
        _replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _keep_mode(path: Path, name: str) -> None:
    """Give the new file the old one's permissions: a temporary file is its owner's alone."""
    with contextlib.suppress(OSError):
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)


def _replace(name: str, path: Path) -> None:
    from time import sleep

    for pause in _PAUSES:
        try:
            return os.replace(name, path)
        except PermissionError:
            sleep(pause)
    return os.replace(name, path)


def utc_now() -> datetime:
    """Return the present, for dated names; tests hand over another clock."""
    return datetime.now(UTC)


def dated(path: Path, word: str, now: datetime) -> Path:
    """Return a name beside `path` that is not taken: 09_sessions.kept-2026-01-05-090000.ipynb."""
    stem = f"{path.stem}.{word}-{now:%Y-%m-%d-%H%M%S}"
    names = (f"{stem}{more}{path.suffix}" for more in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def keep(path: Path, now: datetime) -> Path:
    """Copy a file to a dated name beside it, byte by byte, and return the copy."""
    copy = dated(path, "kept", now)
    with copy.open("xb") as file:  # never over something that is there
        file.write(path.read_bytes())
    return copy
