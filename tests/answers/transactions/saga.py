"""Answers to 10.saga: the stub, what people really write, and what is right."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
from flask import Flask, request
from sqlalchemy import text

CENTS = 9900
PARTNERS = ("seats", "rooms")
TABLE = """CREATE TABLE IF NOT EXISTS trips
    (id TEXT PRIMARY KEY, customer TEXT NOT NULL, state TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)"""
FINAL = {"booked": "booked", "refused": "refused"}


class Refused(Exception):
    """A partner has said no, definitely."""


# -- what all of them use


def run(env: Any, sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own."""
    with env.database.begin() as db:
        result = db.execute(text(sql), values)
        return result.all() if result.returns_rows else result.rowcount


def take(env: Any, partner: str, trip: str) -> None:
    """Take one, under the trip's id; raises Refused, or httpx.HTTPError where nobody knows."""
    answer = env.http.put(f"http://{partner}/bookings/{trip}")
    if answer.status_code in (409, 410):
        raise Refused
    answer.raise_for_status()


def give_back(env: Any, partner: str, trip: str) -> None:
    """Give back what is held, if it is."""
    answer = env.http.delete(f"http://{partner}/bookings/{trip}")
    if answer.status_code != 404:
        answer.raise_for_status()


def charge(env: Any, customer: str, key: str) -> None:
    """Take the money; raises Refused, or httpx.HTTPError where nobody knows."""
    order = {"customer": customer, "cents": CENTS}
    answer = env.http.post("http://payments/charges", json=order, headers={"Idempotency-Key": key})
    if answer.status_code == 402:
        raise Refused
    answer.raise_for_status()


def begin(env: Any, trip: str, customer: str) -> None:
    """Write down that there is a trip."""
    values = {"trip": trip, "customer": customer, "now": time.time()}
    run(env, "INSERT INTO trips VALUES (:trip, :customer, 'open', :now) ON CONFLICT DO NOTHING", **values)


def state_of(env: Any, trip: str) -> str:
    """Return the state of a trip."""
    return next(iter(run(env, "SELECT state FROM trips WHERE id = :trip", trip=trip)), ["unknown"])[0]


def turn(env: Any, trip: str, before: str, after: str) -> bool:
    """Change the state from one to another; False where it is another by now."""
    change = "UPDATE trips SET state = :after WHERE id = :trip AND state = :before"
    return bool(run(env, change, trip=trip, before=before, after=after))


def put(env: Any, trip: str, state: str) -> None:
    """Set the state, whatever it was."""
    run(env, "UPDATE trips SET state = :state WHERE id = :trip", trip=trip, state=state)


def open_trips(env: Any) -> list[Any]:
    """Return the trips that are neither booked nor refused."""
    return run(env, "SELECT id, customer, state FROM trips WHERE state NOT IN ('booked', 'refused') ORDER BY id")


def serve(
    env: Any, work: Callable[[str, str], None], resume: Callable[[], None] | None = None, start: Any = begin
) -> Flask:
    """Return an app with the routes of the contract: `work` begins a trip, `resume` looks every 10 s."""
    run(env, TABLE)
    app = Flask("shop")

    @app.post("/trips")
    def post() -> Any:
        trip, customer = request.json["trip"], request.json["customer"]
        start(env, trip, customer)
        with contextlib.suppress(httpx.HTTPError):
            work(trip, customer)
        return {"trip": trip}, 202

    @app.get("/trips/<trip>")
    def get(trip: str) -> Any:
        state = state_of(env, trip)
        return {"state": FINAL.get(state, "open")} if state != "unknown" else ({"error": "no such trip"}, 404)

    if resume is not None:
        env.every(10)(resume)
    return app


def each(env: Any, work: Callable[[str, str], None]) -> Callable[[], None]:
    """Return a job that goes on with every open trip; one that cannot go on now is tried at the next look."""

    def resume() -> None:
        for trip in open_trips(env):
            with contextlib.suppress(httpx.HTTPError):
                work(trip.id, trip.customer)

    return resume


