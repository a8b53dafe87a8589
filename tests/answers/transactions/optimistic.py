"""Answers to 10.optimistic: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

READ = "SELECT amount, version FROM stock WHERE name = 'tea'"
PLAIN = "UPDATE stock SET amount = :amount WHERE name = 'tea'"
CHECKED = "UPDATE stock SET amount = :amount, version = version + 1 WHERE name = 'tea' AND version = :version"
IN_PLACE = "UPDATE stock SET amount = amount - :n WHERE name = 'tea'"
SOLD_OUT = ({"error": "not enough"}, 409)


class NotEnough(Exception):
    """There is less than somebody wants."""


def prepare(env: Any, version: str = "INTEGER NOT NULL DEFAULT 0") -> None:
    """Make the table and its row, if nobody has made them."""
    with env.database.begin() as db:
        db.execute(text(f"CREATE TABLE IF NOT EXISTS stock (name TEXT PRIMARY KEY, amount INTEGER, version {version})"))
        insert = "INSERT INTO stock VALUES ('tea', :amount, 0) ON CONFLICT DO NOTHING"
        db.execute(text(insert), {"amount": int(env.vars["STOCK"])})


def serve(env: Any, take: Callable[[int], int]) -> Flask:
    """Return an app with the routes of the contract; `take` returns what is left, or raises NotEnough."""
    prepare(env)
    app = Flask("shop")

    @app.post("/take/<int:n>")
    def post(n: int) -> Any:
        try:
            return {"left": take(n)}
        except NotEnough:
            return SOLD_OUT

    @app.get("/left")
    def left() -> Any:
        with env.database.connect() as db:
            return {"left": db.execute(text(READ)).one().amount}

    return app


def enough(amount: int, n: int) -> int:
    """Return what is left after taking n, or raise NotEnough."""
    if amount < n:
        raise NotEnough
    return amount - n


def stub(env: Any) -> Flask:
    """Reads, computes, writes, in one transaction."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS stock (name TEXT PRIMARY KEY, amount INTEGER)"))
        insert = text("INSERT INTO stock VALUES ('tea', :amount) ON CONFLICT DO NOTHING")
        db.execute(insert, {"amount": int(env.vars["STOCK"])})
    app = Flask("shop")

    @app.post("/take/<int:n>")
    def take(n: int) -> Any:
        with env.database.begin() as db:
            left = db.execute(text("SELECT amount FROM stock WHERE name = 'tea'")).scalar_one() - n
            if left < 0:
                return {"error": "not enough"}, 409
            db.execute(text("UPDATE stock SET amount = :left WHERE name = 'tea'"), {"left": left})
        return {"left": left}

    @app.get("/left")
    def left() -> Any:
        with env.database.connect() as db:
            return {"left": db.execute(text("SELECT amount FROM stock WHERE name = 'tea'")).scalar_one()}

    return app


# -- wrong: a change is lost


def no_version(env: Any) -> Flask:
    """Who trusts the transaction: both read ten, both write seven."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            left = enough(db.execute(text(READ)).one().amount, n)
            db.execute(text(PLAIN), {"amount": left})
        return left

    return serve(env, take)


def local_lock(env: Any) -> Flask:
    """Who knows races from threads: the lock is right, and each instance has one of its own."""
    lock, inner = threading.Lock(), no_version(env)
    post = inner.view_functions["post"]

    def locked(n: int) -> Any:
        with lock:
            return post(n)

    inner.view_functions["post"] = locked
    return inner


def checked_in_python(env: Any) -> Flask:
    """Who compares versions in Python: between the comparison and the UPDATE there is room for one more."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                row = db.execute(text(READ)).one()
                left = enough(row.amount, n)
                if db.execute(text(READ)).one().version == row.version:
                    change = "UPDATE stock SET amount = :amount, version = version + 1 WHERE name = 'tea'"
                    db.execute(text(change), {"amount": left})
                    return left

    return serve(env, take)


def retried_without_reading(env: Any) -> Flask:
    """Who repeats the UPDATE with the new version and the old amount: the conflict is noticed, and overwritten."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            row = db.execute(text(READ)).one()
            left, version = enough(row.amount, n), row.version
            while not db.execute(text(CHECKED), {"amount": left, "version": version}).rowcount:
                version = db.execute(text(READ)).one().version
        return left

    return serve(env, take)


def version_not_counted(env: Any) -> Flask:
    """Who compares the version and forgets to count it up: it is always the same."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                row = db.execute(text(READ)).one()
                left = enough(row.amount, n)
                change = "UPDATE stock SET amount = :amount WHERE name = 'tea' AND version = :version"
                if db.execute(text(change), {"amount": left, "version": row.version}).rowcount:
                    return left

    return serve(env, take)


