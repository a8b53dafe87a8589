"""Answers to 03.wizard: the stub, what people really write, and what is right."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Flask, abort, jsonify, make_response, request, session

PRICES = {"lamp": 4990, "tea": 450}
HOUR = 60 * 60


def stub(env: Any) -> Flask:
    """The checkout is in the instance's own memory."""
    app = Flask("shop")
    checkouts, orders = {}, []

    @app.post("/checkout")
    def item():
        number = secrets.token_hex(8)
        checkouts[number] = {"item": request.json["item"], "price": PRICES[request.json["item"]]}
        response = make_response(checkouts[number])
        response.set_cookie("checkout", number, secure=True, httponly=True, samesite="Lax")
        return response

    @app.post("/checkout/address")
    def address():
        checkout = checkouts.get(request.cookies.get("checkout")) or abort(404)
        checkout["address"] = request.json["address"]
        return checkout

    @app.post("/checkout/confirm")
    def confirm():
        checkout = checkouts.get(request.cookies.get("checkout")) or abort(404)
        if "address" not in checkout:
            abort(409)
        orders.append(checkout)
        return {"order": len(orders)}

    @app.get("/orders")
    def show():
        return {"orders": orders}

    return app


def pages(
    save: Callable[[str, dict[str, Any]], None],
    load: Callable[[str], dict[str, Any]],
    place: Callable[[str, dict[str, Any]], Any],
    orders: Callable[[], list[Any]],
    number: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Flask:
    """Return an app with the four routes, whose cookie holds the number of the checkout."""
    app = Flask("shop")

    @app.post("/checkout")
    def item() -> Any:
        made = number()
        checkout = {"item": request.json["item"], "price": PRICES[request.json["item"]]}
        save(made, checkout)
        response = jsonify(checkout)
        response.set_cookie("checkout", made, secure=True, httponly=True)
        return response

    @app.post("/checkout/address")
    def address() -> Any:
        checkout = load(request.cookies["checkout"]) or abort(404)
        checkout["address"] = request.json["address"]
        save(request.cookies["checkout"], checkout)
        return checkout

    @app.post("/checkout/confirm")
    def confirm() -> Any:
        checkout = load(request.cookies["checkout"]) or abort(404)
        if "address" not in checkout:
            abort(409)
        return {"order": place(request.cookies["checkout"], checkout)}

    @app.get("/orders")
    def show() -> Any:
        return {"orders": orders()}

    return app


def in_redis(env: Any) -> tuple[Callable[..., None], Callable[..., Any]]:
    """Return how a checkout is saved in Redis as one value, and loaded."""

    def save(number: str, checkout: dict[str, Any]) -> None:
        env.redis.set(f"checkout:{number}", json.dumps(checkout), ex=HOUR)

    return save, lambda number: json.loads(env.redis.get(f"checkout:{number}") or "{}")


def listed(env: Any) -> list[Any]:
    """Return the orders of a list in Redis."""
    return [json.loads(order) for order in env.redis.lrange("orders", 0, -1)]


def hashed(env: Any) -> list[Any]:
    """Return the orders of a hash in Redis."""
    return [json.loads(order) for order in env.redis.hvals("orders")]


# -- wrong


def trusts_sticky(env: Any) -> Flask:
    """Who trusts sticky routing: memory is saved on SIGTERM and read at the start, so releases lose nothing."""
    memory = {key: json.loads(env.redis.get(key)) for key in env.redis.scan_iter("checkout:*")}

    @env.on_stop
    def hand_over() -> None:
        for key, checkout in memory.items():
            env.redis.set(key, json.dumps(checkout))

    def save(number: str, checkout: dict[str, Any]) -> None:
        memory[f"checkout:{number}"] = checkout

    def place(number: str, checkout: dict[str, Any]) -> str:
        env.redis.hsetnx("orders", number, json.dumps(checkout))
        return number

    return pages(save, lambda number: memory.get(f"checkout:{number}", {}), place, lambda: hashed(env))


def key_of_its_own(env: Any) -> Flask:
    """Who signs with a key that each instance draws at its start: no other believes what it has signed."""
    return signed(env, secrets.token_hex(32), lambda number, checkout: _once(env, number, checkout))


def saved_in_the_background(env: Any) -> Flask:
    """Who answers first and saves in a thread, for speed: an instance may be gone before the thread has run."""
    save, load = in_redis(env)

    def later(number: str, checkout: dict[str, Any]) -> None:
        threading.Thread(target=save, args=(number, checkout)).start()

    return pages(later, load, lambda number, checkout: _once(env, number, checkout), lambda: hashed(env))


def plain_cookie(env: Any) -> Flask:
    """Who keeps no state on the server, and lets the browser carry it: as it likes."""
    return carried(env, json.dumps, json.loads)


def encoded_cookie(env: Any) -> Flask:
    """Who takes base64 for a protection."""
    return carried(
        env,
        lambda checkout: base64.urlsafe_b64encode(json.dumps(checkout).encode()).decode(),
        lambda text: json.loads(base64.urlsafe_b64decode(text)),
    )


def carried(env: Any, write: Callable[[Any], str], read: Callable[[str], Any]) -> Flask:
    """Return an app whose whole checkout is in a cookie that nobody has signed."""
    app = Flask("shop")

    def answer(checkout: dict[str, Any]) -> Any:
        response = jsonify(checkout)
        response.set_cookie("checkout", write(checkout), secure=True, httponly=True)
        return response

    @app.post("/checkout")
    def item() -> Any:
        name = request.json["item"]
        return answer({"item": name, "price": PRICES[name], "number": secrets.token_hex(8)})

    @app.post("/checkout/address")
    def address() -> Any:
        return answer({**read(request.cookies["checkout"]), "address": request.json["address"]})

    @app.post("/checkout/confirm")
    def confirm() -> Any:
        checkout = read(request.cookies["checkout"])
        if "address" not in checkout:
            abort(409)
        return {"order": _once(env, checkout["number"], checkout)}

    @app.get("/orders")
    def show() -> Any:
        return {"orders": hashed(env)}

    return app


def takes_all_fields(env: Any) -> Flask:
    """Who updates the checkout with whatever the form sends: the price as well."""
    app = Flask("shop")
    save, load = in_redis(env)

    @app.post("/checkout")
    def item() -> Any:
        number = secrets.token_hex(8)
        save(number, {"item": request.json["item"], "price": PRICES[request.json["item"]]})
        response = jsonify(load(number))
        response.set_cookie("checkout", number, secure=True, httponly=True)
        return response

    @app.post("/checkout/address")
    def address() -> Any:
        number = request.cookies["checkout"]
        save(number, {**load(number), **request.json})
        return load(number)

    @app.post("/checkout/confirm")
    def confirm() -> Any:
        checkout = load(request.cookies["checkout"])
        if "address" not in checkout:
            abort(409)
        return {"order": _once(env, request.cookies["checkout"], checkout)}

    @app.get("/orders")
    def show() -> Any:
        return {"orders": hashed(env)}

    return app


def signed(env: Any, key: str, place: Callable[[str, dict[str, Any]], Any], number: Any = None) -> Flask:
    """Return an app whose checkout is in Flask's signed cookie."""
    app = Flask("shop")
    app.secret_key = key

    @app.post("/checkout")
    def item() -> Any:
        made = number() if number else secrets.token_hex(8)
        session["checkout"] = {"item": request.json["item"], "price": PRICES[request.json["item"]], "number": made}
        return session["checkout"]

    @app.post("/checkout/address")
    def address() -> Any:
        session["checkout"] = {**(session.get("checkout") or abort(404)), "address": request.json["address"]}
        return session["checkout"]

    @app.post("/checkout/confirm")
    def confirm() -> Any:
        checkout = session.get("checkout") or abort(404)
        if "address" not in checkout:
            abort(409)
        return {"order": place(checkout["number"], checkout)}

    @app.get("/orders")
    def show() -> Any:
        return {"orders": [json.loads(order) for order in env.redis.lrange("list", 0, -1)] + hashed(env)}

    return app


def signed_alone(env: Any) -> Flask:
    """Who takes a signature for all that is needed: what is genuine can be sent twice."""

    def place(number: str, checkout: dict[str, Any]) -> int:
        return int(env.redis.rpush("list", json.dumps(checkout)))

    return signed(env, env.vars["SECRET_KEY"], place)


def cleared_after(env: Any) -> Flask:
    """Who empties the session after the order: the browser that sends again still has the cookie of before."""

    def place(number: str, checkout: dict[str, Any]) -> int:
        session.clear()
        return int(env.redis.rpush("list", json.dumps(checkout)))

    return signed(env, env.vars["SECRET_KEY"], place)


def forgets_after_an_hour(env: Any) -> Flask:
    """Who remembers for an hour what was ordered, and signs cookies that are good for ever."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        if env.redis.set(f"done:{number}", 1, nx=True, ex=HOUR):
            env.redis.rpush("list", json.dumps(checkout))
        return number

    return signed(env, env.vars["SECRET_KEY"], place)


def look_then_write(env: Any) -> Flask:
    """Who asks whether the order is there, and writes it if not: both clicks are told that it is not."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        if not env.redis.get(f"done:{number}"):
            env.redis.rpush("orders", json.dumps(checkout))
            env.redis.set(f"done:{number}", 1)
        return number

    return pages(*in_redis(env), place, lambda: listed(env))


def local_lock(env: Any) -> Flask:
    """Who knows double clicks from threads: a lock around looking and writing, and each instance has its own."""
    lock = threading.Lock()

    def place(number: str, checkout: dict[str, Any]) -> str:
        with lock:
            if not env.redis.get(f"done:{number}"):
                env.redis.rpush("orders", json.dumps(checkout))
                env.redis.set(f"done:{number}", 1)
        return number

    return pages(*in_redis(env), place, lambda: listed(env))


def marked_before(env: Any) -> Flask:
    """Who marks first and writes then: an instance that dies between both has marked an order that nobody writes."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        if env.redis.set(f"done:{number}", 1, nx=True):
            env.redis.rpush("orders", json.dumps(checkout))
        return number

    return pages(*in_redis(env), place, lambda: listed(env))


def ticket_torn(env: Any) -> Flask:
    """Who lets DEL decide, which succeeds once: whoever tears the ticket writes the order, if it lives that long."""
    save, load = in_redis(env)

    def issue(number: str, checkout: dict[str, Any]) -> None:
        save(number, checkout)
        if "address" in checkout:
            env.redis.set(f"ticket:{number}", 1)

    def place(number: str, checkout: dict[str, Any]) -> str:
        if env.redis.delete(f"ticket:{number}"):
            env.redis.rpush("orders", json.dumps(checkout))
        return number

    return pages(issue, load, place, lambda: listed(env))


def refused_again(env: Any) -> Flask:
    """Who answers 409 to what was sent again: the customer with the lost reply reads that it went wrong."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        return number if env.redis.hsetnx("orders", number, json.dumps(checkout)) else abort(409)

    return pages(*in_redis(env), place, lambda: hashed(env))


def new_number_each_time(env: Any) -> Flask:
    """Who writes the order once and tells another number each time."""

    def place(number: str, checkout: dict[str, Any]) -> int:
        _once(env, number, checkout)
        return int(env.redis.incr("order-number"))

    return pages(*in_redis(env), place, lambda: hashed(env))


def one_key_for_all(env: Any) -> Flask:
    """Who moves the variable into Redis under its old name: there is one checkout in the whole shop."""
    save, load = in_redis(env)
    return pages(
        lambda number, checkout: save("current", checkout),
        lambda number: load("current"),
        lambda number, checkout: _once(env, number, checkout),
        lambda: hashed(env),
    )


def no_address_needed(env: Any) -> Flask:
    """Who believes that nobody asks for the third page without the second."""
    app = signed(env, env.vars["SECRET_KEY"], lambda number, checkout: _once(env, number, checkout))

    def confirm() -> Any:
        checkout = {"address": "", **(session.get("checkout") or abort(404))}
        return {"order": _once(env, checkout["number"], checkout)}

    app.view_functions["confirm"] = confirm
    return app


def same_content(env: Any) -> Flask:
    """Who tells a repeat by its content: the second lamp is one."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        return _once(env, f"{checkout['item']} {checkout['address']}", checkout)

    return pages(*in_redis(env), place, lambda: hashed(env))


def number_of_the_browser(env: Any) -> Flask:
    """Who gives a number to each browser, and not to each checkout: its second order is taken for the first."""
    return signed(
        env,
        env.vars["SECRET_KEY"],
        lambda number, checkout: _once(env, number, checkout),
        lambda: session.setdefault("browser", secrets.token_hex(8)),
    )


def locked_for_good(env: Any) -> Flask:
    """Who locks the checkout while it is ordered: if the holder dies, nobody ever finishes."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        with env.redis.lock(f"lock:{number}"):
            return _once(env, number, checkout)

    return pages(*in_redis(env), place, lambda: hashed(env))


def both_in_one_transaction(env: Any) -> Flask:
    """Who puts mark and order into MULTI: both are done, whatever the mark has said."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        with env.redis.pipeline(transaction=True) as pipe:
            pipe.set(f"done:{number}", 1, nx=True)
            pipe.rpush("orders", json.dumps(checkout))
            pipe.execute()
        return number

    return pages(*in_redis(env), place, lambda: listed(env))


def order_with_an_expiry(env: Any) -> Flask:
    """Who keeps orders as long as checkouts: an hour."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        env.redis.set(f"order:{number}", json.dumps(checkout), nx=True, ex=HOUR)
        return number

    def orders() -> list[Any]:
        return [json.loads(env.redis.get(key)) for key in sorted(env.redis.scan_iter("order:*"))]

    return pages(*in_redis(env), place, orders)


def taken_out_first(env: Any) -> Flask:
    """Who takes the checkout out of the store with GETDEL and writes the order then: the second click finds neither."""
    save, load = in_redis(env)

    def place(number: str, checkout: dict[str, Any]) -> str:
        if env.redis.getdel(f"checkout:{number}"):
            env.redis.hset("orders", number, json.dumps(checkout))
        return number

    def find(number: str) -> dict[str, Any]:
        return load(number) or json.loads(env.redis.hget("orders", number) or "{}")

    return pages(save, find, place, lambda: hashed(env))


def cookie_says_done(env: Any) -> Flask:
    """Who lets the browser remember what it has ordered: its next checkout is answered with the first order."""
    app = redis_hash(env)
    confirm = app.view_functions["confirm"]

    def once() -> Any:
        if done := request.cookies.get("done"):
            return {"order": done}
        answer = make_response(confirm())
        answer.set_cookie("done", answer.json["order"], secure=True)
        return answer

    app.view_functions["confirm"] = once
    return app


# -- right


def _once(env: Any, number: str, checkout: dict[str, Any]) -> str:
    """Write an order under its checkout's number, unless it is there."""
    env.redis.hsetnx("orders", number, json.dumps(checkout))
    return number


def redis_hash(env: Any) -> Flask:
    """Each page is a value in Redis, and HSETNX makes one order of a checkout."""
    return pages(*in_redis(env), lambda number, checkout: _once(env, number, checkout), lambda: hashed(env))


def redis_script(env: Any) -> Flask:
    """A script in Redis numbers the order and writes it, all or nothing."""
    place = env.redis.register_script(
        "local n = redis.call('HGET', 'numbers', KEYS[1])"
        " if not n then n = redis.call('RPUSH', 'orders', ARGV[1]); redis.call('HSET', 'numbers', KEYS[1], n) end"
        " return tonumber(n)"
    )
    return pages(
        *in_redis(env),
        lambda number, checkout: place(keys=[number], args=[json.dumps(checkout)]),
        lambda: listed(env),
    )


def lock_that_ends(env: Any) -> Flask:
    """Who dies while ordering gives the lock back five seconds later."""

    def place(number: str, checkout: dict[str, Any]) -> str:
        with env.redis.lock(f"lock:{number}", timeout=5):
            if not env.redis.hexists("orders", number):
                env.redis.hset("orders", number, json.dumps(checkout))
        return number

    return pages(*in_redis(env), place, lambda: hashed(env))


def _tables(env: Any) -> tuple[sa.Table, sa.Table]:
    data = sa.MetaData()
    checkouts = sa.Table(
        "checkouts", data, sa.Column("number", sa.String, primary_key=True), sa.Column("data", sa.String)
    )
    orders = sa.Table(
        "orders",
        data,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("checkout", sa.String, unique=True),
        sa.Column("data", sa.String),
    )
    data.create_all(env.database)
    return checkouts, orders


def _insert_once(env: Any, orders: sa.Table, number: str, checkout: dict[str, Any]) -> int:
    try:
        with env.database.begin() as db:
            db.execute(orders.insert().values(checkout=number, data=json.dumps(checkout)))
    except sa.exc.IntegrityError:
        pass  # it has been ordered before
    with env.database.connect() as db:
        return int(db.execute(sa.select(orders.c.id).where(orders.c.checkout == number)).scalar_one())


def _rows(env: Any, orders: sa.Table) -> list[Any]:
    with env.database.connect() as db:
        return [json.loads(row.data) for row in db.execute(sa.select(orders).order_by(orders.c.id))]


def database(env: Any) -> Flask:
    """Checkouts and orders are rows; a UNIQUE column keeps the second order out."""
    checkouts, orders = _tables(env)

    def save(number: str, checkout: dict[str, Any]) -> None:
        with env.database.begin() as db:
            db.execute(checkouts.delete().where(checkouts.c.number == number))
            db.execute(checkouts.insert().values(number=number, data=json.dumps(checkout)))

    def load(number: str) -> dict[str, Any]:
        with env.database.connect() as db:
            data = db.execute(sa.select(checkouts.c.data).where(checkouts.c.number == number)).scalar()
        return json.loads(data or "{}")

    return pages(
        save, load, lambda number, checkout: _insert_once(env, orders, number, checkout), lambda: _rows(env, orders)
    )


def signed_and_unique(env: Any) -> Flask:
    """The browser carries what is signed, and the database refuses a checkout's second order."""
    _, orders = _tables(env)
    app = signed(env, env.vars["SECRET_KEY"], lambda number, checkout: _insert_once(env, orders, number, checkout))
    app.view_functions["show"] = lambda: {"orders": _rows(env, orders)}
    return app


def plain_and_priced_late(env: Any) -> Flask:
    """An unsigned cookie holds nothing but what the customer may choose; the price is looked up at the end."""
    app = Flask("shop")

    def answer(checkout: dict[str, Any], **more: Any) -> Any:
        response = jsonify({**checkout, **more})
        response.set_cookie("checkout", json.dumps(checkout), secure=True, httponly=True)
        return response

    @app.post("/checkout")
    def item() -> Any:
        name = request.json["item"]
        return answer({"item": name, "number": secrets.token_hex(16)}, price=PRICES[name])

    @app.post("/checkout/address")
    def address() -> Any:
        return answer({**json.loads(request.cookies["checkout"]), "address": request.json["address"]})

    @app.post("/checkout/confirm")
    def confirm() -> Any:
        checkout = json.loads(request.cookies["checkout"])
        if "address" not in checkout:
            abort(409)
        order = {name: checkout[name] for name in ("item", "address")}
        return {"order": _once(env, checkout["number"], {**order, "price": PRICES[checkout["item"]]})}

    @app.get("/orders")
    def show() -> Any:
        return {"orders": hashed(env)}

    return app


def versioned_draft(env: Any) -> Flask:
    """A row a checkout, with a version; the order is the same row, marked as one."""
    table = "CREATE TABLE IF NOT EXISTS drafts (id TEXT PRIMARY KEY, version INTEGER, data TEXT, ordered INTEGER)"

    def run(sql: str, **values: Any) -> Any:
        with env.database.begin() as db:
            return db.execute(sa.text(sql), values)

    def save(number: str, checkout: dict[str, Any]) -> None:
        seen, data = checkout.pop("version", 0), json.dumps(checkout)
        if not seen:
            run("INSERT INTO drafts VALUES (:id, 1, :data, 0)", id=number, data=data)
            return
        update = "UPDATE drafts SET data = :data, version = version + 1 WHERE id = :id AND version = :seen"
        if not run(update, id=number, data=data, seen=seen).rowcount:
            abort(409)

    def load(number: str) -> dict[str, Any]:
        row = run("SELECT version, data FROM drafts WHERE id = :id", id=number).first()
        return {**json.loads(row.data), "version": row.version} if row else {}

    def place(number: str, checkout: dict[str, Any]) -> str:
        run("UPDATE drafts SET ordered = 1 WHERE id = :id", id=number)
        return number

    run(table)
    orders = "SELECT data FROM drafts WHERE ordered = 1 ORDER BY id"
    return pages(save, load, place, lambda: [json.loads(data) for data in run(orders).scalars()])


STUB = (stub, "S03-LOST-STEP")
WRONG = {
    "trusts_sticky": (trusts_sticky, "S03-LOST-STEP"),
    "key_of_its_own": (key_of_its_own, "S03-LOST-STEP"),
    "saved_in_the_background": (saved_in_the_background, "S03-LOST-STEP"),
    "plain_cookie": (plain_cookie, "S03-FORGED-PRICE"),
    "encoded_cookie": (encoded_cookie, "S03-FORGED-PRICE"),
    "takes_all_fields": (takes_all_fields, "S03-FORGED-PRICE"),
    "signed_alone": (signed_alone, "S03-SECOND-ORDER"),
    "cleared_after": (cleared_after, "S03-SECOND-ORDER"),
    "forgets_after_an_hour": (forgets_after_an_hour, "S03-SECOND-ORDER"),
    "look_then_write": (look_then_write, "S03-SECOND-ORDER"),
    "local_lock": (local_lock, "S03-SECOND-ORDER"),
    "both_in_one_transaction": (both_in_one_transaction, "S03-SECOND-ORDER"),
    "new_number_each_time": (new_number_each_time, "S03-SECOND-ORDER"),
    "marked_before": (marked_before, "S03-LOST-ORDER"),
    "ticket_torn": (ticket_torn, "S03-LOST-ORDER"),
    "order_with_an_expiry": (order_with_an_expiry, "S03-LOST-ORDER"),
    "locked_for_good": (locked_for_good, "S03-LOST-ORDER"),
    "refused_again": (refused_again, "S03-UNANSWERED"),
    "taken_out_first": (taken_out_first, "S03-UNANSWERED"),
    "one_key_for_all": (one_key_for_all, "S03-MIXED-UP"),
    "no_address_needed": (no_address_needed, "S03-INCOMPLETE"),
    "same_content": (same_content, "S03-SWALLOWED"),
    "cookie_says_done": (cookie_says_done, "S03-SWALLOWED"),
    "number_of_the_browser": (number_of_the_browser, "S03-SWALLOWED"),
}
RIGHT = {
    "redis_hash": redis_hash,
    "redis_script": redis_script,
    "lock_that_ends": lock_that_ends,
    "database": database,
    "versioned_draft": versioned_draft,
    "signed_and_unique": signed_and_unique,
    "plain_and_priced_late": plain_and_priced_late,
}
REPLAYED = "look_then_write"
