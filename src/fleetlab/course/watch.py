"""Checks labs again at each save: only exercises whose code has changed, in a kernel that is ready before they are."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .cells import plain
from .judge import SECONDS_A_CELL, Judge, Result
from .kernel import Kernel
from .labs import Lab, Notebook, answer_of, is_code, source
from .mistake import Mistake

_ALWAYS = ("fleetlab", "fleetlab.exercises")
LOOKS = 5
"""At how many looks in a row a lab must be damaged before the learner is told."""

Stamp = tuple[int, int]


class Watch:
    """What is known of some labs: when each was saved, each exercise's code, and its latest result."""

    def __init__(self, labs: Sequence[Lab], kernel: Callable[..., Kernel] = Kernel, seconds: float = SECONDS_A_CELL):
        self.labs = list(labs)
        self.results: dict[str, Result] = {}
        self._seconds = seconds
        self._kernel = kernel
        self._spare: Kernel | None = None
        self._preload: tuple[str, ...] = _ALWAYS
        self._stamps: dict[Path, Stamp | None] = {}
        self._code: dict[str, tuple[str, ...]] = {}
        self._trouble: dict[Path, list[str]] = {}

    def saved(self) -> list[Lab]:
        """Return the labs that were saved since the last call; at the first, all of them."""
        found = []
        for lab in self.labs:
            stamp = _stamp(lab.path)
            if lab.path not in self._stamps or (stamp != self._stamps[lab.path] and stamp is not None):
                found.append(lab)
            self._stamps[lab.path] = stamp
        return found

    def changed(self, lab: Lab, notebook: Notebook) -> list[str]:
        """Return the exercises whose verdict may differ from the one that is known."""
        judge = Judge(lab, notebook)
        names = lab.exercises(notebook)
        code = {lab.key(name): judge.fingerprint(name) for name in names}
        changed = [name for name in names if self._code.get(lab.key(name)) != code[lab.key(name)]]
        self._code.update(code)
        return changed

    def check(self, lab: Lab) -> Iterator[Result]:
        """Check what has changed in a lab, and have the next kernel ready. A half-written file is left for later."""
        try:
            notebook = lab.read()
        except Mistake as mistake:
            self._trouble.setdefault(lab.path, []).append(str(mistake))
            self._stamps.pop(lab.path, None)
            return
        self._trouble.pop(lab.path, None)
        names = self.changed(lab, notebook)
        if not names:
            return
        self._preload = (*_ALWAYS, *imports(notebook))
        kernel = self._ready(lab)
        try:
            for result in Judge(lab, notebook, names, self._seconds).results(kernel):
                self.results[result.exercise] = result
                yield result
        finally:
            kernel.close()
            self._spare = self._launch(lab)

    def troubles(self) -> list[str]:
        """Return, once each, why labs cannot be read that could not be at several looks: nobody is still writing."""
        return [sentences[-1] for sentences in self._trouble.values() if len(sentences) == LOOKS]

    def _ready(self, lab: Lab) -> Kernel:
        """Return the kernel that waits, or a new one if it has died in its sleep."""
        kernel, self._spare = self._spare, None
        if kernel is not None and kernel.alive:
            return kernel
        if kernel is not None:
            kernel.close()
        return self._launch(lab)

    def _launch(self, lab: Lab) -> Kernel:
        folder = lab.path.parent
        return self._kernel(folder, [name for name in self._preload if not _beside(folder, name)])

    def close(self) -> None:
        """End the kernel that waits."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    @property
    def current(self) -> Result | None:
        """The exercise that a learner is most likely at: the first that is not passed."""
        return next((result for result in self.results.values() if not result.passed), None)


def imports(notebook: Notebook) -> tuple[str, ...]:
    """Return the modules that a notebook's own cells import, answers left out: those a waiting kernel loads."""
    found: list[str] = []
    for cell in notebook["cells"]:
        if not is_code(cell) or answer_of(cell):
            continue
        try:
            tree = ast.parse(plain(source(cell)))
        except (SyntaxError, ValueError):
            continue
        for statement in tree.body:
            if isinstance(statement, ast.Import):
                found += [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                found += [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]
    return tuple(dict.fromkeys(found))


def _beside(folder: Path, module: str) -> bool:
    """Say whether a module is a learner's own file beside the lab: that must be read anew each time."""
    first = module.split(".")[0]
    return (folder / f"{first}.py").exists() or (folder / first).is_dir()


def _stamp(path: Path) -> Stamp | None:
    try:
        state = path.stat()
    except OSError:  # an editor replaces files: for an instant there is none
        return None
    return state.st_mtime_ns, state.st_size
