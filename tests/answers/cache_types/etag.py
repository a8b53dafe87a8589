"""Answers to 11_1.etag: the stub, what people really write, and what is right."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, abort, make_response, request

TEA = {"en": "Tea costs {} euros.", "de": "Tee kostet {} Euro."}
SHARED, OWN = "public, max-age=60", "private, no-cache"

Send = Callable[..., Any]


def language() -> str:
    """Return the language that the client asks for."""
    return request.accept_languages.best_match(TEA, "en")


def price_of(env: Any) -> int:
    """Return the price as it stands in Redis."""
    return int(env.redis.get("price") or 4)


def serve(env: Any, send: Send, change: Callable[[int], Any] | None = None) -> Flask:
    """Return an app with the routes of the contract; `send(page, rule, vary)` answers with a page."""
    app = Flask("shop")

    @app.get("/tea")
    def tea() -> Any:
        return send(TEA[language()].format(price_of(env)), SHARED, "Accept-Language")

    @app.get("/me")
    def me() -> Any:
        return send(f"{request.cookies['user']} pays {price_of(env) - 1} euros for tea.", OWN, "")

    @app.put("/price")
    def put() -> Any:
        (change or (lambda price: env.redis.set("price", price)))(request.json["price"])
        return {}

    return app


def headed(page: Any, rule: str, vary: str, tag: str | None = None) -> Any:
    """Return a response with its headers; its ETag is `tag`, or made of its body."""
    response = make_response(page)
    response.headers["Cache-Control"] = rule
    if vary:
        response.headers["Vary"] = vary
    if tag is None:
        response.add_etag()
    else:
        response.set_etag(tag)
    return response


def sent(page: Any, rule: str, vary: str, tag: str | None = None) -> Any:
    """Answer with a page, or with 304 where the client has it."""
    return headed(page, rule, vary, tag).make_conditional(request)


def stub(env: Any) -> Flask:
    """One tag an instance, and everybody may keep everything."""
    app = Flask("shop")
    tag = secrets.token_hex(8)

    def answer(page):
        response = make_response(page)
        response.headers["Cache-Control"] = "public, max-age=60"
        response.set_etag(tag)
        return response.make_conditional(request)

    def price():
        return int(env.redis.get("price") or 4)

    @app.get("/tea")
    def tea():
        language = request.accept_languages.best_match(TEA, "en")
        return answer(TEA[language].format(price()))

    @app.get("/me")
    def me():
        return answer(f"{request.cookies['user']} pays {price() - 1} euros for tea.")

    @app.put("/price")
    def change():
        env.redis.set("price", request.json["price"])
        return {}

    return app


# -- right


def body(env: Any) -> Flask:
    """The tag is made of the body: the same page, the same tag, whoever makes it."""
    return serve(env, sent)


def after_request(env: Any) -> Flask:
    """One hook tags every page that any route makes; the routes say who may keep it."""

    def plain(page: str, rule: str, vary: str) -> Any:
        return page, 200, {"Cache-Control": rule} | ({"Vary": vary} if vary else {})

    app = serve(env, plain)

    @app.after_request
    def tag(response: Any) -> Any:
        if request.method == "GET" and response.status_code == 200:
            response.add_etag()
            response.make_conditional(request)
        return response

    return app


def by_hand(env: Any) -> Flask:
    """Compares without Flask: every tag of the list, and weakly, as RFC 9110 (13.1.2) has it."""

    def send(page: str, rule: str, vary: str) -> Any:
        tag = '"' + hashlib.sha256(page.encode()).hexdigest()[:16] + '"'
        headers = {"ETag": tag, "Cache-Control": rule} | ({"Vary": vary} if vary else {})
        held = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
        return ("", 304, headers) if tag in held or held == ["*"] else (page, 200, headers)

    return serve(env, send)


def weak(env: Any) -> Flask:
    """Says that two pages with the same data are as good as the same: a weak tag is enough for caches."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, rule, vary)
        response.set_etag(hashlib.sha1(page.encode()).hexdigest(), weak=True)
        return response.make_conditional(request)

    return serve(env, send)


def version(env: Any) -> Flask:
    """A version that changes together with the price, and is read together with it; no page is made to compare."""
    app = Flask("shop")

    def send(make: Callable[[int], str], who: str, rule: str, vary: str) -> Any:
        price, number = env.redis.mget("price", "version")
        return sent(make(int(price or 4)), rule, vary, f"{who}-{number or 0}")

    @app.get("/tea")
    def tea() -> Any:
        chosen = language()
        return send(lambda price: TEA[chosen].format(price), chosen, SHARED, "Accept-Language")

    @app.get("/me")
    def me() -> Any:
        user = request.cookies["user"]
        return send(lambda price: f"{user} pays {price - 1} euros for tea.", user, OWN, "Cookie")

    @app.put("/price")
    def put() -> Any:
        env.redis.pipeline(transaction=True).set("price", request.json["price"]).incr("version").execute()
        return {}

    return app


