"""saga: three services, no common transaction, and in the end all of it has happened or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleetlab.world.partners import Answer, Partner
from fleetlab.world.payments import PaymentProvider
from fleetlab.world.world import World

from ..asking import MINUTE, attempt, field
from ..exercise import Exercise
from ..history import History
from .common import client

SETTLED = 3 * MINUTE
"""How long after a request a trip may still be open, in virtual seconds."""
SLOW, LATE = 4.0, 20.0
"""How long a call takes that is still answered, and one that takes effect after it was given up, in virtual seconds."""
A_WHILE, FIRST_LOOK, APART = 30.0, 12.0, 4.0
"""How much time lies between two trips, for how long what instances do by themselves is explored, and how far apart
they start (and so look), in virtual seconds."""

saga = Exercise(
    "10.saga",
    "Seat, room and money: all or nothing, without a common transaction",
    hints=[
        "An instance may die after any line. Whoever looks at the trip a minute later has only what stands in the "
        "database: which step is done, and which way it goes, on or back? Who looks?",
        "Which step cannot be undone? It comes last, and before it a row says that from here it only goes on. That row "
        "changes under a condition, so that of two who work on one trip only one decides.",
        "A call that was not answered is neither done nor undone: ask for the same again, under the same id, until an "
        "answer comes. Only then give back what you hold. Giving back may come to 404, if it has been done before; "
        "that is as good as 200.",
    ],
)


class Bookings(Partner):
    """`PUT /bookings/<trip>` takes one of those that are free, `DELETE` gives it back; an id is good for one booking.

    PUT answers 200, also if it is taken already, 409 if nothing is free, and 410 after it was given back. DELETE
    answers 200, or 404 where nothing is held.
    """

    def __init__(self, world: World, name: str, free: int = 9) -> None:
        self.free = free
        self.held: dict[str, bool] = {}
        super().__init__(world, name)

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> Answer:
        """Take one, or give it back."""
        trip = path.removeprefix("/bookings/")
        if method == "PUT":
            return self._take(trip)
        return self._give_back(trip) if method == "DELETE" else (405, {"error": "PUT or DELETE"})

    def _take(self, trip: str) -> Answer:
        if trip in self.held:
            return (200, {"trip": trip}) if self.held[trip] else (410, {"error": "given back"})
        if not self.free:
            return 409, {"error": "none left"}
        self.free -= 1
        self.held[trip] = True
        return 200, {"trip": trip}

    def _give_back(self, trip: str) -> Answer:
        if not self.held.get(trip):
            return 404, {"error": "nothing held"}
        self.free += 1
        self.held[trip] = False
        return 200, {"trip": trip}


class Outcome(NamedTuple):
    """What became of a trip: what is held, how often it was charged, and what the shop says."""

    trip: str
    seat: bool
    room: bool
    charges: int
    state: Any


class Agency:
    """The shop, its three partners, and the customers of its trips; Eve's card is declined."""

    def __init__(self, world: World, shop: Any, trips: Mapping[str, str]) -> None:
        self.world, self.trips = world, trips
        self.fleet = world.deploy(shop, instances=1, name="shop")
        with world.calm():
            world.run(APART)
            self.fleet.scale(2)
        self.seats, self.rooms = Bookings(world, "seats"), Bookings(world, "rooms")
        self.payments = PaymentProvider(world, declined=("eve",))
        self.desk = client(world, "desk", timeout=30.0)

    def book(self, trip: str) -> None:
        """Ask for a trip, once, whatever comes of it."""
        attempt(lambda: self.desk.post("/trips", json={"trip": trip, "customer": self.trips[trip]}))

    def settle(self) -> list[Outcome]:
        """Let three minutes pass, with two instances, and return what has become of the trips."""
        with self.world.calm():
            self.fleet.scale(2)
            self.world.run(SETTLED)
            return [self._outcome(trip, customer) for trip, customer in self.trips.items()]

    def _outcome(self, trip: str, customer: str) -> Outcome:
        state = field(attempt(lambda: self.desk.get(f"/trips/{trip}")), "state")
        held = [bool(partner.held.get(trip)) for partner in (self.seats, self.rooms)]
        charges = sum(charge.customer == customer for charge in self.payments.charges)
        return Outcome(trip, held[0], held[1], charges, state)


@saga.scenario(preemptions=0)
def without_faults(world: World, shop: Any) -> Any:
    """One trip that works; then no room is left, then no seat, then a card is declined: these are undone."""
    agency = Agency(world, shop, {"t1": "ada", "t2": "bob", "t3": "cem", "t4": "eve"})
    with world.calm():
        agency.book("t1")
        world.run(A_WHILE)
        for trip, partner in (("t2", agency.rooms), ("t3", agency.seats)):
            partner.free, before = 0, partner.free
            agency.book(trip)
            world.run(A_WHILE)
            partner.free = before
        agency.book("t4")
        return agency.settle()


