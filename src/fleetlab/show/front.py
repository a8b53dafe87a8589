"""The front end: whether somebody sits there who can use a widget, and what is shown either way."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

STATIC = "FLEETLAB_STATIC"
"""The environment variable that keeps every widget in its static form: builds and tests set it to 1."""

VIEW = "application/vnd.jupyter.widget-view+json"


def live() -> bool:
    """Tell whether widgets can be used: in a kernel, in a cell that somebody runs, and not under `FLEETLAB_STATIC=1`.

    nbclient and nbval answer no questions, so a cell that they run is not allowed to ask any.
    """
    return bool(getattr(_kernel(), "_allow_stdin", False)) and os.environ.get(STATIC, "") in ("", "0")


def unattended() -> bool:
    """Tell whether a notebook is run for others to read, or to be compared: a kernel runs it, and nobody sits there."""
    return _kernel() is not None and not live()


def _kernel() -> Any:
    """Return the kernel of this notebook, or None; imports nothing that is not there already."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython is not None else None, "kernel", None)


class Errand:
    """Something that a widget asks for, done in the kernel's main thread, between two cells.

    JupyterLab lets widgets speak to a thread of their own (a subshell), and a world lives in the thread that made it.
    Asked for again before it is done, it is done once.
    """

    def __init__(self, do: Callable[[], Any]) -> None:
        self._do = do
        self._asked = False

    def __call__(self, *_: object) -> None:
        """Do it now, or ask the main thread to; takes whatever a widget says and ignores it."""
        loop = getattr(_kernel(), "io_loop", None)
        if loop is None or threading.current_thread() is threading.main_thread():
            self._do()
        elif not self._asked:
            self._asked = True
            loop.add_callback(self._go)

    def _go(self) -> None:
        self._asked = False
        self._do()


class Panel:
    """Something with a static form, as text and as HTML, and a widget for whoever can use one.

    Only the static form is recorded where nobody watches: a widget's ids are random numbers.
    """

    _widget: Any = None

    def text(self) -> str:
        """Return the static form as plain text."""
        raise NotImplementedError

    def html(self) -> str:
        """Return the static form as HTML."""
        raise NotImplementedError

    def build(self) -> Any:
        """Make the widget."""
        raise NotImplementedError

    @property
    def widget(self) -> Any:
        """The widget, made at first use; raises ImportError without ipywidgets."""
        if self._widget is None:
            self._widget = self.build()
        return self._widget

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text(), "text/html": self.html()}
        if live():
            bundle[VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return bundle

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__
