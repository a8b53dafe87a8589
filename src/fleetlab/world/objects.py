"""The object store: whole objects, published when they are closed, as S3, GCS and Azure Blob do it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from fleetlab.sim import current_process, step

if TYPE_CHECKING:
    from .network import Network


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """An fsspec file system with an object store's semantics, one a world.

    An object appears whole when its file is closed, also when the body of the `with` raised; a killed writer
    publishes nothing. There are no directories to make and no rename: moving is a copy and a delete.
    """

    protocol = "objects"
    cachable = False  # fsspec would otherwise share one store among all worlds

    def __init__(self, network: Network, name: str = "objects") -> None:
        super().__init__()
        self.network = network
        self.name = name
        self._objects: dict[str, tuple[bytes, float]] = {}
        network.sim.trace.lane(name, "store")

    def _step(self, what: str, key: str, access: str) -> Any:
        process = current_process()
        state = self.network.state(process.name, self.name) if process is not None else ""
        record = step(what, (self.name, key, access), to=self.name, latency=self.network.latency[self.name])
        if state:
            raise ConnectionError(f"The object store cannot be reached: {state}.")
        return record

    def _key(self, path: str) -> str:
        return str(self._strip_protocol(path)).strip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size (bytes) and type of an object; raises FileNotFoundError."""
        key = self._key(path)
        self._step(f"HEAD {key}", key, "r")
        if key in self._objects:
            content, changed = self._objects[key]
            return {"name": key, "size": len(content), "type": "file", "mtime": changed}
        if any(name.startswith(f"{key}/" if key else "") for name in self._objects):
            return {"name": key, "size": 0, "type": "directory"}
        raise FileNotFoundError(key)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List the objects and common prefixes directly under a prefix, in the order of their names."""
        prefix = self._key(path)
        prefix = f"{prefix}/" if prefix else ""
        self._step(f"LIST {prefix}", "*", "r")
        entries: dict[str, dict[str, Any]] = {}
        for key in sorted(self._objects):
            if key.startswith(prefix):
                head, _, rest = key[len(prefix) :].partition("/")
                size = 0 if rest else len(self._objects[key][0])
                entries[prefix + head] = {"name": prefix + head, "size": size, "type": "directory" if rest else "file"}
        return list(entries.values()) if detail else list(entries)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        key = self._key(path)
        if mode == "rb":
            record = self._step(f"GET {key}", key, "r")
            if key not in self._objects:
                raise FileNotFoundError(key)
            content = self._objects[key][0]
            if record is not None:
                record.reply = f"{len(content)} bytes"
            return io.BytesIO(content)
        if mode in ("wb", "xb"):
            return _Upload(self, key, exclusive=mode == "xb")
        raise NotImplementedError(
            f"An object store has no mode {mode!r}: objects are written whole, never appended to."
        )

    def publish(self, key: str, content: bytes, exclusive: bool) -> None:
        """Make an object visible, whole; `exclusive` raises FileExistsError if there is one (If-None-Match: *)."""
        record = self._step(f"PUT {key} ({len(content)} bytes)", key, "w")
        if exclusive and key in self._objects:
            raise FileExistsError(key)
        self._objects[key] = (content, self.network.sim.now)
        if record is not None and record.fault == "lost reply":
            raise TimeoutError(f"The object store did not answer in time for PUT {key}.")

    def rm_file(self, path: str) -> None:
        """Delete one object; deleting what is not there is no error."""
        key = self._key(path)
        self._step(f"DELETE {key}", key, "w")
        self._objects.pop(key, None)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy one object on the server's side."""
        source, target = self._key(path1), self._key(path2)
        self._step(f"COPY {source} to {target}", "*", "w")
        if source not in self._objects:
            raise FileNotFoundError(source)
        self._objects[target] = (self._objects[source][0], self.network.sim.now)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Do nothing: an object store has no directories."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: an object store has no directories."""

    def created(self, path: str) -> Any:
        """Refuse: an object has one time, that of its last write."""
        raise NotImplementedError("An object has no time of creation: use modified(path).")

    def modified(self, path: str) -> float:
        """Return the virtual second of an object's last write."""
        return float(self.info(path)["mtime"])


class _Upload(io.BytesIO):
    """Collects an object's bytes and publishes them at close."""

    def __init__(self, store: ObjectStore, key: str, exclusive: bool) -> None:
        super().__init__()
        self._store, self._key, self._exclusive = store, key, exclusive

    def close(self) -> None:
        """Publish the object; a second call does nothing."""
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._store.publish(self._key, content, self._exclusive)

    def discard(self) -> None:
        """Give the upload up: nothing is published."""
        super().close()

    def __del__(self) -> None:
        super().close()  # a file that was never closed is an upload that never ended