def rowcount_ignored(env: Any) -> Flask:
    """Who writes the condition and does not look whether it held: zero rows, and «done»."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            row = db.execute(text(READ)).one()
            left = enough(row.amount, n)
            db.execute(text(CHECKED), {"amount": left, "version": row.version})
        return left

    return serve(env, take)


def whole_seconds(env: Any) -> Flask:
    """Who takes the time of the last change for a version: two changes in one second look like none."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                row = db.execute(text(READ)).one()
                left = enough(row.amount, n)
                change = "UPDATE stock SET amount = :amount, version = :now WHERE name = 'tea' AND version = :seen"
                values = {"amount": left, "now": int(time.time()) % 10**6, "seen": row.version}
                if db.execute(text(change), values).rowcount:
                    return left

    app = serve(env, take)
    with env.database.begin() as db:
        db.execute(text("UPDATE stock SET version = :now"), {"now": int(time.time()) % 10**6})
    return app


class Base(DeclarativeBase):
    """The tables of the ORM's answers."""


class Stock(Base):
    """How much is there, with SQLAlchemy's own version counter."""

    __tablename__ = "stock"
    name: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as the ORM wants it


def take_by_orm(env: Any, n: int) -> int:
    """Take n by the ORM; raises StaleDataError where somebody came between."""
    with Session(env.database) as session:
        tea = session.scalars(select(Stock).where(Stock.name == "tea")).one()
        tea.amount = enough(tea.amount, n)
        left = tea.amount
        session.commit()
    return left


def stale_swallowed(env: Any) -> Flask:
    """Who silences the exception that production logged: the loser is told that all is well."""

    def take(n: int) -> int:
        with contextlib.suppress(StaleDataError):
            return take_by_orm(env, n)
        with env.database.connect() as db:
            return db.execute(text(READ)).one().amount

    return serve(env, take)


def lease(env: Any) -> Flask:
    """Who locks in Redis for five seconds: whoever stands still for longer writes what he read before."""
    inner = no_version(env)
    post = inner.view_functions["post"]

    def locked(n: int) -> Any:
        with env.redis.lock("tea", timeout=5):
            return post(n)

    inner.view_functions["post"] = locked
    return inner


def locked_and_let_go(env: Any) -> Flask:
    """Who reads FOR UPDATE in one transaction, and writes in the next."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            left = enough(db.execute(text(f"{READ} FOR UPDATE")).one().amount, n)
        with env.database.begin() as db:
            db.execute(text(PLAIN), {"amount": left})
        return left

    return serve(env, take)


# -- wrong: below zero


def in_place_unchecked(env: Any) -> Flask:
    """Who lets the UPDATE compute, and checks before it: both see five, both take three."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            left = enough(db.execute(text(READ)).one().amount, n)
            db.execute(text(IN_PLACE), {"n": n})
        return left

    return serve(env, take)


def retry_unchecked(env: Any) -> Flask:
    """Who reads again after a conflict, and does not ask again whether there is enough."""

    def take(n: int) -> int:
        with env.database.connect() as db:
            row = db.execute(text(READ)).one()
        left = enough(row.amount, n)
        while True:
            with env.database.begin() as db:
                if db.execute(text(CHECKED), {"amount": left, "version": row.version}).rowcount:
                    return left
                row = db.execute(text(READ)).one()
                left = row.amount - n

    return serve(env, take)


# -- wrong: somebody is sent away


def conflict_is_sold_out(env: Any) -> Flask:
    """Who leaves the conflict to the customer: 409, and the shelf is full."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            row = db.execute(text(READ)).one()
            left = enough(row.amount, n)
            if not db.execute(text(CHECKED), {"amount": left, "version": row.version}).rowcount:
                raise NotEnough
        return left

    return serve(env, take)


def conflict_is_an_error(env: Any) -> Flask:
    """Who maps a version column and leaves StaleDataError to Flask: a 500."""
    return serve(env, lambda n: take_by_orm(env, n))


def three_tries(env: Any) -> Flask:
    """Who has a loop of three: enough for two at once, not for six."""

    def take(n: int) -> int:
        for _ in range(2):
            with contextlib.suppress(StaleDataError):
                return take_by_orm(env, n)
        return take_by_orm(env, n)

    return serve(env, take)


def reads_back(env: Any) -> Flask:
    """Who makes sure: he takes in place, reads back, and tries again where another number stands there than his."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                left = enough(db.execute(text(READ)).one().amount, n)
                db.execute(text(f"{IN_PLACE} AND amount >= :n"), {"n": n})
            with env.database.connect() as db:
                if db.execute(text(READ)).one().amount == left:
                    return left

    return serve(env, take)


def lock_for_ever(env: Any) -> Flask:
    """Who locks the row in Redis with redis-py's default, without an end: a dead holder holds it for ever."""
    inner = no_version(env)
    post = inner.view_functions["post"]

    def locked(n: int) -> Any:
        with env.redis.lock("tea"):
            return post(n)

    inner.view_functions["post"] = locked
    return inner