def shared_max_age(env: Any) -> Flask:
    """A minute for shared caches, while browsers ask each time; and a tag of the data that the page is made of."""

    def send(page: str, rule: str, vary: str) -> Any:
        rule = "max-age=0, s-maxage=60" if rule == SHARED else "private, max-age=0, must-revalidate"
        data = json.dumps([request.path, language(), request.cookies.get("user"), price_of(env), page])
        return sent(page, rule, vary, hashlib.md5(data.encode()).hexdigest() if vary else None)

    return serve(env, lambda page, rule, vary: send(page, rule, vary) if rule == OWN else sent(page, rule, vary))


def expires(env: Any) -> Flask:
    """Says the minute as HTTP/1.0 did, with Expires."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, "public" if rule == SHARED else rule, vary)
        if rule == SHARED:
            response.expires = time.time() + 60
        return response.make_conditional(request)

    return serve(env, send)


# -- wrong: the tag is not one of the page


def of_the_instance(env: Any) -> Flask:
    """Who makes the tag unique to be safe: the same page has another one on every instance."""
    return serve(
        env, lambda page, rule, vary: sent(page, rule, vary, f"{env.name}-{hashlib.md5(page.encode()).hexdigest()}")
    )


def counted(env: Any) -> Flask:
    """Who counts the versions in each instance: it is the first one everywhere, whatever it says."""
    known: dict[str, int] = {}
    numbers = itertools.count(1)

    def send(page: str, rule: str, vary: str) -> Any:
        if page not in known:
            known[page] = next(numbers)
        return sent(page, rule, vary, f"v{known[page]}")

    return serve(env, send)


def timestamp(env: Any) -> Flask:
    """Who takes the moment at which the page was made: each page is new."""

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies.get("user", "") if rule == OWN else language()
        return sent(page, rule, vary, f"{who}-{time.time()}")

    return serve(env, send)


def second(env: Any) -> Flask:
    """Who takes the second at which the page was made: two pages of one second are the same, others never."""

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies.get("user", "") if rule == OWN else language()
        return sent(page, rule, vary, f"{who}-{int(time.time())}")

    return serve(env, send)


def changed_second(env: Any) -> Flask:
    """Who takes the second of the last change, as file systems and Last-Modified do: two changes in one are one."""

    def change(price: int) -> None:
        env.redis.mset({"price": price, "changed": int(time.time())})

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies.get("user", "") if rule == OWN else language()
        return sent(page, rule, vary, f"{who}-{env.redis.get('changed')}")

    return serve(env, send, change)


def builtin_hash(env: Any) -> Flask:
    """Who takes hash(): Python salts it in each process, and nobody sees that with one."""
    return serve(env, lambda page, rule, vary: sent(page, rule, vary, f"{hash(page) & 0xFFFFFFFF:x}"))


def price_alone(env: Any) -> Flask:
    """Who tags with the price alone: the German page and the English one have the same tag under the same URL."""
    return serve(env, lambda page, rule, vary: sent(page, rule, vary, f"price-{price_of(env)}"))


def user_forgotten(env: Any) -> Flask:
    """Who tags with language and price: of Ada's page and Bob's, only the cookie differs."""
    return serve(env, lambda page, rule, vary: sent(page, rule, vary, f"{language()}-{price_of(env)}"))


def release_number(env: Any) -> Flask:
    """Who tags with the start of the process, since a release changes pages: prices change without one."""
    started = int(time.time())

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies.get("user", "") if rule == OWN else language()
        return sent(page, rule, vary, f"{who}-{started}")

    return serve(env, send)


def version_read_after(env: Any) -> Flask:
    """Who reads the price, then the version: a change between them puts the new version on the old page, for good."""

    def change(price: int) -> None:
        env.redis.pipeline(transaction=True).set("price", price).incr("version").execute()

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies.get("user", "") if rule == OWN else language()
        return sent(page, rule, vary, f"{who}-{env.redis.get('version') or 0}")

    return serve(env, send, change)


def version_written_after(env: Any) -> Flask:
    """Who writes the price, then the version: an instance that dies between them leaves the old version for good."""
    app = Flask("shop")

    def read() -> tuple[int, str]:
        price, number = env.redis.mget("price", "version")
        return int(price or 4), number or "0"

    @app.get("/tea")
    def tea() -> Any:
        price, number = read()
        return sent(TEA[language()].format(price), SHARED, "Accept-Language", f"{language()}-{number}")

    @app.get("/me")
    def me() -> Any:
        user, (price, number) = request.cookies["user"], read()
        return sent(f"{user} pays {price - 1} euros for tea.", OWN, "", f"{user}-{number}")

    @app.put("/price")
    def put() -> Any:
        env.redis.set("price", request.json["price"])
        env.redis.incr("version")
        return {}

    return app


def tag_kept(env: Any) -> Flask:
    """Who makes the tag of a page once and keeps it, since hashing is work: the page has changed since."""
    tags: dict[tuple[str, str], str] = {}

    def send(page: str, rule: str, vary: str) -> Any:
        who = request.cookies["user"] if rule == OWN else language()
        return sent(page, rule, vary, tags.setdefault((request.path, who), hashlib.md5(page.encode()).hexdigest()))

    return serve(env, send)


def length(env: Any) -> Flask:
    """Who takes the page's length and language, as servers of files do: 5 euros are as long as 4."""
    return serve(env, lambda page, rule, vary: sent(page, rule, vary, f"{language()}-{len(page)}"))


