"""Answers to 03.correlation: the stub, what people really write, and what is right."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import structlog
from flask import Flask, abort, g, request
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars, merge_contextvars
from werkzeug.exceptions import HTTPException

HEADER = "X-Request-ID"


def json_log():
    """Return a log whose lines are JSON: what a call says, and what is bound to the context."""
    logging.getLogger("fleet").setLevel("INFO")
    steps = [merge_contextvars, structlog.processors.add_log_level, structlog.processors.JSONRenderer(sort_keys=True)]
    return structlog.wrap_logger(logging.getLogger("fleet"), processors=steps)


def stub(env):
    """Run as shop, stock or parcel: log what is done, and ask the next service."""
    app, log = Flask(env.vars["NAME"]), json_log()

    def call(name, item):
        env.http.post(f"http://{name}/orders/{item}").raise_for_status()

    def tell(item):
        call(env.vars["LATER"], item)
        log.info("told", item=item)

    @app.post("/orders/<item>")
    def order(item):
        log.info("began", item=item)
        if "THEN" in env.vars:
            call(env.vars["THEN"], item)
        if "LATER" in env.vars:
            threading.Thread(target=tell, args=(item,)).start()
        log.info("done", item=item)
        return {"item": item}

    return app


def checked() -> str:
    """Return the id that came with the request, if it is one, or a new one."""
    given = request.headers.get(HEADER, "")
    return given if re.fullmatch("[A-Za-z0-9-]{1,64}", given) else str(uuid.uuid4())


def current() -> str:
    """Return the id that is bound to this context."""
    return str(get_contextvars().get("request_id", ""))


def in_context(f: Callable[..., Any], *args: Any) -> None:
    """Start a thread in a copy of this context."""
    threading.Thread(target=copy_context().run, args=(f, *args)).start()


def without_context(f: Callable[..., Any], *args: Any) -> None:
    """Start a thread as it is done everywhere."""
    threading.Thread(target=f, args=args).start()


def build(
    env: Any,
    choose: Callable[[], str] = checked,
    begin: Callable[[str], Any] = lambda request_id: bind_contextvars(request_id=request_id) and None,
    now: Callable[[], str] = current,
    start: Callable[..., None] = in_context,
    handled: bool = True,
    told: bool = True,
    silent: bool = False,
) -> Flask:
    """Return a service made of these parts."""
    app, log = Flask(env.vars["NAME"]), json_log()

    def note(event: str, item: str) -> None:
        if not silent:
            bound = {} if "request_id" in get_contextvars() or not now() else {"request_id": now()}
            log.info(event, item=item, **bound)

    def call(name: str, item: str) -> None:
        headers = {HEADER: now()} if now() else {}
        env.http.post(f"http://{name}/orders/{item}", headers=headers).raise_for_status()

    def tell(item: str) -> None:
        call(env.vars["LATER"], item)
        note("told", item)

    @app.before_request
    def came() -> None:
        begin(choose())

    @app.after_request
    def goes(response: Any) -> Any:
        if told:
            response.headers[HEADER] = now()
        return response

    if handled:

        @app.errorhandler(Exception)
        def failed(error: Exception) -> Any:
            if isinstance(error, HTTPException):
                return error
            log.error("failed", error=str(error), request_id=now())
            return {"error": "later"}, 500

    @app.post("/orders/<item>")
    def order(item: str) -> Any:
        note("began", item)
        if "THEN" in env.vars:
            call(env.vars["THEN"], item)
        if "LATER" in env.vars:
            start(tell, item)
        note("done", item)
        return {"item": item}

    return app


# -- wrong


def new_id_a_hop(env: Any) -> Flask:
    """Who gives each service an id of its own: three ids for one order, and nobody knows which belong together."""
    return build(env, choose=lambda: str(uuid.uuid4()))


def not_passed_on(env: Any) -> Flask:
    """Who reads the header everywhere and sends it nowhere."""
    app = build(env)
    env.http.event_hooks["request"].append(lambda request: request.headers.pop(HEADER))
    return app


def module_global(env: Any) -> Flask:
    """Who keeps the id in a variable that every request of the process can see, and overwrite."""
    kept = {"id": ""}
    return build(env, begin=lambda request_id: kept.update(id=request_id), now=lambda: kept["id"])


def header_of_the_client(env: Any) -> Flask:
    """Who sets the header on the shared client, once a request: whoever comes last has set it for all."""
    app = build(env)

    @app.before_request
    def share() -> None:
        env.http.headers[HEADER] = current()

    env.http.event_hooks["request"].append(lambda request: request.headers.update({HEADER: env.http.headers[HEADER]}))
    return app


def plain_thread(env: Any) -> Flask:
    """Who relies on the context, and starts a thread, which has none."""
    return build(env, start=without_context)


def header_but_no_line(env: Any) -> Flask:
    """Who hands the id to the thread for its call, and forgets the line that it logs there."""
    app, log = Flask(env.vars["NAME"]), json_log()

    def call(name: str, item: str, request_id: str) -> None:
        env.http.post(f"http://{name}/orders/{item}", headers={HEADER: request_id}).raise_for_status()

    def tell(item: str, request_id: str) -> None:
        call(env.vars["LATER"], item, request_id)
        log.info("told", item=item)

    @app.before_request
    def came() -> None:
        bind_contextvars(request_id=checked())

    @app.post("/orders/<item>")
    def order(item: str) -> Any:
        log.info("began", item=item)
        if "THEN" in env.vars:
            call(env.vars["THEN"], item, current())
        if "LATER" in env.vars:
            without_context(tell, item, current())
        log.info("done", item=item)
        return {"item": item}, 200, {HEADER: current()}

    return app


def request_in_the_thread(env: Any) -> Flask:
    """Who asks Flask for the id in the thread: the request is over there."""

    def begin(request_id: str) -> None:
        g.request_id = request_id

    return build(env, begin=begin, now=lambda: g.request_id, start=without_context)


def no_error_handler(env: Any) -> Flask:
    """Who logs every step that succeeds: of a failure there is Flask's own line, without an id."""
    return build(env, handled=False)