@saga.scenario(preemptions=0)
def slow_but_alive(world: World, shop: Any) -> Any:
    """Each of the three takes four seconds, which is not too long; whoever looks after open trips finds this one."""
    agency = Agency(world, shop, {"t1": "ada"})
    for partner in (agency.seats, agency.rooms, agency.payments):
        partner.delays.append(SLOW)
    with world.calm():
        agency.book("t1")
        return agency.settle()


@saga.scenario(preemptions=0)
def late_effects(world: World, shop: Any) -> Any:
    """Of three trips each meets another partner whose call takes effect 20 s later, when its caller has given up."""
    agency = Agency(world, shop, {"t1": "ada", "t2": "bob", "t3": "cem"})
    with world.calm():
        for trip, partner in zip(agency.trips, (agency.seats, agency.rooms, agency.payments), strict=True):
            partner.delays.append(LATE)
            agency.book(trip)
            world.run(A_WHILE)
        return agency.settle()


def _one_trip(world: World, shop: Any, customer: str) -> Any:
    agency = Agency(world, shop, {"t1": customer})
    agency.book("t1")
    world.run(FIRST_LOOK)
    return agency.settle()


@saga.scenario(preemptions=0, kills=1)
def a_death(world: World, shop: Any) -> Any:
    """One trip, and an instance may die at any step; another takes its place."""
    return _one_trip(world, shop, "ada")


@saga.scenario(preemptions=0, kills=1)
def a_death_on_the_way_back(world: World, shop: Any) -> Any:
    """The card is declined, and an instance may die at any step; another takes its place."""
    return _one_trip(world, shop, "eve")


@saga.scenario(preemptions=0, pauses=1, pause_seconds=90.0)
def a_long_pause(world: World, shop: Any) -> Any:
    """One trip, and an instance may stand still for 90 s at any step of it, and then go on as if nothing had been."""
    return _one_trip(world, shop, "ada")


# Invariants, the most telling first


@saga.must("CHARGED-TWICE", "nobody is charged twice for one trip")
def once(history: History) -> str | None:
    for trip in history.result:
        if trip.charges > 1:
            return f"The customer of {trip.trip} was charged {trip.charges} times."
    return None


@saga.must("CHARGED-IN-VAIN", "nobody pays for a trip that does not take place: a charge cannot be undone")
def not_in_vain(history: History) -> str | None:
    for trip in history.result:
        if trip.charges and not (trip.seat and trip.room):
            return f"The customer of {trip.trip} has paid, and holds {_holds(trip)}."
    return None


@saga.must("HALF-DONE", "three minutes later a trip is done or undone as a whole")
def whole(history: History) -> str | None:
    for trip in history.result:
        if (trip.seat or trip.room) and not (trip.seat and trip.room and trip.charges):
            return f"Three minutes later {trip.trip} is half done: {_holds(trip)}, and {_paid(trip)}."
    return None


@saga.must("OPEN", "three minutes later the shop says what became of a trip: booked or refused")
def closed(history: History) -> str | None:
    for trip in history.result:
        known = any(request.ok and request.method == "POST" for request in history.sent)
        if trip.state not in ("booked", "refused") and (known or trip.state == "open"):
            said = f"«{trip.state}»" if trip.state else "nothing"
            return f"Three minutes later the shop says {said} about {trip.trip}: {_holds(trip)}, and {_paid(trip)}."
    return None


@saga.must("WRONG-STATE", "what the shop says of a trip is true")
def true(history: History) -> str | None:
    for trip in history.result:
        if (trip.state == "booked") != bool(trip.charges):
            return f"The shop says that {trip.trip} is {trip.state}: {_holds(trip)}, and {_paid(trip)}."
    return None


@saga.must(
    "TURNED-AWAY", "a trip for which there is a seat, a room and money takes place", without_faults, slow_but_alive
)
def booked(history: History) -> str | None:
    if history.result[0].state != "booked":
        return "There were a seat, a room and money for t1, and it was refused."
    return None


def _holds(trip: Outcome) -> str:
    held = " and ".join(name for name, there in (("a seat", trip.seat), ("a room", trip.room)) if there)
    return held or "neither seat nor room"


def _paid(trip: Outcome) -> str:
    return "it is paid" if trip.charges else "it is not paid"


__all__ = ["Bookings", "saga"]