def price_in_memory(env: Any) -> Flask:
    """Who keeps the price in the instance to have the page sooner: its tag is right, and the page is an old one."""
    app, known = Flask("shop"), {}

    def price() -> int:
        return known.setdefault("price", price_of(env))

    @app.get("/tea")
    def tea() -> Any:
        return sent(TEA[language()].format(price()), SHARED, "Accept-Language")

    @app.get("/me")
    def me() -> Any:
        return sent(f"{request.cookies['user']} pays {price() - 1} euros for tea.", OWN, "")

    @app.put("/price")
    def put() -> Any:
        known["price"] = request.json["price"]
        env.redis.set("price", known["price"])
        return {}

    return app


# -- wrong: the comparison


def no_comparison(env: Any) -> Flask:
    """Who sets the ETag and leaves the rest to the framework: Flask compares only when it is asked to."""
    return serve(env, headed)


def equal_text(env: Any) -> Flask:
    """Who compares two strings: lists exist, and proxies that compress make a tag weak on its way."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, rule, vary)
        if request.headers.get("If-None-Match") == response.headers["ETag"]:
            return "", 304, dict(response.headers)
        return response

    return serve(env, send)


def contained(env: Any) -> Flask:
    """Who looks for the tag anywhere in the header: it is also found in a longer one."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, rule, vary)
        if response.get_etag()[0] in request.headers.get("If-None-Match", ""):
            return "", 304, dict(response.headers)
        return response

    return serve(env, send)


def bare_304(env: Any) -> Flask:
    """Who answers 304 and nothing more: a cache that holds two languages cannot tell which of them is meant."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, rule, vary)
        return ("", 304) if request.if_none_match.contains_weak(response.get_etag()[0]) else response

    return serve(env, send)


def headers_after(env: Any) -> Flask:
    """Who sets Cache-Control where the status is 200: the 304 has none."""
    app = serve(env, lambda page, rule, vary: sent(page, "", vary))

    @app.after_request
    def rules(response: Any) -> Any:
        del response.headers["Cache-Control"]
        if response.status_code == 200:
            response.headers["Cache-Control"] = SHARED if request.path == "/tea" else OWN
        return response

    return app


def vary_after(env: Any) -> Flask:
    """Who adds Vary where the status is 200: the 304 has none."""
    app = serve(env, lambda page, rule, vary: sent(page, rule, ""))

    @app.after_request
    def apart(response: Any) -> Any:
        if response.status_code == 200 and request.path == "/tea":
            response.vary.add("Accept-Language")
        return response

    return app


def body_with_304(env: Any) -> Any:
    """Who writes WSGI by hand and changes the status only: the body goes out with it."""
    app = serve(env, headed)

    def by_hand(environ: Any, start_response: Any) -> Any:
        headers: list[Any] = []

        def begin(status: str, given: Any, error: Any = None) -> Any:
            headers[:] = [status, given]
            return lambda data: None

        parts = list(app(environ, begin))
        status, given = headers
        tag = dict(given).get("ETag")
        held = environ.get("HTTP_IF_NONE_MATCH", "").replace("W/", "").split(", ")
        start_response("304 NOT MODIFIED" if tag in held else status, given)
        return parts

    return by_hand


def no_tag(env: Any) -> Flask:
    """Who takes Last-Modified in place of an ETag: it is asked for with If-Modified-Since, and counts seconds."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = make_response(page, 200, {"Cache-Control": rule, "Vary": vary or "Cookie"})
        response.last_modified = float(env.redis.get("changed") or 0)
        return response.make_conditional(request)

    def change(price: int) -> None:
        env.redis.mset({"price": price, "changed": time.time()})

    return serve(env, send, change)


