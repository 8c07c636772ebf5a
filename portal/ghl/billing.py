"""HighLevel's wallet charges (`apps/marketplace.json`, "Wallet Charges"): what a sub-account pays for an app's use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from portal.ghl.errors import GhlError, Kind
from portal.ghl.fields import identifier, mapping, text
from portal.ghl.transport import RESOURCES, Transport, segment

SCOPES = ("charges.readonly", "charges.write")
CHARGES = "/marketplace/billing/charges"
MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Meter:
    """What usage is counted by in the app's pricing. A `dynamic` one takes our price, the other has its own."""

    id: str
    dynamic: bool = False


def parse_meter(given: str, faults: list[str]) -> Meter | None:
    """The meter of `id`, `id:fixed` or `id:dynamic`; None for "". What is wrong goes to the faults."""
    meter, _, kind = given.partition(":")
    if not given:
        return None
    if not identifier(meter) or kind not in ("", "fixed", "dynamic"):
        faults.append(
            "GHL_METER_ID is the billing meter's id from the app's pricing, then :fixed or :dynamic: correct it."
        )
        return None
    return Meter(meter, kind == "dynamic")


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge to be. `unit_micros` is millionths of a US dollar for each of the `units`, 0 for the meter's own."""

    app_id: str
    meter_id: str
    event_id: str
    location_id: str
    company_id: str
    description: str
    units: int
    unit_micros: int
    at: datetime

    def body(self) -> dict[str, Any]:
        """As HighLevel takes it: units and price are numbers, and no field may be empty (issue 244)."""
        priced = {"price": self.unit_micros / MICROS} if self.unit_micros else {}
        return {
            "appId": self.app_id,
            "meterId": self.meter_id,
            "eventId": self.event_id,
            "locationId": self.location_id,
            "companyId": self.company_id,
            "description": self.description,
            "units": self.units,
            "eventTime": self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **priced,
        }


@dataclass(frozen=True, slots=True)
class Charged:
    """A charge as HighLevel has it. `amount_micros` None where it does not say."""

    id: str
    event_id: str
    amount_micros: int | None
    refunded: bool


class Billing:
    """Each method is one request with the location's token. All raise `GhlError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def has_funds(self, token: str) -> bool:
        """Can the sub-account be charged at all? For how much, HighLevel does not tell."""
        answer = self._call("GET", f"{CHARGES}/has-funds", token)
        if not isinstance(answer.get("hasFunds"), bool):
            raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer does not say whether there are funds.")
        return bool(answer["hasFunds"])

    def charge(self, token: str, charge: Charge) -> str:
        """Makes the charge and returns its id. Not idempotent: after UNKNOWN and SERVER look with `find` first."""
        answer = self._transport.call("POST", CHARGES, version=RESOURCES, token=token, json=charge.body())
        charge_id = identifier(answer.get("chargeId"))
        if not charge_id or answer.get("success") is False:
            raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer names no charge.")
        return charge_id

    def find(self, token: str, event_id: str) -> Sequence[Charged]:
        """The charges that were made under our id, refunded ones too. One is right; none was ever promised to be.

        On whichever meter: another one may be set by now than they were made with.
        """
        query = {"eventId": event_id, "limit": "20"}
        listed = self._call("GET", CHARGES, token, query).get("charges")
        if not isinstance(listed, list):
            raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer lists no charges.")
        found = [_charged(each) for each in map(mapping, listed) if text(each.get("transactionType")) != "refund"]
        return [each for each in found if each is not None and each.event_id == event_id]

    def get(self, token: str, charge_id: str) -> Charged:
        """One charge. NOT_FOUND when HighLevel has none of this id."""
        found = _charged(self._call("GET", f"{CHARGES}/{segment(charge_id)}", token))
        if found is None:
            raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer names no charge.")
        return found

    def refund(self, token: str, charge_id: str) -> None:
        """Takes the whole charge back. After UNKNOWN and SERVER look with `get` first."""
        self._call("DELETE", f"{CHARGES}/{segment(charge_id)}", token)

    def _call(self, method: str, path: str, token: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return self._transport.call(method, path, version=RESOURCES, token=token, params=params)


def _charged(fields: Mapping[str, Any]) -> Charged | None:
    charge_id = identifier(fields.get("chargeId"))
    if not charge_id:
        return None
    event_id = text(mapping(fields.get("meta")).get("eventId"))
    return Charged(charge_id, event_id, _micros(fields.get("amountCharged")), fields.get("refunded") is True)


def _micros(amount: Any) -> int | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float | str):
        return None
    try:
        return int((Decimal(str(amount)) * MICROS).to_integral_value())
    except (InvalidOperation, OverflowError):
        return None
