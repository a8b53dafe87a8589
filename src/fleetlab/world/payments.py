"""A payment provider with idempotency keys, as Stripe and Adyen have them: what it charges is charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .partners import Answer, Partner

if TYPE_CHECKING:
    from .world import World


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge: its id, whom it was taken from, how many cents, under which key, at which virtual second."""

    id: str
    customer: str
    cents: int
    key: str
    time: float


class PaymentProvider(Partner):
    """`POST http://payments/charges` with `{"customer": …, "cents": …}` takes the money, and answers 201.

    A request with an `Idempotency-Key` that was seen before gets the first answer again and charges nothing; with
    another body it gets 422. Who is among `declined` gets 402. `GET /charges` lists what was taken.
    """

    def __init__(self, world: World, name: str = "payments", declined: tuple[str, ...] = ()) -> None:
        self.charges: list[Charge] = []
        self.declined = declined
        self._world = world
        self._answers: dict[str, tuple[dict[str, Any], Answer]] = {}
        super().__init__(world, name)

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> Answer:
        """Charge once a key; list charges; anything else is 404."""
        if (method, path) == ("GET", "/charges"):
            return 200, {"charges": [_shown(charge) for charge in self.charges]}
        if (method, path) != ("POST", "/charges"):
            return 404, {"error": f"there is no {method} {path}"}
        if key and key in self._answers:
            asked, told = self._answers[key]
            return told if asked == body else (422, {"error": "this key was used for another charge"})
        told = self._charge(key, body)
        if key and told[0] != 400:
            self._answers[key] = body, told
        return told

    def _charge(self, key: str, body: dict[str, Any]) -> Answer:
        customer, cents = body.get("customer"), body.get("cents")
        if not isinstance(customer, str) or not isinstance(cents, int) or isinstance(cents, bool) or cents <= 0:
            return 400, {"error": "a charge has a customer and a positive number of cents"}
        if customer in self.declined:
            return 402, {"error": "card declined"}
        charge = Charge(f"ch_{len(self.charges) + 1}", customer, cents, key, self._world.now)
        self.charges.append(charge)
        return 201, {"id": charge.id}

    def taken(self, customer: str) -> int:
        """Return how many cents were taken from a customer."""
        return sum(charge.cents for charge in self.charges if charge.customer == customer)


def _shown(charge: Charge) -> dict[str, Any]:
    return {"id": charge.id, "customer": charge.customer, "cents": charge.cents}