def unquoted(env: Any) -> Flask:
    """Who writes the header by hand and forgets the quotes: that is no ETag, and caches may do as they like with it."""

    def send(page: str, rule: str, vary: str) -> Any:
        tag = hashlib.md5(page.encode()).hexdigest()
        headers = {"ETag": tag, "Cache-Control": rule} | ({"Vary": vary} if vary else {})
        return ("", 304, headers) if request.headers.get("If-None-Match") == tag else (page, 200, headers)

    return serve(env, send)


def precondition_failed(env: Any) -> Flask:
    """Who mixes If-None-Match up with If-Match: 412 is for writes."""

    def send(page: str, rule: str, vary: str) -> Any:
        response = headed(page, rule, vary)
        if request.if_none_match.contains_weak(response.get_etag()[0]):
            abort(412)
        return response

    return serve(env, send)


# -- wrong: who may keep it


def with_rules(tea: str, me: str, vary: str = "Accept-Language", own: str = "") -> Callable[[Any], Flask]:
    """Return a factory that tags pages by their body, and has these rules."""

    def shop(env: Any) -> Flask:
        return serve(env, lambda page, rule, _: sent(page, *((tea, vary) if rule == SHARED else (me, own))))

    return shop


public_me = with_rules(SHARED, "public, max-age=60")
"""Who sets one rule for the whole site: the first one's page is everybody's."""

no_rule = with_rules(SHARED, "")
"""Who says nothing about /me, for safety: what says nothing may be stored."""

varies_by_cookie = with_rules(SHARED, SHARED, own="Cookie")
"""Who lets the cache tell users apart by their cookies: each one's page is in there, next to all others'."""

no_cache_alone = with_rules(SHARED, "no-cache")
"""Who reads no-cache as "do not keep": it says "ask before you show it", and a shared cache keeps it."""

public_no_cache = with_rules(SHARED, "public, no-cache")
"""Who wants it asked for each time, by everybody who has kept it."""

zero_for_all = with_rules(SHARED, "max-age=0, s-maxage=0")
"""Who says zero in place of private: it is kept, and at once stale."""

private_alone = with_rules(SHARED, "private")
"""Who says who may keep it, and not for how long: a browser may guess."""

private_for_a_minute = with_rules(SHARED, "private, max-age=60")
"""Who lets the browser keep Ada's page for a minute: the next one who logs in there is shown it."""

by_cookie = with_rules(SHARED, OWN, vary="Cookie")
"""Who tells the pages of a URL apart by what does not tell them apart."""

no_vary = with_rules(SHARED, OWN, vary="")
"""Who forgets that one URL has two pages: the first language is everybody's."""

an_hour = with_rules("public, max-age=3600", OWN)
"""Who wants hits: an hour of the old price in a cache that nobody can reach."""

ten_minutes_at_the_edge = with_rules("public, max-age=60, s-maxage=600", OWN)
"""Who reads s-maxage as an addition: for a shared cache it takes max-age's place."""

never = with_rules("no-store", "no-store")
"""Who had a leak once and keeps nothing anywhere since (an over-fix)."""

all_private = with_rules(OWN, OWN)
"""Who takes the safe rule for all pages (an over-fix): the shared cache is of no use."""

every_cookie = with_rules(SHARED, OWN, vary="Accept-Language, Cookie")
"""Who adds Cookie to Vary everywhere, to be safe (an over-fix): each visitor has a cache of his own."""

user_agent = with_rules(SHARED, OWN, vary="Accept-Language, User-Agent")
"""Who adds User-Agent to Vary (an over-fix): there are ten thousand of them."""

star = with_rules(SHARED, OWN, vary="*")
"""Who means "it depends" (an over-fix): nothing ever matches."""

no_store_me = with_rules(SHARED, "private, no-store")
"""Who lets nobody keep Ada's page, her own browser neither (an over-fix): it is sent whole each time."""


must_revalidate = with_rules("public, max-age=60, must-revalidate", "no-cache, private", vary="accept-language")
"""The same rules in other words."""

stale_while_revalidate = with_rules("max-age=60, stale-while-revalidate=600", OWN)
"""An extension (RFC 5861) that this cache does not know, and passes over."""


