"""One HTTP request to a WSGI application, without a socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

_SAME = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}
_SHORT = frozenset({"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"})


@dataclass(slots=True)
class Answer:
    """What an application answered: status, header pairs, body; of a streamed body the beginning and the `rest`."""

    status: int
    headers: Headers
    body: bytes
    rest: Iterable[bytes] = ()
    close: Callable[[], None] | None = None


def environ(request: httpx.Request, server: str, client: str) -> dict[str, Any]:
    """Return the WSGI environment of a request, as PEP 3333 describes it."""
    url, body = request.url, request.read()
    path, _, query = url.raw_path.partition(b"?")
    variables = {
        **_SAME,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "REMOTE_ADDR": client,
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    for name, value in request.headers.raw:
        key, text = _variable(name), value.decode("latin-1")
        variables[key] = f"{variables[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}" if key in variables else text
    if variables.pop("HTTP_TRANSFER_ENCODING", ""):
        variables["CONTENT_LENGTH"] = str(len(body))  # it arrived in parts, and is whole by now
    return variables


@lru_cache(maxsize=1024)
def _variable(header: bytes) -> str:
    """Return the WSGI variable of a header."""
    key = "HTTP_" + header.decode("latin-1").upper().replace("-", "_")
    return key[5:] if key in _SHORT else key


def call(app: App, variables: dict[str, Any]) -> Answer:
    """Call a WSGI application until it has begun to answer: to the end, unless it streams a body of unknown length."""
    head: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Headers, error: Any = None) -> Callable[[bytes], None]:
        head[:] = [status, headers]
        return written.append

    result = app(variables, start_response)
    if result is None:
        raise TypeError("The application returned None in place of a response.")
    close = getattr(result, "close", None)
    parts = iter(result)
    try:
        first = next((part for part in parts if part), b"")
        if not head:
            raise TypeError("The application answered without calling start_response.")
        answer = Answer(int(head[0].split(" ", 1)[0]), list(head[1]), b"".join((*written, first)), parts, close)
        streams = first and not hasattr(result, "__len__") and not _has_length(answer.headers)
        if streams and variables["REQUEST_METHOD"] != "HEAD":
            answer.headers.append(("Transfer-Encoding", "chunked"))
            close = None
            return answer
        _complete(answer, variables["REQUEST_METHOD"])
        return answer
    finally:
        if close is not None:
            close()


def _has_length(headers: Headers) -> bool:
    return any(name.lower() == "content-length" for name, _ in headers)


def _complete(answer: Answer, method: str) -> None:
    """Take the whole body of an answer, and state its length where it may have one."""
    answer.body = b"".join((answer.body, *answer.rest))
    answer.rest, answer.close = (), None
    if answer.status >= 200 and answer.status not in (204, 304) and not _has_length(answer.headers):
        answer.headers.append(("Content-Length", str(len(answer.body))))
    if method == "HEAD":
        answer.body = b""
