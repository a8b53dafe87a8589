"""What may be handed to `deploy`, and the sentences for everything else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleetlab.sim import SimulationError

from . import blame, wsgi
from .exits import Ended
from .memory import CannotCopy

if TYPE_CHECKING:
    from .env import Env

Factory = Callable[["Env"], wsgi.App]

STORES = ("redis", "database", "replica", "objects", "mail")
TAKEN = (*STORES, "world", "notebook")
_WANTED = "hand over a function that takes env and returns the app."


class DeployError(Exception):
    """What was handed to `deploy` cannot run; the message says why and what to hand over instead."""


def check_factory(factory: Any) -> None:
    """Raise `DeployError` unless `factory` is a function of one parameter, the Env."""
    if factory is None:
        raise DeployError("deploy() got None: hand over the factory itself, as in deploy(shop), not its result.")
    if hasattr(factory, "wsgi_app"):
        raise DeployError(
            "deploy() got a Flask app, which exists once: hand over the factory, as in deploy(shop), where shop(env) "
            "makes and returns the app; each instance then makes its own."
        )
    if inspect.isclass(factory):
        raise DeployError(f"deploy() got the class {factory.__name__}: {_WANTED}")
    if not callable(factory):
        raise DeployError(f"deploy() got {factory!r:.60}: {_WANTED}")
    name = getattr(factory, "__name__", type(factory).__name__)
    if inspect.iscoroutinefunction(factory):
        raise DeployError(f"{name} is an async function: {_WANTED}")
    if not _takes(factory, 1):
        raise DeployError(
            f"{name}{inspect.signature(factory)} cannot be started: the factory takes exactly one parameter, env."
        )


def check_app(app: Any, name: str) -> wsgi.App:
    """Return what a factory made, or raise `DeployError` if it is no WSGI application."""
    if app is None:
        raise DeployError(f"{name}(env) returned None: end it with `return app`.")
    if inspect.isclass(app) or not callable(app):
        kind = f"the class {app.__name__}" if inspect.isclass(app) else f"a value of type {type(app).__name__}"
        raise DeployError(f"{name}(env) returned {kind}, not a Flask app: end it with `return app`.")
    if not hasattr(app, "wsgi_app") and not _takes(app, 2):
        kind = getattr(app, "__name__", type(app).__name__)
        raise DeployError(
            f"{name}(env) returned {kind}, which is no WSGI application: return the Flask app, or a function of "
            "(environ, start_response)."
        )
    return app  # type: ignore[no-any-return]


def _takes(f: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(f).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a function written in C that keeps its parameters to itself
        return True
    return True


def host_name(name: str | None, factory: Any) -> str:
    """Return the name under which others reach a deployment: the one given, or the factory's; it is a host name."""
    if name is None:
        return re.sub("[^a-z0-9]+", "-", getattr(factory, "__name__", "app").lower()).strip("-") or "app"
    if not re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        raise DeployError(f"A deployment cannot be called {name!r}: use a-z, 0-9 and -, as in 'shop-a'.")
    if name in TAKEN:
        raise DeployError(f"A deployment cannot be called {name!r}: that lane is taken; call it 'shop', say.")
    return name


def start_error(name: str, error: BaseException) -> Exception:
    """Return the error whose one sentence says why an instance did not start."""
    if isinstance(error, CannotCopy | SimulationError):
        return error
    if isinstance(error, DeployError):
        return DeployError(f"{name} did not start: {error}")
    if isinstance(error, Ended):
        return DeployError(f"{name} did not start: its factory ended the process with {error}.")
    return DeployError(f"{name} did not start: its factory raised {blame.told(error)}.")