def forward(env: Any, order: tuple[str, ...] = PARTNERS) -> Callable[[str, str], None]:
    """Return what goes on with a trip from wherever it stands; each decision is a change under a condition."""

    def work(trip: str, customer: str) -> None:
        state = state_of(env, trip)
        if state == "open":
            try:
                for partner in order:
                    take(env, partner, trip)
                turn(env, trip, "open", "paying")
            except Refused:
                turn(env, trip, "open", "undoing")
            state = state_of(env, trip)
        if state == "paying":
            try:
                charge(env, customer, trip)
                turn(env, trip, "paying", "booked")
            except Refused:
                turn(env, trip, "paying", "undoing")
            state = state_of(env, trip)
        if state == "undoing":
            for partner in reversed(order):
                give_back(env, partner, trip)
            turn(env, trip, "undoing", "refused")

    return work


def stub(env: Any) -> Flask:
    """One after the other, and what has been taken is given back if something goes wrong."""
    with env.database.begin() as db:
        db.execute(text("CREATE TABLE IF NOT EXISTS trips (id TEXT PRIMARY KEY, state TEXT)"))
    app = Flask("shop")

    def note(trip: str, state: str) -> None:
        with env.database.begin() as db:
            upsert = "INSERT INTO trips VALUES (:trip, :state) ON CONFLICT (id) DO UPDATE SET state = :state"
            db.execute(text(upsert), {"trip": trip, "state": state})

    @app.post("/trips")
    def book() -> Any:
        trip, bill = request.json["trip"], {"customer": request.json["customer"], "cents": 9900}
        taken = []
        try:
            for partner in ("seats", "rooms"):
                env.http.put(f"http://{partner}/bookings/{trip}").raise_for_status()
                taken.append(partner)
            env.http.post("http://payments/charges", json=bill).raise_for_status()
            note(trip, "booked")
        except httpx.HTTPError:
            for partner in taken:
                env.http.delete(f"http://{partner}/bookings/{trip}").raise_for_status()
            note(trip, "refused")
        return {"trip": trip}, 202

    @app.get("/trips/<trip>")
    def show(trip: str) -> Any:
        with env.database.connect() as db:
            state = db.execute(text("SELECT state FROM trips WHERE id = :trip"), {"trip": trip}).scalar()
        return {"state": state or "unknown"}

    return app


# -- wrong: half of it is left


def state_in_memory(env: Any) -> Flask:
    """Who remembers in a dict what is still to do: it dies with the instance that was doing it."""
    todo: dict[str, str] = {}
    work = forward(env)

    def remember(trip: str, customer: str) -> None:
        todo[trip] = customer
        work(trip, customer)
        todo.pop(trip, None)

    def resume() -> None:
        for trip, customer in list(todo.items()):
            with contextlib.suppress(httpx.HTTPError):
                remember(trip, customer)

    return serve(env, remember, resume)


def nobody_resumes(env: Any) -> Flask:
    """Who writes everything down, and lets nobody look."""
    return serve(env, forward(env))


def undo_only_once(env: Any) -> Flask:
    """Who takes a 404 for an error when giving back: it has been done before, and the other half is never reached."""

    def strict(partner: str, trip: str) -> None:
        env.http.delete(f"http://{partner}/bookings/{trip}").raise_for_status()

    def work(trip: str, customer: str) -> None:
        try:
            if state_of(env, trip) == "open":
                for partner in PARTNERS:
                    take(env, partner, trip)
                charge(env, customer, trip)
                put(env, trip, "booked")
        except Refused:
            put(env, trip, "undoing")
        if state_of(env, trip) == "undoing":
            for partner in reversed(PARTNERS):
                strict(partner, trip)
            put(env, trip, "refused")

    return serve(env, work, each(env, work))


def overtaken(env: Any) -> Flask:
    """Who gives back at once what he has had no answer about: 404, nothing there; and then the booking arrives."""

    def work(trip: str, customer: str) -> None:
        if state_of(env, trip) == "open":
            try:
                for partner in PARTNERS:
                    take(env, partner, trip)
                turn(env, trip, "open", "paying")
            except (Refused, httpx.TimeoutException):
                turn(env, trip, "open", "undoing")
        forward(env)(trip, customer)

    return serve(env, work, each(env, work))


