"""A kernel that stands in for a notebook's, with or without somebody in front of it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest


def kernel(monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    """Let code believe that it runs in a notebook, started by a person (`watched`) or by a program."""
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=watched))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
