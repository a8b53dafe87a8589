"""Where a widget is shown, and where its static form alone; whose thread does what it asks for."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from kernels import kernel

from fleetlab.show.front import VIEW, Errand, live, unattended
from fleetlab.show.predict import predict


def test_a_plain_interpreter_is_not_live() -> None:
    """Without a kernel there is nobody to use a widget."""
    assert not live()


def test_a_program_that_runs_a_notebook_gets_no_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    """nbclient and nbval record text and HTML only: no model id, which is random."""
    kernel(monkeypatch, watched=False)
    assert set(predict("How many?")._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_a_page_made_for_others_is_told_from_a_persons_and_from_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unattended is a kernel that nobody sits at; a plain interpreter is no notebook at all."""
    assert not unattended()
    kernel(monkeypatch, watched=True)
    assert not unattended()
    kernel(monkeypatch, watched=False)
    assert unattended()


def test_a_build_can_ask_for_static_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLEETLAB_STATIC=1 holds whoever runs the cell; 0 is as if it were not set."""
    kernel(monkeypatch, watched=True)
    monkeypatch.setenv("FLEETLAB_STATIC", "1")
    assert not live()
    monkeypatch.setenv("FLEETLAB_STATIC", "0")
    assert live()


def test_a_person_gets_the_widget_and_the_static_form_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved notebook can then be read where no kernel runs."""
    asked = predict("How many?")
    made = asked.widget
    kernel(monkeypatch, watched=True)
    bundle = asked._repr_mimebundle_()
    assert bundle["text/plain"] == "Predict: How many?"
    assert bundle[VIEW]["model_id"] == made.model_id


def test_an_errand_of_another_thread_waits_for_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world lives in the thread that made it; asked for twice before it is done, it is done once."""
    waiting: list[Callable[[], None]] = []
    done: list[str] = []
    shell = SimpleNamespace(kernel=SimpleNamespace(io_loop=SimpleNamespace(add_callback=waiting.append)))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    errand = Errand(lambda: done.append("done"))
    thread = threading.Thread(target=lambda: (errand(), errand()))
    thread.start()
    thread.join()
    assert (len(waiting), done) == (1, [])
    waiting[0]()
    assert done == ["done"]


def test_widgets_load_nothing_until_one_is_used() -> None:
    """Importing the package and every widget's module loads no notebook library and no drawing library."""
    code = (
        "import sys, fleetlab, fleetlab.show.predict, fleetlab.show.console, fleetlab.show.scrubber\n"
        "import fleetlab.show.sliders, fleetlab.course.map\n"
        "print(sorted({'ipywidgets', 'matplotlib', 'networkx', 'IPython'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
