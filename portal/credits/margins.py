"""What messages earned and what they cost: our credits beside the provider's own price, by sender.

The provider's word counts where it gives one with its receipt (Twilio, Vonage, Infobip name a price; Meta says what was
free). Elsewhere it is the operator's rate in force when the part was accepted, for each SMS or each message. What
neither tells is counted as unknown, never guessed. Money is in millionths of its currency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.errors import InvalidInput
from portal.models import CreditPlan, LedgerEntry, Location, Message, Part, ProviderRate, Sender, Wallet

MICROS = 1_000_000
AT_ONCE = 1000


@dataclass(slots=True)
class Margin:
    """One sender in a time. `earned` and `cost` by currency; `unknown` parts have a cost that nobody told."""

    location_id: str
    sender: str
    channel: str
    parts: int = 0
    unknown: int = 0
    credits: int = 0
    earned: dict[str, int] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> dict[str, int]:
        """Earned less cost, in currencies that both are known in."""
        return {currency: self.earned[currency] - self.cost.get(currency, 0) for currency in self.earned}


def of(session: Session, location: Location, begins_at: datetime, ends_at: datetime) -> list[Margin]:
    """Each sender's, for parts that the provider accepted, and credits that were spent, in that time."""
    senders = {row.id: row for row in session.scalars(select(Sender).where(Sender.location_id == location.id))}
    found = {id_: Margin(location.ghl_id, row.name, row.channel) for id_, row in senders.items()}
    rates = session.scalars(select(ProviderRate).order_by(ProviderRate.starts_at.desc(), ProviderRate.id.desc())).all()
    parts = (
        select(Part.sender_id, Part.billing, Part.segments, Part.accepted_at)
        .join(Message, Message.id == Part.message_id)
        .where(Message.location_id == location.id, Part.accepted_at >= begins_at, Part.accepted_at < ends_at)
        .execution_options(yield_per=AT_ONCE)
    )
    for row in session.execute(parts):
        if (mine := found.get(row.sender_id)) is not None:
            _add(mine, _cost(senders[row.sender_id], row.billing or {}, row.segments, row.accepted_at, rates))
    for sender_id, credits in session.execute(_spent(location.id, begins_at, ends_at)):
        if (mine := found.get(sender_id)) is not None:
            mine.credits = int(credits)
    sold = session.execute(
        select(CreditPlan.credit_micros, CreditPlan.currency)
        .join(Wallet, Wallet.plan_id == CreditPlan.id)
        .where(Wallet.location_id == location.id, CreditPlan.credit_micros > 0)
    ).one_or_none()
    for each in found.values():
        if sold is not None:
            each.earned = {sold.currency: each.credits * sold.credit_micros}
    return [each for each in found.values() if each.parts or each.credits]


def _spent(location_id: int, begins_at: datetime, ends_at: datetime) -> Any:
    return (
        select(Message.sender_id, func.sum(LedgerEntry.spent))
        .join(LedgerEntry, LedgerEntry.message_id == Message.id)
        .join(Wallet, Wallet.id == LedgerEntry.wallet_id)
        .where(Wallet.location_id == location_id, LedgerEntry.at >= begins_at, LedgerEntry.at < ends_at)
        .group_by(Message.sender_id)
    )


def _add(margin: Margin, cost: tuple[str, int] | None) -> None:
    margin.parts += 1
    if cost is None:
        margin.unknown += 1
        return
    currency, micros = cost
    margin.cost[currency] = margin.cost.get(currency, 0) + micros


def _cost(
    sender: Sender, billing: Mapping[str, Any], segments: int, at: datetime, rates: Sequence[ProviderRate]
) -> tuple[str, int] | None:
    """Currency and millionths of one part; None when nobody knows."""
    told = _told(billing)
    if told is not None:
        return told
    category = str(billing.get("category", ""))
    fitting = [
        rate
        for rate in rates
        if rate.channel == sender.channel and rate.starts_at <= at and rate.category in ("", category)
    ]
    # The newest of those that name the category, else of the others: the list is in this order.
    rate = min(fitting, key=lambda each: each.category == "", default=None)
    if rate is None:
        return None
    if billing.get("billable") is False:
        return rate.currency, 0
    return rate.currency, rate.micros * (max(segments, 1) if sender.family == Family.SMS else 1)


def _told(billing: Mapping[str, Any]) -> tuple[str, int] | None:
    """Twilio names what it takes off the account, so below zero."""
    if not billing.get("price") or not billing.get("currency"):
        return None
    try:
        price = abs(Decimal(str(billing["price"])))
    except InvalidOperation:
        return None
    return (str(billing["currency"])[:3], int(price * MICROS)) if price.is_finite() else None


def set_rate(
    session: Session, channel: str, price: str, currency: str, starts_at: datetime, who: str, category: str = ""
) -> int:
    """Writes what a provider asks from a moment on; earlier rates stay. Raises `InvalidInput`."""
    rate = ProviderRate(
        channel=channel,
        category=category[:24],
        micros=micros_of(price),
        currency=currency_of(currency),
        starts_at=starts_at,
        who=who[:128],
    )
    session.add(rate)
    session.flush()
    return rate.id


def micros_of(price: str) -> int:
    """Millionths of a price as people write it. Raises `InvalidInput`."""
    try:
        value = Decimal(price)
    except InvalidOperation:
        raise InvalidInput("A price is a number, as 0.0075.") from None
    if not value.is_finite() or not 0 <= value <= 1000:
        raise InvalidInput("A price is a number from 0 to 1000.")
    return int(value * MICROS)


def currency_of(name: str) -> str:
    """Three capital letters. Raises `InvalidInput`."""
    if not (len(name) == 3 and name.isascii() and name.isalpha() and name.isupper()):
        raise InvalidInput("A currency is three letters, as USD.")
    return name
