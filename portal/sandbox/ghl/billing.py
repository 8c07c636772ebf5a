"""HighLevel's wallet charges: what the app takes out of a sub-account's wallet, and gives back.

It makes a charge for every request that it takes, also for a second one under the same `eventId`: that HighLevel knew
them apart is nowhere promised. Its words for an empty wallet are not documented either.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import (
    blueprint,
    caller,
    created,
    foreign,
    iso,
    location_call,
    payload,
    refuse,
    unexpected,
)
from portal.sandbox.world import APP_ID, METER_ID, Ids

NEEDED: dict[str, type | tuple[type, ...]] = {
    "appId": str,
    "meterId": str,
    "eventId": str,
    "locationId": str,
    "companyId": str,
    "description": str,
    "units": (int, float),
}
OPTIONAL: dict[str, type | tuple[type, ...]] = {"userId": str, "price": (int, float), "eventTime": str}
CHARGES = "/marketplace/billing/charges"


@dataclass(slots=True)
class Charge:
    """A charge. Amounts are US dollars."""

    id: str
    location_id: str
    event_id: str
    description: str
    units: float
    price: float
    at: float
    meter_id: str
    refunded: bool = False

    @property
    def amount(self) -> float:
        """What was taken."""
        return round(self.units * self.price, 6)


class Till:
    """All charges. `fixed_price` is the meter's own, for each unit; None for a meter that takes the app's.

    `funds` is what is left in a location's wallet, in US dollars; one that is not named is never empty.
    """

    def __init__(self, ids: Ids, clock: Callable[[], float]) -> None:
        self.fixed_price: float | None = None
        self.funds: dict[str, float] = {}
        self._ids, self._clock = ids, clock
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}

    def all(self, location_id: str = "") -> list[Charge]:
        """The charges, of one location or of all, the oldest first."""
        with self._lock:
            return [each for each in self._charges.values() if location_id in ("", each.location_id)]

    def has_funds(self, location_id: str) -> bool:
        """Is anything left?"""
        return self.funds.get(location_id, 1.0) > 0

    def take(self, body: dict[str, Any]) -> Charge | None:
        """Makes a charge; None when the wallet holds too little for it."""
        place, price = body["locationId"], self.fixed_price if self.fixed_price is not None else body.get("price", 0.0)
        with self._lock:
            made = Charge(
                self._ids.new("charge"),
                place,
                body["eventId"],
                body["description"],
                body["units"],
                price,
                self._clock(),
                body["meterId"],
            )
            if place in self.funds:
                if self.funds[place] < made.amount or self.funds[place] <= 0:
                    return None
                self.funds[place] = round(self.funds[place] - made.amount, 6)
            self._charges[made.id] = made
        return made

    def get(self, charge_id: str) -> Charge | None:
        """The charge with this id."""
        with self._lock:
            return self._charges.get(charge_id)

    def give_back(self, charge: Charge) -> bool:
        """Refunds it; False when that was done before."""
        with self._lock:
            if charge.refunded:
                return False
            charge.refunded = True
            if charge.location_id in self.funds:
                self.funds[charge.location_id] = round(self.funds[charge.location_id] + charge.amount, 6)
        return True


@blueprint.post(CHARGES)
@location_call
def charge() -> Response:
    """Takes units out of the wallet."""
    body = payload()
    till = sandbox().ghl.till
    if faults := _faults(body):
        return refuse(422, faults)
    if refusal := foreign(body["locationId"]):
        return refusal
    if body["appId"] != APP_ID or body["meterId"] != METER_ID:
        return refuse(400, "Invalid meter")
    if "price" in body and till.fixed_price is not None:
        return refuse(400, "Custom price is not allowed for fixed price meters")
    if "price" not in body and till.fixed_price is None:
        return refuse(400, "Price is required for dynamic meters")
    made = till.take(body)
    if made is None:
        return refuse(400, "The account could not be charged")
    return created(success=True, chargeId=made.id)


@blueprint.get(CHARGES)
@location_call
def list_charges() -> Response:
    """The location's charges, the newest first, of one meter or event id when they are named."""
    wanted = {name: request.args.get(name, "") for name in ("meterId", "eventId")}
    found = [
        each
        for each in sandbox().ghl.till.all(caller().location_id)[::-1]
        if wanted["meterId"] in ("", each.meter_id) and wanted["eventId"] in ("", each.event_id)
    ]
    skip, limit = request.args.get("skip", 0, int), request.args.get("limit", 10, int)
    page = [_shown(each) for each in found[skip : skip + limit]]
    return jsonify(charges=page, count=len(found), pagination={"total": len(found), "skip": skip, "limit": limit})


@blueprint.get(f"{CHARGES}/has-funds")
@location_call
def has_funds() -> Response:
    """Can the location be charged?"""
    return jsonify(hasFunds=sandbox().ghl.till.has_funds(caller().location_id))


@blueprint.get(f"{CHARGES}/<charge_id>")
@location_call
def get_charge(charge_id: str) -> Response:
    """One charge."""
    found = _own(charge_id)
    return jsonify(_shown(found)) if found else refuse(404, "Charge not found")


@blueprint.delete(f"{CHARGES}/<charge_id>")
@location_call
def delete_charge(charge_id: str) -> Response:
    """Gives the whole charge back, once."""
    found = _own(charge_id)
    if found is None:
        return refuse(404, "Charge not found")
    return jsonify(success=True) if sandbox().ghl.till.give_back(found) else refuse(400, "Charge is already refunded")


def _own(charge_id: str) -> Charge | None:
    found = sandbox().ghl.till.get(charge_id)
    return found if found is not None and found.location_id == caller().location_id else None


def _faults(body: dict[str, Any]) -> list[str]:
    known = NEEDED | OPTIONAL
    faults = unexpected(body, frozenset(known))
    for name, kind in known.items():
        value = body.get(name)
        if (name in NEEDED or name in body) and (not isinstance(value, kind) or isinstance(value, bool) or value == ""):
            faults.append(f"{name} must be a {'string' if kind is str else 'number'}")
    return faults


def _shown(one: Charge) -> dict[str, Any]:
    return {
        "chargeId": one.id,
        "appId": APP_ID,
        "meterId": one.meter_id,
        "entityType": "location",
        "entityId": one.location_id,
        "amountCharged": one.amount,
        "pricePerUnit": one.price,
        "units": one.units,
        "refunded": one.refunded,
        "transactionType": "charge",
        "currency": "USD",
        "meta": {"eventId": one.event_id, "description": one.description},
        "createdAt": iso(one.at),
        "updatedAt": iso(one.at),
    }