def swallows(env: Any) -> Flask:
    """Who logs the failure as it should be, and lets the customer believe that all went well."""
    app = build(env)
    order = app.view_functions["order"]

    def swallow(item: str) -> Any:
        try:
            return order(item)
        except Exception as error:
            json_log().error("failed", error=str(error))
            return {"item": item}

    app.view_functions["order"] = swallow
    return app


def bound_in_the_view(env: Any) -> Flask:
    """Who binds the id in a with block around the work: the error handler runs after it has ended."""
    app, log = Flask(env.vars["NAME"]), json_log()

    def call(name: str, item: str) -> None:
        env.http.post(f"http://{name}/orders/{item}", headers={HEADER: current()}).raise_for_status()

    def tell(item: str) -> None:
        call(env.vars["LATER"], item)
        log.info("told", item=item)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Any:
        log.error("failed", error=str(error))
        return {"error": "later"}, 500, {HEADER: request.headers.get(HEADER, "")}

    @app.post("/orders/<item>")
    def order(item: str) -> Any:
        with bound_contextvars(request_id=checked()):
            log.info("began", item=item)
            if "THEN" in env.vars:
                call(env.vars["THEN"], item)
            if "LATER" in env.vars:
                in_context(tell, item)
            log.info("done", item=item)
            return {"item": item}, 200, {HEADER: current()}

    return app


def told_on_success(env: Any) -> Flask:
    """Who puts the id into the answer where it is made: answers that an error handler makes have none."""
    app = build(env, told=False)
    order = app.view_functions["order"]
    app.view_functions["order"] = lambda item: (order(item), 200, {HEADER: current()})
    return app


def never_told(env: Any) -> Flask:
    """Who keeps the id to the services: a customer who writes in has nothing to quote."""
    return build(env, told=False)


def trusts_the_client(env: Any) -> Flask:
    """Who takes over whatever comes: a client writes into the logs of three services."""
    return build(env, choose=lambda: request.headers.get(HEADER) or str(uuid.uuid4()))


def cut_to_length(env: Any) -> Flask:
    """Who thinks of the length alone."""
    return build(env, choose=lambda: request.headers.get(HEADER, "")[:64] or str(uuid.uuid4()))


def echoed(env: Any) -> Flask:
    """Who checks what is logged, and sends back what came: a page that shows the id shows the client's text."""
    app = build(env, told=False)

    @app.after_request
    def echo(response: Any) -> Any:
        response.headers[HEADER] = request.headers.get(HEADER) or current()
        return response

    return app


