"""Reading prices: the list that holds for a sub-account, the one to come, and by which price a message cost what it
cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.channels.content import AddressKind
from portal.credits import pricing
from portal.credits.pricing import Ask, Rule
from portal.credits.terms import plan_counts
from portal.messaging.countries import country_of
from portal.models import CreditPlan, Direction, Location, Message, PriceList, PriceRule, Sender, Wallet


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price list and its rules; `own` says that it is the plan's. `row` is None for the default."""

    row: PriceList | None
    rules: Sequence[Rule]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a message: what it was priced as, and by which rule (None: the default list).

    `free` says why it cost nothing whatever the prices are.
    """

    ask: Ask
    price: int
    rule: Rule | None
    status: str = ""
    free: str = ""

    @property
    def times(self) -> int:
        """For how many SMS the unit is paid."""
        per_segment = self.rule is None or self.rule.per_segment
        return max(self.ask.segments, 1) if per_segment and self.ask.family == Family.SMS else 1


def plan_of(session: Session, purse: Wallet | None) -> CreditPlan | None:
    """The plan of a wallet, as `terms` reads it: another agency's is none, and nobody's here to see."""
    if purse is None or purse.plan_id is None:
        return None
    place = Location.id == purse.location_id
    return session.scalar(select(CreditPlan).join(Location, place).where(CreditPlan.id == purse.plan_id, plan_counts()))


def in_force(session: Session, plan: CreditPlan | None, moment: datetime) -> Tariff:
    """As `terms` reads it: the plan's newest list that has begun, else everybody's, else the default."""
    for plan_id in (plan.id, None) if plan is not None else (None,):
        row = session.scalar(_lists(plan_id).where(PriceList.starts_at <= moment).limit(1))
        if row is not None:
            return Tariff(row, _rules(session, row), own=plan_id is not None)
    return Tariff(None, ())


def coming(session: Session, plan: CreditPlan | None, moment: datetime) -> Sequence[Tariff]:
    """Lists that begin later, the next one last."""
    rows: list[PriceList] = []
    for plan_id in (plan.id, None) if plan is not None else (None,):
        rows += session.scalars(_lists(plan_id).where(PriceList.starts_at > moment).limit(10)).all()
    return [Tariff(row, _rules(session, row), row.plan_id is not None) for row in rows]


def reasons(session: Session, message: Message, plan: CreditPlan | None) -> list[Reason]:
    """Why a message cost what it cost, part by part. The plan is today's: an earlier one may have had other prices,
    then what was paid stands beside."""
    rules = in_force(session, plan, message.created_at).rules
    by_phone = message.address_kind == AddressKind.PHONE
    country = country_of(message.address) if by_phone and any(rule.country for rule in rules) else ""
    if message.direction == Direction.IN:
        sender = session.get(Sender, message.sender_id) if message.sender_id is not None else None
        ask = _ask(sender, Direction.IN, message.kind, 1, country)
        free = "What comes in is free on this plan." if plan is not None and plan.inbound_free else ""
        return [Reason(ask, message.credits, pricing.rule_for(rules, ask), free=free)]
    found = []
    for part in message.parts:
        sender_id = part.sender_id or message.sender_id
        sender = session.get(Sender, sender_id) if sender_id is not None else None
        ask = _ask(sender, Direction.OUT, part.kind, part.segments, country)
        found.append(Reason(ask, part.price, pricing.rule_for(rules, ask), part.status))
    return found


def _ask(sender: Sender | None, direction: Direction, kind: str, segments: int, country: str) -> Ask:
    channel, family = (sender.channel, sender.family) if sender is not None else ("", "")
    return Ask(channel, family, direction, kind, segments, country)


def _lists(plan_id: int | None) -> Select[PriceList]:
    mine = PriceList.plan_id.is_(None) if plan_id is None else PriceList.plan_id == plan_id
    return select(PriceList).where(mine).order_by(PriceList.starts_at.desc(), PriceList.id.desc())


def _rules(session: Session, row: PriceList) -> list[Rule]:
    rules = session.scalars(select(PriceRule).where(PriceRule.list_id == row.id).order_by(PriceRule.id))
    return [
        Rule(each.credits, each.channel, each.direction, each.kind, each.country, each.per_segment) for each in rules
    ]