def random_tag(env: Any) -> Flask:
    """Each change draws a tag, in one command with the price, and both are read in one."""
    app = Flask("shop")

    def read() -> tuple[int, str]:
        price, tag = env.redis.mget("price", "tag")
        return int(price or 4), tag or "first"

    @app.get("/tea")
    def tea() -> Any:
        price, tag = read()
        return sent(TEA[language()].format(price), SHARED, "Accept-Language", f"{language()}-{tag}")

    @app.get("/me")
    def me() -> Any:
        user, (price, tag) = request.cookies["user"], read()
        return sent(f"{user} pays {price - 1} euros for tea.", OWN, "", f"{user}-{tag}")

    @app.put("/price")
    def put() -> Any:
        env.redis.mset({"price": request.json["price"], "tag": secrets.token_hex(8)})
        return {}

    return app


STUB = (stub, "S11_1-SENT-AGAIN")

WRONG = {
    "of_the_instance": (of_the_instance, "S11_1-SENT-AGAIN"),
    "counted": (counted, "S11_1-FALSE-304"),
    "timestamp": (timestamp, "S11_1-SENT-AGAIN"),
    "second": (second, "S11_1-FALSE-304"),
    "builtin_hash": (builtin_hash, "S11_1-SENT-AGAIN"),
    "no_comparison": (no_comparison, "S11_1-SENT-AGAIN"),
    "equal_text": (equal_text, "S11_1-SENT-AGAIN"),
    "no_store_me": (no_store_me, "S11_1-SENT-AGAIN"),
    "price_alone": (price_alone, "S11_1-FALSE-304"),
    "user_forgotten": (user_forgotten, "S11_1-FALSE-304"),
    "release_number": (release_number, "S11_1-FALSE-304"),
    "changed_second": (changed_second, "S11_1-FALSE-304"),
    "tag_kept": (tag_kept, "S11_1-FALSE-304"),
    "length": (length, "S11_1-FALSE-304"),
    "contained": (contained, "S11_1-FALSE-304"),
    "version_read_after": (version_read_after, "S11_1-FALSE-304"),
    "version_written_after": (version_written_after, "S11_1-FALSE-304"),
    "bare_304": (bare_304, "S11_1-BARE-304"),
    "headers_after": (headers_after, "S11_1-BARE-304"),
    "vary_after": (vary_after, "S11_1-BARE-304"),
    "body_with_304": (body_with_304, "S11_1-BODY-WITH-304"),
    "no_tag": (no_tag, "S11_1-CONTRACT"),
    "unquoted": (unquoted, "S11_1-CONTRACT"),
    "precondition_failed": (precondition_failed, "S11_1-CONTRACT"),
    "public_me": (public_me, "S11_1-LEAKED"),
    "private_for_a_minute": (private_for_a_minute, "S11_1-LEAKED"),
    "no_rule": (no_rule, "S11_1-KEPT-PRIVATE"),
    "varies_by_cookie": (varies_by_cookie, "S11_1-KEPT-PRIVATE"),
    "no_cache_alone": (no_cache_alone, "S11_1-KEPT-PRIVATE"),
    "public_no_cache": (public_no_cache, "S11_1-KEPT-PRIVATE"),
    "zero_for_all": (zero_for_all, "S11_1-KEPT-PRIVATE"),
    "private_alone": (private_alone, "S11_1-GUESSED"),
    "no_vary": (no_vary, "S11_1-WRONG-LANGUAGE"),
    "by_cookie": (by_cookie, "S11_1-WRONG-LANGUAGE"),
    "price_in_memory": (price_in_memory, "S11_1-TOO-OLD"),
    "an_hour": (an_hour, "S11_1-TOO-OLD"),
    "ten_minutes_at_the_edge": (ten_minutes_at_the_edge, "S11_1-TOO-OLD"),
    "never": (never, "S11_1-NOT-KEPT"),
    "all_private": (all_private, "S11_1-NOT-KEPT"),
    "every_cookie": (every_cookie, "S11_1-NOT-KEPT"),
    "user_agent": (user_agent, "S11_1-NOT-KEPT"),
    "star": (star, "S11_1-NOT-KEPT"),
}

RIGHT = {
    "body": body,
    "after_request": after_request,
    "by_hand": by_hand,
    "weak": weak,
    "version": version,
    "shared_max_age": shared_max_age,
    "expires": expires,
    "must_revalidate": must_revalidate,
    "stale_while_revalidate": stale_while_revalidate,
    "random_tag": random_tag,
}

REPLAYED = "version_read_after"