def begins_well(env: Any) -> Flask:
    """Who takes re.match for the whole, which looks at the beginning."""

    def choose() -> str:
        given = request.headers.get(HEADER, "")
        return given if re.match("[A-Za-z0-9-]{1,64}", given) else str(uuid.uuid4())

    return build(env, choose=choose)


def word_characters(env: Any) -> Flask:
    r"""Who takes \\w for letters and digits: there are more of them than an id may have, and the underscore."""

    def choose() -> str:
        given = request.headers.get(HEADER, "")
        return given if re.fullmatch(r"[\w-]{1,64}", given) else str(uuid.uuid4())

    return build(env, choose=choose)


def small_letters(env: Any) -> Flask:
    """Who takes over ids of small letters alone (an over-fix)."""

    def choose() -> str:
        given = request.headers.get(HEADER, "")
        return given if re.fullmatch("[a-z0-9-]{1,64}", given) else str(uuid.uuid4())

    return build(env, choose=choose)


def uuids_only(env: Any) -> Flask:
    """Who takes over ids of his own kind alone (an over-fix): every other one breaks off at the door."""

    def choose() -> str:
        try:
            return str(uuid.UUID(request.headers.get(HEADER, "")))
        except ValueError:
            return str(uuid.uuid4())

    return build(env, choose=choose)


def keeps_what_it_finds(env: Any) -> Flask:
    """Who makes an id where none is bound: the worker still has that of the request before."""

    def choose() -> str:
        given = request.headers.get(HEADER, "")
        return given if re.fullmatch("[A-Za-z0-9-]{1,64}", given) else current() or str(uuid.uuid4())

    return build(env, choose=choose)


def context_of_the_first(env: Any) -> Flask:
    """Who copies the context once, for the pool: everything in the background belongs to the first order."""
    pool, contexts = ThreadPoolExecutor(1), []

    def start(f: Callable[..., Any], *args: Any) -> None:
        if not contexts:
            contexts.append(copy_context())
        pool.submit(contexts[0].run, f, *args)

    return build(env, start=start)


def refuses(env: Any) -> Flask:
    """Who answers 400 to an id that is none: an order is lost over a label."""

    def choose() -> str:
        given = request.headers.get(HEADER, str(uuid.uuid4()))
        return given if re.fullmatch("[A-Za-z0-9-]{1,64}", given) else abort(400)

    return build(env, choose=choose)


def one_a_process(env: Any) -> Flask:
    """Who makes the id when the app is made."""
    own = str(uuid.uuid4())
    return build(env, choose=lambda: request.headers.get(HEADER) or own)


def milliseconds(env: Any) -> Flask:
    """Who takes the clock for an id: two orders in one millisecond have one."""
    return build(env, choose=lambda: request.headers.get(HEADER) or str(int(time.time() * 1000)))


def one_at_a_time(env: Any) -> Flask:
    """Who lets one order through at a time, so that a variable will do."""
    kept, lock = {"id": ""}, threading.Lock()
    app = build(
        env,
        begin=lambda request_id: lock.acquire() and kept.update(id=request_id),
        now=lambda: current() or kept["id"],
        start=lambda f, *args: in_context(lambda: (bind_contextvars(request_id=kept["id"]), f(*args))),
    )
    app.teardown_request(lambda error: lock.release())
    return app


def says_nothing(env: Any) -> Flask:
    """Who has no wrong line, for want of lines."""
    return build(env, silent=True)


# -- right


def context(env: Any) -> Flask:
    """Context variables, and a thread that is given a copy of the context."""
    return build(env)


def by_hand(env: Any) -> Flask:
    """No context at all: each function is handed its log, which knows the id."""
    app, base = Flask(env.vars["NAME"]), json_log()

    def call(name: str, item: str, request_id: str) -> None:
        env.http.post(f"http://{name}/orders/{item}", headers={HEADER: request_id}).raise_for_status()

    def tell(item: str, request_id: str) -> None:
        call(env.vars["LATER"], item, request_id)
        base.info("told", item=item, request_id=request_id)

    @app.post("/orders/<item>")
    def order(item: str) -> Any:
        request_id = checked()
        log = base.bind(request_id=request_id)
        log.info("began", item=item)
        try:
            if "THEN" in env.vars:
                call(env.vars["THEN"], item, request_id)
        except Exception as error:
            log.error("failed", item=item, error=str(error))
            return {"error": "later"}, 503, {HEADER: request_id}
        if "LATER" in env.vars:
            threading.Thread(target=tell, args=(item, request_id)).start()
        log.info("done", item=item)
        return {"item": item}, 200, {HEADER: request_id}

    return app


