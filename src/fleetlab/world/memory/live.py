"""What no instance can have a copy of, and what to use instead; what each instance gets new rather than copied."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple


class CannotCopy(TypeError):
    """An app reaches something that instances would have to share; the message names it and says what to do."""


class Place(NamedTuple):
    """Where a value was found: the `path` of the variable, and the function that uses it ("" if there is none)."""

    path: str
    user: str = ""

    def of(self, suffix: str) -> Place:
        """Return the place of a part: `.name` or `[key]`."""
        return Place(self.path + suffix, self.user)

    def __str__(self) -> str:
        return f"{self.path} (used by {self.user})" if self.user else self.path


def refusal(place: Place, what: str, instead: str, reason: str = "") -> CannotCopy:
    """Return the error that says what is at a place, and what to do instead."""
    why = f" ({reason})" if reason else ""
    return CannotCopy(f"{place} is {what} and cannot be copied for each instance{why}: {instead}.")


_INSIDE = "make it inside the factory"
_REDIS = ("a Redis connection", "use env.redis inside the factory")
_DATABASE = ("a database connection", "use env.database inside the factory")
_HTTP = ("an HTTP client", "use env.http inside the factory")
_SOCKET = ("a network connection", "use env.http, env.redis or env.database inside the factory")
_THREAD = ("a running thread", "start it inside the factory, or use env.every(seconds)")
_GENERATOR = ("a generator", _INSIDE)
_WORLD = ("a part of the simulated world", "an instance sees only its env, so use env.redis, env.database or env.http")

# By the class's top-level package and name; classes derived from it are meant too.
_LIVE: dict[tuple[str, str], tuple[str, str] | None] = {
    **{
        ("redis", name): _REDIS
        for name in ("Redis", "RedisCluster", "Sentinel", "ConnectionPool", "AbstractConnection")
    },
    **{("redis", name): _REDIS for name in ("PubSub", "Pipeline", "Lock", "Script")},
    **{("sqlalchemy", name): _DATABASE for name in ("Engine", "Connection", "Session", "Pool", "Result")},
    **{("sqlalchemy", name): _DATABASE for name in ("AsyncEngine", "AsyncConnection", "AsyncSession")},
    **{(driver, "Connection"): _DATABASE for driver in ("sqlite3", "psycopg", "pymysql", "asyncpg")},
    ("psycopg2", "connection"): _DATABASE,
    ("psycopg_pool", "ConnectionPool"): _DATABASE,
    ("httpx", "Client"): _HTTP,
    ("httpx", "AsyncClient"): _HTTP,
    ("requests", "Session"): _HTTP,
    ("aiohttp", "ClientSession"): _HTTP,
    ("urllib3", "PoolManager"): _HTTP,
    ("http", "HTTPConnection"): _HTTP,
    ("_socket", "socket"): _SOCKET,
    ("smtplib", "SMTP"): ("a mail connection", "use env.mail inside the factory"),
    ("fsspec", "AbstractFileSystem"): ("a file system", "use env.objects inside the factory"),
    ("_io", "BytesIO"): None,  # a file in memory is data
    ("_io", "StringIO"): None,
    ("_io", "_IOBase"): ("an open file", "open it inside the factory, or use env.objects"),
    ("threading", "Thread"): _THREAD,
    ("concurrent", "Executor"): ("a pool of threads or processes", _INSIDE),
    ("subprocess", "Popen"): ("a running program", "start it inside the factory"),
    ("asyncio", "AbstractEventLoop"): ("an event loop", _INSIDE),
    ("_asyncio", "Future"): ("a task of an event loop", _INSIDE),
    ("builtins", "generator"): _GENERATOR,
    ("builtins", "async_generator"): _GENERATOR,
    ("builtins", "coroutine"): ("a coroutine", _INSIDE),
    ("builtins", "frame"): ("a running function", _INSIDE),
    ("builtins", "memoryview"): ("a view of another object's memory", "keep the bytes themselves"),
}

# Definitions and notebook machinery: an instance changes none of them, or the library keeps them apart itself.
_SHARED_PACKAGES = frozenset(
    ("cryptography", "structlog", "sqlalchemy", "pydantic", "pydantic_core", "IPython", "ipykernel", "traitlets")
)
_NOT_SHARED = frozenset(("sessionmaker", "scoped_session", "async_sessionmaker", "async_scoped_session"))


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def live(thing: Any) -> tuple[str, str] | None:
    """Return what a thing is and what to use instead, if it is a connection or another thing nobody can copy."""
    for cls in type(thing).__mro__:
        key = (_package(cls), cls.__name__)
        if key in _LIVE:
            return _LIVE[key]
    if _package(type(thing)) == "fleetlab":
        return _WORLD
    if "_sa_instance_state" in getattr(type(thing), "__dict__", ()) or _has_state(thing):
        return ("a row of the database bound to its session", "load it inside the factory, through env.database")
    return None


def _has_state(thing: Any) -> bool:
    try:
        return "_sa_instance_state" in object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return False


def is_shared(thing: Any) -> bool:
    """Tell whether a library's object is a definition, or keeps instances apart by itself."""
    cls = type(thing)
    if cls.__module__ == "werkzeug.local":
        return True
    return _package(cls) in _SHARED_PACKAGES and cls.__name__ not in _NOT_SHARED


