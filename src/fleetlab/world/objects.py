"""The object store: whole objects, published when they are closed, as S3, GCS and Azure Blob do it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from fsspec import AbstractFileSystem

from fleetlab.sim.process import current_process

from .service import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from .network import Network

Info = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Object:
    """One object: its bytes, and the virtual second of its last write."""

    content: bytes
    written: float


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """An fsspec file system with an object store's semantics, one a world.

    An object appears whole when its file is closed, also when the body of the `with` raised; a killed writer
    publishes nothing. There are no directories to make and no rename: moving is a copy and a delete. Each request is
    one step; `ConnectionError` and `TimeoutError` say that the store was out of reach.
    """

    protocol = "objects"
    cachable = False  # fsspec would otherwise share one store among all worlds

    def __init__(self, network: Network, name: str = "objects") -> None:
        super().__init__()
        self.network = network
        self.name = name
        self._objects: dict[str, Object] = {}
        network.sim.trace.lane(name, "store")

    def _call(self, what: str, key: str, access: str, effect: Callable[[], Any]) -> Any:
        return call(self.network, self.name, what, key, access, effect)

    def _key(self, path: str) -> str:
        return str(self._strip_protocol(path)).strip("/")

    def _get(self, key: str) -> Object:
        if key not in self._objects:
            raise FileNotFoundError(key)
        return self._objects[key]

    # -- looking

    def info(self, path: str, **_: Any) -> Info:
        """Return name, size (bytes), type and last write of an object or prefix; raises FileNotFoundError."""
        key = self._key(path)
        found: Info = self._call(f"HEAD {key}", key, "r", lambda: self._info(key))
        return found

    def _info(self, key: str) -> Info:
        if key not in self._objects and any(name.startswith(f"{key}/" if key else "") for name in self._objects):
            return {"name": key, "size": 0, "type": "directory"}
        thing = self._get(key)
        written = datetime.fromtimestamp(self.network.sim.epoch + thing.written, UTC)
        return {"name": key, "size": len(thing.content), "type": "file", "LastModified": written}

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether there is such an object or prefix; a store out of reach is an error, not a no."""
        return self._type(path) != ""

    def isfile(self, path: str) -> bool:
        """Tell whether there is such an object."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Tell whether there are objects under this prefix."""
        return self._type(path) == "directory"

    def _type(self, path: str) -> str:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return ""

    def modified(self, path: str) -> datetime:
        """Return the moment of an object's last write, in UTC and virtual time."""
        moment: datetime = self.info(path)["LastModified"]
        return moment

    def created(self, path: str) -> NoReturn:
        """Refuse: an object has one time, that of its last write."""
        raise NotImplementedError("An object has no time of creation: use modified(path).")

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List the objects and prefixes directly under a prefix, by name; FileNotFoundError if there are none."""
        key = self._key(path)
        found: list[Info] = self._call(f"LIST {key}", "*", "r", lambda: self._children(key))
        return found if detail else [entry["name"] for entry in found]

    def _children(self, key: str) -> list[Info]:
        if key in self._objects:
            return [self._info(key)]
        start = f"{key}/" if key else ""
        names = dict.fromkeys(start + name[len(start) :].split("/")[0] for name in self._under(start))
        if key and not names:
            raise FileNotFoundError(key)
        return [self._info(name) for name in names]

    def _under(self, start: str) -> Iterable[str]:
        return sorted(name for name in self._objects if name.startswith(start))

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any
    ) -> Any:
        """Return every object under a prefix, by name: one request, however deep they lie."""
        key = self._key(path)
        found: list[Info] = self._call(f"LIST {key}", "*", "r", lambda: self._all(key, maxdepth, withdirs))
        return {entry["name"]: entry for entry in found} if detail else [entry["name"] for entry in found]

    def _all(self, key: str, depth: int | None, withdirs: bool) -> list[Info]:
        start = f"{key}/" if key else ""
        names = {key} & self._objects.keys()
        for name in self._under(start):
            parts = name[len(start) :].split("/")
            if depth is None or len(parts) <= depth:
                names.add(name)
            if withdirs:
                names.update(start + "/".join(parts[:n]) for n in range(1, min(len(parts), (depth or len(parts)) + 1)))
        return [self._info(name) for name in sorted(names)]

    # -- reading and writing

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> Any:
        key = self._key(path)
        if mode == "rb":
            return io.BytesIO(self._call(f"GET {key}", key, "r", lambda: self._get(key).content))
        if mode not in ("wb", "xb"):
            raise NotImplementedError(
                f"An object store has no mode {mode!r}: objects are written whole, never appended to or changed."
            )
        if not autocommit:
            raise NotImplementedError("An object store has no transactions: each object is published by itself.")
        return _Upload(self, key, exclusive=mode == "xb")

    def publish(self, key: str, content: bytes, exclusive: bool) -> None:
        """Make an object visible, whole; `exclusive` raises FileExistsError if there is one (If-None-Match: *)."""

        def put() -> None:
            if exclusive and key in self._objects:
                raise FileExistsError(key)
            self._objects[key] = Object(content, self.network.sim.now)

        self._call(f"PUT {key} ({len(content)} bytes)", key, "w", put)

    def rm_file(self, path: str) -> None:
        """Delete one object; deleting what is not there is no error."""
        key = self._key(path)
        self._call(f"DELETE {key}", key, "w", lambda: self._objects.pop(key, None))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy one object on the server's side."""
        source, target = self._key(path1), self._key(path2)

        def copy() -> None:
            self._objects[target] = Object(self._get(source).content, self.network.sim.now)

        self._call(f"COPY {source} to {target}", "*", "w", copy)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Do nothing: an object store has no directories."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: an object store has no directories."""


class _Upload(io.BytesIO):
    """Collects an object's bytes and publishes them at close, unless its process is dead by then."""

    def __init__(self, store: ObjectStore, key: str, exclusive: bool) -> None:
        super().__init__()
        self._store, self._key, self._exclusive = store, key, exclusive
        self._process = current_process()

    def close(self) -> None:
        """Publish the object; a second call does nothing."""
        if self.closed:
            return
        content = self.getvalue()
        super().close()
        if self._process is None or self._process.alive:
            self._store.publish(self._key, content, self._exclusive)

    def discard(self) -> None:
        """Give the upload up: nothing is published."""
        super().close()
