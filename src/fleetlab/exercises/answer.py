"""What a learner hands over to be judged, and the sentence for what cannot be judged."""

from __future__ import annotations

import dis
import functools
import inspect
from types import CodeType, FunctionType
from typing import Any, Protocol

from .wording import clean

_WANTED = "hand over the factory itself, a function that takes env and returns the app, as in check(shop)."


class Complaint(Protocol):
    """Says why an answer cannot be judged: one sentence, or nothing where it can."""

    def __call__(self, answer: Any, /) -> str:
        """Return the sentence, or an empty string."""


def app_factory(answer: Any) -> str:
    """Say what keeps an answer from being an app factory: a function of one parameter, the env."""
    if hasattr(type(answer), "wsgi_app"):
        return f"check() got an app, which exists once, and each instance needs its own: {_WANTED}"
    if inspect.isclass(answer):
        return f"check() got the class {answer.__name__}: {_WANTED}"
    if inspect.iscoroutine(answer) or inspect.isgenerator(answer):
        return f"check() got what calling {answer.__name__}() returned: {_WANTED}"
    if not callable(answer):
        return f"check() got {_described(answer)}: {_WANTED}"
    return _function(answer)


def _function(answer: Any) -> str:
    name = getattr(answer, "__name__", type(answer).__name__)
    if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
        return f"{name}() is an async function, and an app factory is a plain one: write `def {name}(env):`."
    if inspect.isgeneratorfunction(answer):
        return f"{name}() contains a yield, which makes it a generator: end it with `return app`."
    try:
        inspect.signature(answer).bind(None)
    except ValueError:  # a builtin that does not tell its parameters: deploying it will show
        return ""
    except TypeError:
        return f"{name}({_parameters(answer)}) must take exactly one parameter, env."
    return ""


def _parameters(answer: Any) -> str:
    """Return a function's parameters without their annotations."""
    found = inspect.signature(answer).parameters.values()
    return clean(", ".join(str(one.replace(annotation=inspect.Parameter.empty)) for one in found))


def _described(answer: Any) -> str:
    """Return what something is, in a few words that are the same in every run."""
    if isinstance(answer, str | int | float | bool):
        return clean(repr(answer), 60)
    return f"a value of type {type(answer).__name__}"


def unwritten(answer: Any) -> bool:
    """Tell whether there is no answer yet: None, `...`, or a function whose body is empty."""
    if answer is None or answer is ...:
        return True
    inner = inspect.unwrap(answer.func if isinstance(answer, functools.partial) else answer)
    return isinstance(inner, FunctionType) and _is_empty(inner.__code__)


_NOTHING = {"RESUME", "NOP", "CACHE", "LOAD_CONST", "POP_TOP", "RETURN_VALUE", "RETURN_CONST", "COPY_FREE_VARS"}


def _is_empty(code: CodeType) -> bool:
    """Tell whether a body is a docstring, `pass` or `...` alone: it does nothing and returns None."""
    plain = not code.co_flags & (inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR)
    instructions = list(dis.get_instructions(code))
    last = [i for i in instructions if i.opname in ("LOAD_CONST", "RETURN_CONST")][-1:]
    return plain and all(i.opname in _NOTHING for i in instructions) and all(i.argval is None for i in last)
