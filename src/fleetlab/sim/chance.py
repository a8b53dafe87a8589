"""Randomness: inside a task `random`, `secrets`, `uuid4` and `os.urandom` are functions of the seed."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

from .kernel import current_task
from .process import stream

_real_urandom = os.urandom
_real_seed = random.Random.seed
_real_uuid1, _real_getnode = uuid.uuid1, uuid.getnode

_FUNCTIONS = (
    "betavariate binomialvariate choice choices expovariate gammavariate gauss getrandbits getstate lognormvariate "
    "normalvariate paretovariate randbytes randint random randrange sample seed setstate shuffle triangular uniform "
    "vonmisesvariate weibullvariate"
).split()


def urandom(size: int, /) -> bytes:
    """Return `size` bytes: from the running task's stream, or from the operating system."""
    task = current_task()
    return stream(task).randbytes(size) if task is not None else _real_urandom(size)


def _function(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        task = current_task()
        return real(*args, **kwargs) if task is None else getattr(stream(task), name)(*args, **kwargs)

    dispatch.__name__ = dispatch.__qualname__ = name
    return dispatch


def _uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """Return a UUID of the time and the host, which remembers the last one: the running process's, or the real one."""
    task = current_task()
    if task is None:
        return _real_uuid1(node, clock_seq)
    outside, key = uuid._last_timestamp, (task.process, "uuid1")  # type: ignore[attr-defined]
    uuid._last_timestamp = task.sim.numbers.get(key)  # type: ignore[attr-defined]
    try:
        return _real_uuid1(node, clock_seq)
    finally:
        task.sim.numbers[key], uuid._last_timestamp = uuid._last_timestamp, outside  # type: ignore[attr-defined]


def _getnode() -> int:
    """Return the hardware address: a drawn one (RFC 9562, section 6.10) inside a task."""
    task = current_task()
    return _real_getnode() if task is None else Random(f"node {task.sim.seed} {task.lane}").getrandbits(48) | 1 << 40


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """Seed a generator; without a seed, from the running task's stream."""
    task = current_task()
    if a is None and task is not None:
        a = stream(task).getrandbits(128)
    _real_seed(self, a, version)


def install(replace: Callable[[object, str, object], None]) -> None:
    """Put the dispatchers in place through `replace(owner, name, dispatcher)`."""
    replace(os, "urandom", urandom)
    replace(random, "_urandom", urandom)
    replace(uuid, "uuid1", _uuid1)
    replace(uuid, "getnode", _getnode)
    for name in _FUNCTIONS:
        if hasattr(random, name):
            replace(random, name, _function(name, getattr(random, name)))
    random.Random.seed = _seed  # type: ignore[method-assign]