def middleware(env: Any) -> Any:
    """A layer around the app binds the id and tells it; a hook of the client passes it on; the app knows nothing."""
    kept: ContextVar[str] = ContextVar("request_id", default="")
    pool = ThreadPoolExecutor(2)

    def start(f: Callable[..., Any], *args: Any) -> None:
        pool.submit(copy_context().run, f, *args)

    app = build(env, begin=lambda request_id: None, now=kept.get, told=False, start=start)

    def layer(environ: Any, start_response: Any) -> Any:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        kept.set(given if re.fullmatch("[A-Za-z0-9-]{1,64}", given) else uuid.uuid4().hex)

        def begin(status: str, headers: Any, error: Any = None) -> Any:
            return start_response(status, [*headers, (HEADER, kept.get())], error)

        return app(environ, begin)

    return layer


def flask_g(env: Any) -> Flask:
    """Flask's own g during the request, and the context for the thread."""

    def begin(request_id: str) -> None:
        g.request_id = request_id

    def start(f: Callable[..., Any], *args: Any) -> None:
        request_id = g.request_id

        def run() -> None:
            bind_contextvars(request_id=request_id)
            f(*args)

        threading.Thread(target=run).start()

    return build(env, begin=begin, now=lambda: current() or g.request_id, start=start)


def thread_local(env: Any) -> Flask:
    """Thread-local storage, and a thread that is told the id."""
    kept = threading.local()

    def start(f: Callable[..., Any], *args: Any) -> None:
        request_id = kept.id

        def run() -> None:
            kept.id = request_id
            f(*args)

        threading.Thread(target=run).start()

    return build(env, begin=lambda id_: setattr(kept, "id", id_), now=lambda: kept.id, start=start)


STUB = (stub, "S03-NO-ID")
WRONG = {
    "new_id_a_hop": (new_id_a_hop, "S03-NEW-ID"),
    "not_passed_on": (not_passed_on, "S03-NEW-ID"),
    "uuids_only": (uuids_only, "S03-NEW-ID"),
    "small_letters": (small_letters, "S03-NEW-ID"),
    "module_global": (module_global, "S03-MIXED-UP"),
    "context_of_the_first": (context_of_the_first, "S03-MIXED-UP"),
    "header_of_the_client": (header_of_the_client, "S03-MIXED-UP"),
    "plain_thread": (plain_thread, "S03-LOST-IN-BACKGROUND"),
    "header_but_no_line": (header_but_no_line, "S03-LOST-IN-BACKGROUND"),
    "request_in_the_thread": (request_in_the_thread, "S03-SILENT"),
    "no_error_handler": (no_error_handler, "S03-LOST-ON-ERROR"),
    "bound_in_the_view": (bound_in_the_view, "S03-LOST-ON-ERROR"),
    "told_on_success": (told_on_success, "S03-NOT-TOLD"),
    "never_told": (never_told, "S03-NOT-TOLD"),
    "trusts_the_client": (trusts_the_client, "S03-FORGED"),
    "cut_to_length": (cut_to_length, "S03-FORGED"),
    "echoed": (echoed, "S03-FORGED"),
    "begins_well": (begins_well, "S03-FORGED"),
    "word_characters": (word_characters, "S03-FORGED"),
    "swallows": (swallows, "S03-FALSE-SUCCESS"),
    "refuses": (refuses, "S03-UNANSWERED"),
    "one_a_process": (one_a_process, "S03-SHARED-ID"),
    "keeps_what_it_finds": (keeps_what_it_finds, "S03-SHARED-ID"),
    "milliseconds": (milliseconds, "S03-SHARED-ID"),
    "one_at_a_time": (one_at_a_time, "S03-BLOCKED"),
    "says_nothing": (says_nothing, "S03-SILENT"),
}
RIGHT = {
    "context": context,
    "by_hand": by_hand,
    "middleware": middleware,
    "flask_g": flask_g,
    "thread_local": thread_local,
}
REPLAYED = "module_global"