def taken_and_given_back(env: Any) -> Flask:
    """Who takes first and gives back where it was too much: in between there is nothing for anybody."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            left = db.execute(text(f"{IN_PLACE} RETURNING amount"), {"n": n}).scalar_one()
        if left < 0:
            with env.database.begin() as db:
                db.execute(text(IN_PLACE), {"n": -n})
            raise NotEnough
        return left

    return serve(env, take)


# -- right


def version_column(env: Any) -> Flask:
    """The version in the WHERE; zero rows, and all is read and checked again."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                row = db.execute(text(READ)).one()
                left = enough(row.amount, n)
                if db.execute(text(CHECKED), {"amount": left, "version": row.version}).rowcount:
                    return left

    return serve(env, take)


def in_place(env: Any) -> Flask:
    """One UPDATE that computes and checks, under the row's lock."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            change = f"{IN_PLACE} AND amount >= :n RETURNING amount"
            left = db.execute(text(change), {"n": n}).scalar()
            if left is None:
                raise NotEnough
            return left

    return serve(env, take)


def locked_row(env: Any) -> Flask:
    """SELECT FOR UPDATE: the pessimist locks before he reads."""

    def take(n: int) -> int:
        with env.database.begin() as db:
            left = enough(db.execute(text(f"{READ} FOR UPDATE")).one().amount, n)
            db.execute(text(PLAIN), {"amount": left})
        return left

    return serve(env, take)


def old_amount(env: Any) -> Flask:
    """The amount itself is compared: for a number it says enough, ten is ten."""

    def take(n: int) -> int:
        while True:
            with env.database.begin() as db:
                amount = db.execute(text(READ)).one().amount
                left = enough(amount, n)
                change = f"{PLAIN} AND amount = :seen"
                if db.execute(text(change), {"amount": left, "seen": amount}).rowcount:
                    return left

    return serve(env, take)


def orm_and_retry(env: Any) -> Flask:
    """SQLAlchemy's version_id_col, in a new session at each try."""

    def take(n: int) -> int:
        while True:
            with contextlib.suppress(StaleDataError):
                return take_by_orm(env, n)

    return serve(env, take)


def check_constraint(env: Any) -> Flask:
    """The table itself says that there is nothing below zero, and the UPDATE computes."""
    with env.database.begin() as db:
        columns = "name TEXT PRIMARY KEY, amount INTEGER CHECK (amount >= 0), version INTEGER"
        db.execute(text(f"CREATE TABLE IF NOT EXISTS stock ({columns})"))

    def take(n: int) -> int:
        try:
            with env.database.begin() as db:
                return db.execute(text(f"{IN_PLACE} RETURNING amount"), {"n": n}).scalar_one()
        except IntegrityError:
            raise NotEnough from None

    return serve(env, take)


def nowait(env: Any) -> Flask:
    """FOR UPDATE NOWAIT: whoever finds the row locked comes again in a moment."""

    def take(n: int) -> int:
        while True:
            try:
                with env.database.begin() as db:
                    left = enough(db.execute(text(f"{READ} FOR UPDATE NOWAIT")).one().amount, n)
                    db.execute(text(PLAIN), {"amount": left})
                    return left
            except OperationalError as error:
                if error.orig.sqlstate != "55P03":
                    raise
            time.sleep(0.05)

    return serve(env, take)


STUB = (stub, "S10-LOST-CHANGE")

WRONG = {
    "no_version": (no_version, "S10-LOST-CHANGE"),
    "local_lock": (local_lock, "S10-LOST-CHANGE"),
    "checked_in_python": (checked_in_python, "S10-LOST-CHANGE"),
    "retried_without_reading": (retried_without_reading, "S10-LOST-CHANGE"),
    "version_not_counted": (version_not_counted, "S10-LOST-CHANGE"),
    "rowcount_ignored": (rowcount_ignored, "S10-LOST-CHANGE"),
    "whole_seconds": (whole_seconds, "S10-LOST-CHANGE"),
    "stale_swallowed": (stale_swallowed, "S10-LOST-CHANGE"),
    "in_place_unchecked": (in_place_unchecked, "S10-BELOW-ZERO"),
    "retry_unchecked": (retry_unchecked, "S10-BELOW-ZERO"),
    "conflict_is_sold_out": (conflict_is_sold_out, "S10-TURNED-AWAY"),
    "conflict_is_an_error": (conflict_is_an_error, "S10-UNANSWERED"),
    "three_tries": (three_tries, "S10-UNANSWERED"),
    "reads_back": (reads_back, "S10-DONE-TWICE"),
    "lock_for_ever": (lock_for_ever, "S10-BLOCKED"),
    "lease": (lease, "S10-LOST-CHANGE"),
    "locked_and_let_go": (locked_and_let_go, "S10-LOST-CHANGE"),
    "taken_and_given_back": (taken_and_given_back, "S10-TURNED-AWAY"),
}

RIGHT = {
    "version_column": version_column,
    "in_place": in_place,
    "locked_row": locked_row,
    "old_amount": old_amount,
    "orm_and_retry": orm_and_retry,
    "check_constraint": check_constraint,
    "nowait": nowait,
}

REPLAYED = "no_version"
