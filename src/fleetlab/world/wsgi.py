"""One HTTP request to a WSGI application, without a socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered: status line, header pairs, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def environ(request: httpx.Request, server: str, client: str) -> dict[str, Any]:
    """Return the WSGI environment of a request, as PEP 3333 describes it."""
    url = request.url
    variables: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path),
        "QUERY_STRING": url.query.decode("ascii"),
        "SERVER_NAME": url.host or server,
        "SERVER_PORT": str(url.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(request.content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.multi_items():
        key = name.upper().replace("-", "_")
        variables[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return variables


def call(app: App, variables: dict[str, Any]) -> Answer:
    """Call a WSGI application and collect its whole answer."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        head[:] = [status, headers]
        return chunks.append

    chunks: list[bytes] = []
    result = app(variables, start_response)
    try:
        chunks.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Answer(int(head[0].split(" ", 1)[0]), list(head[1]), b"".join(chunks))
