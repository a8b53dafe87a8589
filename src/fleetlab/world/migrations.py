"""Alembic inside the simulation: a migration folder written from a cell, and proxies that each process has for itself.

`alembic.op` and `alembic.context` are modules whose globals stand for the migration that runs: one a process. Here
many processes are one, so each must find its own: without that an instance alters tables over another's connection.
"""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetlab.sim import current_task

ENV = '''\
"""Alembic runs this file for each command: it says where the database is."""

from alembic import context


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif "connection" in given:
    migrate(given["connection"])
else:
    with given["engine"].connect() as connection:
        migrate(connection)
'''


def _empty_folder() -> str:
    folder = tempfile.mkdtemp(prefix="fleetlab-migrations-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class Migrations:
    """A folder as `alembic init` makes it, gone when Python ends: `env.py`, and revisions in `versions/`."""

    path: str = field(default_factory=_empty_folder)

    def __post_init__(self) -> None:
        (Path(self.path) / "versions").mkdir(exist_ok=True)
        self.write("env.py", ENV)

    def write(self, name: str, text: str) -> None:
        """Write a file: `env.py` into the folder, any other into `versions/`, in place of one with that name."""
        target = self._place(name)
        target.write_text(text.strip("\n") + "\n", "utf-8")
        # Two versions within one second have the same date for Python, which would run the old one's byte code.
        Path(importlib.util.cache_from_source(str(target))).unlink(missing_ok=True)

    def read(self, name: str) -> str:
        """Return a file's text."""
        return self._place(name).read_text("utf-8")

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._place(name).unlink()

    @property
    def names(self) -> list[str]:
        """The names of the revisions' files, in order."""
        return sorted(path.name for path in (Path(self.path) / "versions").glob("*.py"))

    def _place(self, name: str) -> Path:
        return Path(self.path) / name if name == "env.py" else Path(self.path) / "versions" / name


# -- one migration a process

_KEY = "alembic"
_outside: dict[type, Any] = {}


def _running() -> dict[type, Any]:
    """Return the migration that runs here, by kind of proxy: this process's, or this task's where it has no process."""
    task = current_task()
    if task is None:
        return _outside
    if task.process is not None:
        return task.process.state(_KEY, dict)
    found: dict[type, Any] = task.locals.setdefault(_KEY, {})
    return found


class _Proxy:
    """Stands in a module of Alembic's for the object of whoever asks."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        found = _running().get(self._kind)
        if found is None:
            where = "env.py" if self._kind.__name__ == "EnvironmentContext" else "upgrade() or downgrade()"
            raise NameError(f"{name}() needs a migration that runs: call it in {where}, through alembic.command.")
        return getattr(found, name)


def _attribute(kind: type, names: set[str], module: str) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        if name in names and kind in _running():
            return getattr(_running()[kind], name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get


def _install(self: Any) -> None:
    _running()[type(self)] = self


def _remove(self: Any) -> None:
    _running().pop(type(self), None)


def isolate() -> None:
    """Give each process its own `alembic.op` and `alembic.context`, if Alembic is there; a second call does nothing."""
    helpers: Any = sys.modules.get("alembic.util.langhelpers")
    proxies = getattr(helpers, "ModuleClsProxy", None)
    if (
        proxies is None
        or proxies._install_proxy is _install
        or not {"alembic.op", "alembic.context"} <= set(sys.modules)
    ):
        return
    for kind, (names, modules) in proxies._setups.items():
        for space, _ in modules:
            running = space.get("_proxy")
            if running is not None:  # imported, and run, by the very task that is here
                _running()[kind] = running
                for name in names:
                    del space[name]
            space["_proxy"] = _Proxy(kind)
            space["__getattr__"] = _attribute(kind, names, space["__name__"])
    proxies._install_proxy, proxies._remove_proxy = _install, _remove


isolate()

__all__ = ["ENV", "Migrations", "isolate"]
