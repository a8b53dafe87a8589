"""What an HTTP cache keeps: responses by URL, their variants, and how one gets rid of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import hishel


@dataclass(slots=True)
class Kept:
    """The responses that one cache keeps, by URL: one for everybody, or, not `shared`, the private one of a user."""

    shared: bool
    entries: dict[str, dict[uuid.UUID, tuple[hishel.Entry, bytes]]] = field(default_factory=dict)
    count: int = 0

    def storage(self) -> hishel.BaseStorage:
        """Return this as hishel wants it."""
        return _storage(self)

    def keep(self, key: str, entry: hishel.Entry, body: bytes) -> None:
        """Keep a response in place of the one that it replaces: the last one that answers the same requests."""
        entries = self.entries.setdefault(key, {})
        for old in [number for number, (one, _) in entries.items() if _variant(one) == _variant(entry)]:
            del entries[old]
        entries[entry.id] = entry, body

    def purge(self, url: str) -> int:
        """Drop what is kept for a URL; return how many responses that were."""
        return len(self.entries.pop(url, ()))

    def ban(self, url: str) -> int:
        """Drop what is kept for a URL and for all below its path; return how many responses that were."""
        above = url.rstrip("/")
        banned = [key for key in self.entries if key == above or key.startswith((f"{above}/", f"{above}?"))]
        return sum(self.purge(key) for key in banned)

    def refuses(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a response goes unkept although RFC 9111 allows it: a shared cache stores nobody's cookie.

        The RFC leaves that to the origin (section 7.3). Varnish and nginx, as they are installed, do not store it.
        """
        return self.shared and "set-cookie" in headers


def _variant(entry: hishel.Entry) -> tuple[str | None, ...]:
    """Return what tells the requests that a response answers from others: its method, and what Vary names."""
    names = sorted(name.strip().lower() for name in entry.response.headers.get("vary", "").split(","))
    return entry.request.method, *(value for name in names for value in (name, entry.request.headers.get(name)))


def _storage(kept: Kept) -> hishel.BaseStorage:
    from hishel import BaseStorage, Entry, Headers, Request, Response

    def without(name: str, headers: Headers) -> Headers:
        """Return headers without one."""
        return Headers({each: headers.get_list(each) or [] for each in headers if each != name})

    def response(entry: Entry, body: bytes) -> Response:
        """Return a kept response without the age that it came with: a cache tells the age of today."""
        kept = entry.response
        return Response(kept.status_code, without("age", kept.headers), iter([body]))

    class Memory(BaseStorage):
        """Keeps entries in a dict; a response is there once its body has been read to the end."""

        def create_entry(self, request: Request, response: Response, key: str, **limits: Any) -> Entry:
            if kept.refuses(response.headers):
                return Entry(uuid.UUID(int=0), request, response)
            kept.count += 1
            entry = Entry(uuid.UUID(int=kept.count), request, response)
            body = cast("Iterator[bytes]", response.stream or ())
            response.stream = None

            def saved() -> Iterator[bytes]:
                whole = b""
                for part in body:
                    whole += part
                    yield part
                kept.keep(key, entry, whole)

            return Entry(entry.id, request, Response(response.status_code, response.headers, saved()))

        def get_entries(self, key: str) -> list[Entry]:
            found = kept.entries.get(key, {}).values()
            return [Entry(one.id, one.request, response(one, body)) for one, body in found]

        def update_headers(self, entry: uuid.UUID, headers: Headers) -> None:
            headers = without("set-cookie", headers) if kept.shared else headers  # a 304 may bring one
            for entries in kept.entries.values():
                if entry in entries:
                    entries[entry][0].response.headers = headers

        def remove_entry(self, entry: uuid.UUID) -> None:
            for entries in kept.entries.values():
                entries.pop(entry, None)

    return Memory()