def fresh(thing: Any, place: Place) -> tuple[Callable[..., Any], list[Any]] | None:
    """Return how to make a lock, queue or logger anew, and from which parts; None for anything else.

    Constructors are looked up when called, so that they are those of the simulation.
    """
    if issubclass(type(thing), logging.Logger):
        return (logging.getLogger, [] if issubclass(type(thing), logging.RootLogger) else [thing.name])
    cls = type(thing)
    if _package(cls) not in ("_thread", "threading", "queue", "_queue", "fleetlab"):
        return None
    make = _FRESH.get(cls.__name__)
    return make(thing, place) if make is not None else None


def _of(name: str, attribute: str = "") -> Callable[[Any, Place], tuple[Callable[..., Any], list[Any]]]:
    """Return the recipe of a `threading` primitive; the one `attribute` it is made from goes along."""

    def recipe(thing: Any, place: Place) -> tuple[Callable[..., Any], list[Any]]:
        parts = [getattr(thing, attribute)] if hasattr(thing, attribute) else []
        return (lambda *parts: getattr(threading, name)(*parts)), parts

    return recipe


def _event(thing: Any, place: Place) -> tuple[Callable[..., Any], list[Any]]:
    def make() -> threading.Event:
        event = threading.Event()
        if was_set:
            event.set()
        return event

    was_set = thing.is_set()
    return make, []


def _queue(thing: Any, place: Place) -> tuple[Callable[..., Any], list[Any]]:
    name = type(thing).__name__.removeprefix("_Py")
    if not thing.empty():
        raise refusal(place, f"a {name} that holds items", "fill it inside the factory")
    parts = [thing.maxsize] if hasattr(thing, "maxsize") else []
    return (lambda *parts: getattr(queue, name)(*parts)), parts


_FRESH: dict[str, Callable[[Any, Place], tuple[Callable[..., Any], list[Any]]]] = {
    **dict.fromkeys(("lock", "Lock", "TurnLock"), _of("Lock")),
    **dict.fromkeys(("RLock", "_RLock", "TurnRLock"), _of("RLock")),
    **dict.fromkeys(("local", "_local"), _of("local")),
    "Condition": _of("Condition", "_lock"),
    "Semaphore": _of("Semaphore", "_value"),
    "BoundedSemaphore": _of("BoundedSemaphore", "_value"),
    "Barrier": _of("Barrier", "parties"),
    "Event": _event,
    **dict.fromkeys(("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "_PySimpleQueue"), _queue),
}
