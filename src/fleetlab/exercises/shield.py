"""What an answer can change in Python itself is put back after each run: patched libraries, streams, the folder.

Instances share no memory of the learner's, but they share libraries with each other, with the next run and with the
notebook: `redis.Redis.get = mine` in a factory would be wrapped again in every one of a thousand runs.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from operator import is_
from types import ModuleType, TracebackType
from typing import Any, TextIO

from fleetlab.world import migrations

_SHARED = (
    *("builtins", "time", "datetime", "random", "os", "os.path", "json", "threading", "uuid", "secrets", "hashlib"),
    *("socket", "signal", "logging", "queue", "subprocess", "redis", "redis.Redis", "redis.client.Pipeline"),
    *("flask", "flask.Flask", "httpx", "httpx.Client", "jwt", "sqlalchemy", "sqlalchemy.engine.Engine"),
    *("sqlalchemy.engine.Connection", "sqlalchemy.orm.Session", "fleetlab", "fleetlab.World", "fleetlab.Instance"),
    *("alembic.op", "alembic.context", "alembic.command", "fleetlab.Env"),
    *("fleetlab.world.http.Client", "fleetlab.world.http.Sent", "fleetlab.exercises.History"),
)

_NAMES = vars(builtins)


class Shield:
    """Remembers what is shared as it is when the shield is made; `restored()` puts it back after a run."""

    def __init__(self) -> None:
        migrations.isolate()  # now: what a run put in place first would be taken for a patch, and taken out
        self._spaces = [_Space(owner) for name in _SHARED if (owner := _find(name)) is not None]
        self._silence: TextIO | None = None
        self._chatter = logging.getLogger("httpx")
        self._chatting = not self._chatter.disabled

    def __enter__(self) -> Shield:
        # A device and not a class of ours: what an answer prints goes nowhere, through a stream like any other.
        self._silence = open(os.devnull, "w", encoding="utf-8", errors="replace")
        self._chatter.disabled = True  # a line for each request of each run, where the notebook has set up logging
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._silence is not None
        self._chatter.disabled = not self._chatting
        self._silence.close()

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Swallow what is printed, and put everything back at the end, however it comes."""
        folder, depth, collecting, path = _folder(), sys.getrecursionlimit(), gc.isenabled(), list(sys.path)
        names, streams = _NAMES.copy(), (sys.stdout, sys.stderr)
        hooks = (sys.gettrace(), sys.getprofile())
        try:
            sys.stdout = sys.stderr = self._silence or sys.stdout
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            _NAMES.update(names)  # first of all: what follows could do nothing without them
            sys.stdout, sys.stderr = streams
            for space in self._spaces:
                space.restore()
            _put_back(folder, depth, collecting, path)
            if (sys.gettrace(), sys.getprofile()) != hooks:
                sys.settrace(hooks[0])
                sys.setprofile(hooks[1])


class _Space:
    """One namespace: a module's or a class's names and what they stand for."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._names = dict(vars(owner))
        self._values = list(self._names.values())

    def restore(self) -> None:
        """Put back every name that was bound anew or deleted, and remove new ones that are no modules."""
        now = vars(self._owner)
        if len(now) == len(self._values) and all(map(is_, now.values(), self._values)):
            return
        for name, value in self._names.items():
            if now.get(name, self) is not value:
                setattr(self._owner, name, value)
        for name, value in list(now.items()):
            if name not in self._names and not isinstance(value, ModuleType):
                delattr(self._owner, name)
        # A submodule that was imported meanwhile stays, and so does the order of what was put back.
        self._names = dict(vars(self._owner))
        self._values = list(self._names.values())


def _find(path: str) -> Any:
    """Return a module or a class of one, if it has been imported; nothing is imported here."""
    if path in sys.modules:
        return sys.modules[path]
    module, _, name = path.rpartition(".")
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return found if isinstance(found, type) else None


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # a folder that was removed under the notebook
        return ""


def _put_back(folder: str, depth: int, collecting: bool, path: list[str]) -> None:
    if folder and _folder() != folder:
        os.chdir(folder)
    if sys.getrecursionlimit() != depth:
        sys.setrecursionlimit(depth)
    if gc.isenabled() != collecting:
        (gc.enable if collecting else gc.disable)()
    if sys.path != path:
        sys.path[:] = path
