"""A fence around this process and all that it starts, where the system has one: Linux's Landlock, since 5.13.

Behind it files are written, made and removed below one folder only, and since Linux 6.12 nobody outside is signalled.
Reading, permissions and the network stay as they are. It needs no rights and cannot be taken down.
Source: Linux's `Documentation/userspace-api/landlock.rst`.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls, the same on every processor
_NO_NEW_PRIVILEGES = 38  # <linux/prctl.h>
_BENEATH = 1  # a rule about a path
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # files, folders, links, sockets: made and removed
_SINCE = {2: 1 << 13, 3: _TRUNCATE}  # Landlock's version, and what it can forbid beside these: moving, cutting off
_SCOPES, _SCOPED_SINCE = 0b11, 6  # abstract sockets and signals


def version() -> int:
    """Return the version of Landlock that this system has; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE, None, ctypes.c_size_t(0), 1)))


def put_up(folder: Path) -> bool:
    """Put up the fence around a folder and return whether there is one: first thing, before any thread is started."""
    found = version()
    if not found:
        return False
    changes = _CHANGES | sum(bit for since, bit in _SINCE.items() if found >= since)
    rules = {folder: changes, Path(os.devnull): changes & (_WRITE_FILE | _TRUNCATE)}
    return _restrict(_attributes(found, changes), rules)


def _attributes(found: int, changes: int) -> bytes:
    """Return the kernel's structure: what of files and of the network is restricted, and what else."""
    return struct.pack("=QQQ", changes, 0, _SCOPES) if found >= _SCOPED_SINCE else struct.pack("=Q", changes)


def _restrict(attributes: bytes, rules: Mapping[Path, int]) -> bool:
    system = ctypes.CDLL(None)
    ruleset = system.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path, allowed in rules.items():
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            added = system.syscall(_ADD, ruleset, _BENEATH, struct.pack("=Qi", allowed, place), 0)
            os.close(place)
            if added:
                return False
        system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return not system.syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
