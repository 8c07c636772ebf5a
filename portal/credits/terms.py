"""On what terms a sub-account uses credits: its plan's prices by date, and its policies.

Every process keeps them for `KEPT`, because they are asked for with every message. A price list cannot begin sooner
than that, so all processes know it when it does; a message has the price of the list in force when it was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, and_, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits.pricing import Ask, Rule, priced
from portal.models import CreditPlan, Direction, Location, PriceList, PriceRule, Wallet

KEPT = timedelta(seconds=30)

# By plan, None for what is everybody's: the moments from which lists hold, the newest first.
_Lists = Mapping[int | None, tuple[tuple[datetime, tuple[Rule, ...]], ...]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one sub-account."""

    plan_id: int | None = None
    inbound_free: bool = False
    settles_on_delivery: bool = False
    fails_when_empty: bool = False


@dataclass(slots=True)
class _Kept:
    at: datetime
    lists: _Lists
    terms: dict[int, Terms] = field(default_factory=dict)

    def rules(self, plan_id: int | None, moment: datetime) -> tuple[Rule, ...]:
        """Those of the plan's list in force; a plan without one has everybody's."""
        for plan in (plan_id, None):
            for starts_at, rules in self.lists.get(plan, ()):
                if starts_at <= moment:
                    return rules
        return ()


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def of(session: Session, location_id: int) -> Terms:
    """The sub-account's terms."""
    kept = _fresh(session)
    if location_id not in kept.terms:
        row = session.connection().execute(_OF.where(Wallet.location_id == location_id)).one_or_none()
        kept.terms[location_id] = Terms(row.plan_id, bool(row.inbound_free), row[2], row[3]) if row else Terms()
    return kept.terms[location_id]


def price(session: Session, location_id: int, ask: Ask, written_at: datetime) -> int:
    """Credits for a part, or for a message that came in, by the prices that held when it was written."""
    known = of(session, location_id)
    if ask.direction == Direction.IN and known.inbound_free:
        return 0
    return priced(_fresh(session).rules(known.plan_id, written_at), ask)


def looks_at_countries(session: Session, location_id: int, written_at: datetime) -> bool:
    """Does any price depend on the country? Reading it off a number takes its time."""
    return any(rule.country for rule in _fresh(session).rules(of(session, location_id).plan_id, written_at))


def forget(session: Session) -> None:
    """Has them read anew in this process, for whoever has just changed them."""
    _kept.pop(session.connection().engine, None)


def _fresh(session: Session) -> _Kept:
    engine, moment = session.connection().engine, clock.now()
    kept = _kept.get(engine)
    if kept is None or abs(moment - kept.at) >= KEPT:
        kept = _kept[engine] = _Kept(moment, _lists(session))
    return kept


def _lists(session: Session) -> _Lists:
    rules: dict[int, list[Rule]] = {}
    for row in session.connection().execute(select(PriceRule.__table__)):
        rule = Rule(row.credits, row.channel, row.direction, row.kind, row.country, row.per_segment)
        rules.setdefault(row.list_id, []).append(rule)
    found: dict[int | None, list[tuple[datetime, tuple[Rule, ...]]]] = {}
    newest = select(PriceList.id, PriceList.plan_id, PriceList.starts_at)
    for row in session.connection().execute(newest.order_by(PriceList.starts_at.desc(), PriceList.id.desc())):
        found.setdefault(row.plan_id, []).append((row.starts_at, tuple(rules.get(row.id, ()))))
    return {plan: tuple(lists) for plan, lists in found.items()}


def plan_counts() -> ColumnElement[bool]:
    """Does a plan hold for `Location`? One that moved is not priced by the agency that it left."""
    return or_(CreditPlan.agency_id.is_(None), CreditPlan.agency_id == Location.agency_id)


_OF = (
    select(CreditPlan.id.label("plan_id"), CreditPlan.inbound_free, Wallet.settles_on_delivery, Wallet.fails_when_empty)
    .join(Location, Location.id == Wallet.location_id)
    .outerjoin(CreditPlan, and_(CreditPlan.id == Wallet.plan_id, plan_counts()))
)
