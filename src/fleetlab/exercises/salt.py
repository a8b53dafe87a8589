"""The built-in hash(), salted anew in each instance, as Python salts it in each process."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from fleetlab.sim.process import current_process
from fleetlab.sim.trace import is_learner_file


@contextmanager
def salted() -> Iterator[None]:
    """Let the learner's code see another hash() of text in each instance; nobody else's hash() changes.

    All instances live in one Python process and would share its salt; real ones do not (PYTHONHASHSEED).
    """
    plain = builtins.hash

    def hash_of(value: Any) -> int:
        process = current_process()
        learner = process is not None and is_learner_file(sys._getframe(1).f_code.co_filename)
        return _salted(value, process.name, plain) if process is not None and learner else plain(value)

    builtins.hash = hash_of
    try:
        yield
    finally:
        builtins.hash = plain


def _salted(value: Any, salt: str, plain: Callable[[Any], int]) -> int:
    """Return the hash of a value; only text and bytes are salted, and what is made of them."""
    if isinstance(value, (str, bytes)):
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return int.from_bytes(blake2b(raw, digest_size=8, key=salt.encode()).digest(), "big", signed=True)
    if isinstance(value, (tuple, frozenset)):
        return plain(type(value)(_salted(part, salt, plain) for part in value))
    return plain(value)


__all__ = ["salted"]
