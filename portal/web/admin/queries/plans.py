"""Reading an agency's plans, who has them, and what the last month's messages would cost by other prices."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from portal.channels.content import AddressKind
from portal.credits import pricing
from portal.credits.pricing import Ask, Rule
from portal.messaging.countries import country_of
from portal.models import CreditPlan, Direction, Location, Message, Sender, Status, Wallet

MOST_PLANS = 200
# A page examines no more rows than this, so that it answers at once however much was sent.
MOST_MESSAGES = 5000
_FREE = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Line:
    """A plan and how many sub-accounts have it."""

    plan: CreditPlan
    places: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a sub-account's messages cost, and would cost by the draft."""

    place: Location
    messages: int
    paid: int
    would: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The draft's effect. `cut`: there were more messages than are looked at, the newest ones are."""

    costs: Sequence[Cost]
    cut: bool

    @property
    def paid(self) -> int:
        """What they cost in all."""
        return sum(each.paid for each in self.costs)

    @property
    def would(self) -> int:
        """What they would cost in all."""
        return sum(each.would for each in self.costs)


def plans(session: Session, agency_id: int) -> list[Line]:
    """Everybody's plans and the agency's own, by name, with how many of its sub-accounts have each."""
    whose = or_(CreditPlan.agency_id.is_(None), CreditPlan.agency_id == agency_id)
    rows = session.scalars(select(CreditPlan).where(whose).order_by(CreditPlan.name).limit(MOST_PLANS)).all()
    counted = (
        select(Wallet.plan_id, func.count())
        .join(Location, Location.id == Wallet.location_id)
        .where(Location.agency_id == agency_id, Wallet.plan_id.in_([row.id for row in rows]))
        .group_by(Wallet.plan_id)
    )
    known = {row[0]: row[1] for row in session.execute(counted)}
    return [Line(row, known.get(row.id, 0)) for row in rows]


def plan(session: Session, agency_id: int, plan_id: int) -> CreditPlan | None:
    """One of the plans that the agency sees."""
    whose = or_(CreditPlan.agency_id.is_(None), CreditPlan.agency_id == agency_id)
    return session.scalar(select(CreditPlan).where(CreditPlan.id == plan_id, whose))


def preview(session: Session, agency_id: int, plan: CreditPlan, rules: Sequence[Rule], since: datetime) -> Preview:
    """What the messages since then of the sub-accounts with this plan cost, and would cost by these rules."""
    mine = Wallet.plan_id == plan.id, Location.agency_id == agency_id
    with_it = select(Location).join(Wallet, Wallet.location_id == Location.id).where(*mine).order_by(Location.id)
    senders: dict[int, Sender | None] = {}
    costs, left = [], MOST_MESSAGES
    for place in session.scalars(with_it):
        totals: Counter[str] = Counter()
        newest = select(Message).where(Message.location_id == place.id).order_by(Message.position.desc()).limit(left)
        for message in session.scalars(newest.options(selectinload(Message.parts))):
            left -= 1
            if message.created_at < since:
                break
            if message.status in _FREE:
                continue
            for ask, paid in _asks(session, message, rules, senders):
                totals["paid"] += paid
                totals["would"] += _would(plan, message, rules, ask, paid)
            totals["messages"] += 1
        costs.append(Cost(place, totals["messages"], totals["paid"], totals["would"]))
        if left <= 0:
            break
    return Preview(costs, left <= 0)


def _would(plan: CreditPlan, message: Message, rules: Sequence[Rule], ask: Ask, paid: int) -> int:
    """What comes in is free on some plans, and beyond so many a day from one customer on all."""
    if message.direction == Direction.IN and (plan.inbound_free or not paid):
        return 0
    return pricing.priced(rules, ask)


def _asks(
    session: Session, message: Message, rules: Sequence[Rule], senders: dict[int, Sender | None]
) -> Iterator[tuple[Ask, int]]:
    """What of a message is priced, and what it cost."""
    by_phone = message.address_kind == AddressKind.PHONE and any(rule.country for rule in rules)
    country = country_of(message.address) if by_phone else ""
    if message.direction == Direction.IN:
        channel, family = _channel(session, message.sender_id, senders)
        yield Ask(channel, family, Direction.IN, message.kind, 1, country), message.credits
        return
    for part in message.parts:
        channel, family = _channel(session, part.sender_id or message.sender_id, senders)
        yield Ask(channel, family, Direction.OUT, part.kind, part.segments, country), part.price


def _channel(session: Session, sender_id: int | None, senders: dict[int, Sender | None]) -> tuple[str, str]:
    if sender_id is None:
        return "", ""
    if sender_id not in senders:
        senders[sender_id] = session.get(Sender, sender_id)
    found = senders[sender_id]
    return (found.channel, found.family) if found is not None else ("", "")