def gives_back_one(env: Any) -> Flask:
    """Who undoes the step that was last, and not those before it."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            charge(env, customer, trip)
            put(env, trip, "booked")
        except Refused:
            give_back(env, "rooms", trip)
            put(env, trip, "refused")

    return serve(env, work, each(env, work))


def refused_before_undone(env: Any) -> Flask:
    """Who writes the end down before it is reached: nobody looks after a trip that is refused."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            charge(env, customer, trip)
            put(env, trip, "booked")
        except Refused:
            put(env, trip, "refused")
            for partner in PARTNERS:
                give_back(env, partner, trip)

    return serve(env, work, each(env, work))


# -- wrong: paid for nothing, or twice


def money_first(env: Any) -> Flask:
    """Who takes the money first, because that fails most often: a charge cannot be undone."""

    def work(trip: str, customer: str) -> None:
        try:
            charge(env, customer, trip)
            for partner in PARTNERS:
                take(env, partner, trip)
            put(env, trip, "booked")
        except Refused:
            for partner in PARTNERS:
                give_back(env, partner, trip)
            put(env, trip, "refused")

    return serve(env, work, each(env, work))


def two_directions(env: Any) -> Flask:
    """Who goes on with a trip in the request, and back in the job: the job finds one that somebody is working on."""

    def work(trip: str, customer: str) -> None:
        forward(env)(trip, customer)

    def resume() -> None:
        for trip in open_trips(env):
            with contextlib.suppress(httpx.HTTPError):
                for partner in PARTNERS:
                    give_back(env, partner, trip.id)
                put(env, trip.id, "refused")

    return serve(env, work, resume)


def lease_alone(env: Any) -> Flask:
    """Who gives a trip a minute, and undoes it after that: a lease is not a lock, its holder may wake up."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            if state_of(env, trip) == "open":
                put(env, trip, "paying")
                charge(env, customer, trip)
                put(env, trip, "booked")
        except Refused:
            put(env, trip, "undoing")

    def resume() -> None:
        for trip in run(env, "SELECT id, at FROM trips WHERE state IN ('open', 'paying', 'undoing') ORDER BY id"):
            if trip.at < time.time() - 30:
                with contextlib.suppress(httpx.HTTPError):
                    for partner in PARTNERS:
                        give_back(env, partner, trip.id)
                    put(env, trip.id, "refused")

    return serve(env, work, resume)


def new_key_a_try(env: Any) -> Flask:
    """Who makes a key for the provider at each attempt: an attempt that was not answered has charged."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            charge(env, customer, uuid.uuid4().hex)
            put(env, trip, "booked")
        except Refused:
            for partner in PARTNERS:
                give_back(env, partner, trip)
            put(env, trip, "refused")

    return serve(env, work, each(env, work))


def silence_is_no(env: Any) -> Flask:
    """Who takes a provider that is silent for one that declines: seat and room are given back, and then it charges."""
    onward = forward(env)

    def work(trip: str, customer: str) -> None:
        try:
            onward(trip, customer)
        except httpx.TransportError:
            if not turn(env, trip, "paying", "undoing"):
                raise
            onward(trip, customer)

    return serve(env, work, each(env, work))


# -- wrong: what is said


def declined_is_an_error(env: Any) -> Flask:
    """Who retries whatever is no success: a card that is declined is declined for ever, and the trip stays open."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
        except Refused:
            for partner in PARTNERS:
                give_back(env, partner, trip)
            put(env, trip, "refused")
            return
        order = {"customer": customer, "cents": CENTS}
        headers = {"Idempotency-Key": trip}
        answer = env.http.post("http://payments/charges", json=order, headers=headers)
        if answer.is_success:
            put(env, trip, "booked")

    return serve(env, work, each(env, work))


def never_refused(env: Any) -> Flask:
    """Who gives everything back and leaves the trip as it was: nobody is told."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            charge(env, customer, trip)
            put(env, trip, "booked")
        except Refused:
            for partner in PARTNERS:
                give_back(env, partner, trip)

    return serve(env, work, each(env, work))


