"""The course as git's index holds it: a learner's edits are not in it, so they never make a check fail."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class Unreadable(Exception):
    """A git folder that git does not read; the message is git's."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The files of a course: those of git's index, or those on the disk where there is no git."""

    root: Path

    @property
    def in_git(self) -> bool:
        """Whether there is a git folder, and a git to read it."""
        return (self.root / ".git").exists() and shutil.which("git") is not None

    def text(self, path: str) -> str | None:
        """Return a file's text, None if there is no such file."""
        if not self.in_git:
            file = self.root / path
            return file.read_text("utf-8") if file.is_file() else None
        if not self._git("ls-files", "--", path):
            return None
        return self._git("show", f":{path}").decode("utf-8").replace("\r\n", "\n")

    def paths(self, folder: str, suffix: str) -> list[str]:
        """Return the files of one folder whose names end with `suffix`, sorted."""
        if self.in_git:
            found = self._git("ls-files", "-z", "--", folder).decode("utf-8").split("\0")
        else:
            found = [path.relative_to(self.root).as_posix() for path in (self.root / folder).glob("*")]
        return sorted(path for path in found if path.endswith(suffix) and path.count("/") == folder.count("/") + 1)

    def _git(self, *arguments: str) -> bytes:
        command = ["git", "--literal-pathspecs", *arguments]
        ran = subprocess.run(command, cwd=self.root, capture_output=True, check=False)  # noqa: S603 - a fixed command
        if ran.returncode:
            raise Unreadable(ran.stderr.decode("utf-8", "replace").strip())
        return ran.stdout
