"""Flask apps that are built a thousand times: the same URL rule compiles to the same code, so compile it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_compiled: dict[Any, Callable[..., Any]] = {}


def remember() -> None:
    """Let Werkzeug keep the URL builders that it compiles: three quarters of the time to build a small Flask app.

    A builder is a function of the rule's text alone where the rule has no defaults; it holds no state.
    """
    from werkzeug.routing.rules import Rule

    compile_builder: Any = Rule._compile_builder
    if getattr(compile_builder, "remembers", False):
        return

    def remembering(rule: Any, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, append_unknown, tuple(rule._trace))
        if key not in _compiled:
            _compiled[key] = compile_builder(rule, append_unknown)
        return _compiled[key]

    remembering.remembers = True  # type: ignore[attr-defined]
    Rule._compile_builder = remembering  # type: ignore[method-assign,assignment]