def booked_too_early(env: Any) -> Flask:
    """Who says «booked» when seat and room are there: the money is sure to follow."""

    def work(trip: str, customer: str) -> None:
        try:
            for partner in PARTNERS:
                take(env, partner, trip)
            put(env, trip, "booked")
            charge(env, customer, trip)
        except Refused:
            for partner in PARTNERS:
                give_back(env, partner, trip)
            turn(env, trip, "open", "refused")

    return serve(env, work, each(env, work))


def nothing_ventured(env: Any) -> Flask:
    """Who is never half done (an over-fix): every trip is refused."""
    return serve(env, lambda trip, customer: put(env, trip, "refused"))


# -- right


def forward_until_the_pivot(env: Any) -> Flask:
    """A state a step, changed under a condition; what was not answered is asked again under the same id."""
    work = forward(env)
    return serve(env, work, each(env, work))


def by_the_job_alone(env: Any) -> Flask:
    """The request writes one row, which is the outbox; the job does all the work."""
    return serve(env, lambda trip, customer: None, each(env, forward(env)))


def rooms_first(env: Any) -> Flask:
    """Which of the two comes first does not matter: both can be given back."""
    work = forward(env, ("rooms", "seats"))
    return serve(env, work, each(env, work))


def back_and_wait(env: Any) -> Flask:
    """The job turns an old trip round, and gives back again and again until nothing late can arrive any more."""
    work = forward(env)

    def request_work(trip: str, customer: str) -> None:
        if state_of(env, trip) in ("open", "paying"):
            work(trip, customer)

    def resume() -> None:
        for trip in run(env, "SELECT * FROM trips WHERE state NOT IN ('booked', 'refused') ORDER BY id"):
            with contextlib.suppress(httpx.HTTPError):
                age = time.time() - trip.at
                if trip.state == "paying":
                    work(trip.id, trip.customer)
                elif trip.state == "open" and age > 30:
                    turn(env, trip.id, "open", "undoing")
                elif trip.state == "undoing":
                    for partner in PARTNERS:
                        give_back(env, partner, trip.id)
                    if age > 100:
                        turn(env, trip.id, "undoing", "refused")

    return serve(env, request_work, resume)


def one_looks(env: Any) -> Flask:
    """An advisory lock lets one instance look at a time; it falls with its owner."""
    work = forward(env)

    def resume() -> None:
        with env.database.connect() as db:
            if db.execute(text("SELECT pg_try_advisory_lock(9)")).scalar_one():
                try:
                    each(env, work)()
                finally:
                    db.execute(text("SELECT pg_advisory_unlock(9)"))

    return serve(env, lambda trip, customer: None, resume)


STUB = (stub, "S10-CHARGED-IN-VAIN")

WRONG = {
    "state_in_memory": (state_in_memory, "S10-OPEN"),
    "nobody_resumes": (nobody_resumes, "S10-HALF-DONE"),
    "undo_only_once": (undo_only_once, "S10-HALF-DONE"),
    "overtaken": (overtaken, "S10-HALF-DONE"),
    "gives_back_one": (gives_back_one, "S10-HALF-DONE"),
    "refused_before_undone": (refused_before_undone, "S10-HALF-DONE"),
    "money_first": (money_first, "S10-CHARGED-IN-VAIN"),
    "two_directions": (two_directions, "S10-HALF-DONE"),
    "lease_alone": (lease_alone, "S10-CHARGED-IN-VAIN"),
    "new_key_a_try": (new_key_a_try, "S10-CHARGED-TWICE"),
    "declined_is_an_error": (declined_is_an_error, "S10-HALF-DONE"),
    "never_refused": (never_refused, "S10-OPEN"),
    "booked_too_early": (booked_too_early, "S10-WRONG-STATE"),
    "nothing_ventured": (nothing_ventured, "S10-TURNED-AWAY"),
    "silence_is_no": (silence_is_no, "S10-CHARGED-IN-VAIN"),
}

RIGHT = {
    "forward_until_the_pivot": forward_until_the_pivot,
    "by_the_job_alone": by_the_job_alone,
    "rooms_first": rooms_first,
    "back_and_wait": back_and_wait,
    "one_looks": one_looks,
}

REPLAYED = "refused_before_undone"
