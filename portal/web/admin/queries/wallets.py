"""Reading wallets of agencies, of all of somebody's sub-accounts, and what may be chosen for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.models import Agency, AgencyEntry, AgencyWallet, CreditPlan, Location, Wallet
from portal.web.pages.queries.pages import PAGE, Page
from portal.web.pages.queries.scope import Scope

MOST_PLANS = 200
MOST_AGENCIES = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A sub-account, its wallet (None before anything cost something) and its plan's name."""

    place: Location
    wallet: Wallet | None
    plan: str


@dataclass(frozen=True, slots=True)
class House:
    """An agency and its wallet, None before anything was given."""

    agency: Agency
    wallet: AgencyWallet | None


def policies(purse: Wallet | None) -> dict[str, Any]:
    """What was decided about a wallet, by the names of its columns; a missing one has what new ones have."""
    if purse is None:
        start: dict[str, Any] = {"unlimited": True, "overdraft": 0, "day_cap": None, "bulk_cap": None}
        return start | {"fails_when_empty": False, "settles_on_delivery": False}
    names = ("unlimited", "overdraft", "day_cap", "bulk_cap", "fails_when_empty", "settles_on_delivery")
    return {name: getattr(purse, name) for name in names}


def plans(session: Session, place: Location) -> Sequence[CreditPlan]:
    """Everybody's plans and those of the sub-account's agency."""
    whose = or_(CreditPlan.agency_id.is_(None), CreditPlan.agency_id == place.agency_id)
    return session.scalars(select(CreditPlan).where(whose).order_by(CreditPlan.name).limit(MOST_PLANS)).all()


def counts(session: Session, agency_id: int | None) -> bool:
    """May the agency give only what it has?"""
    unlimited = session.scalar(select(AgencyWallet.unlimited).where(AgencyWallet.agency_id == agency_id))
    return unlimited is False


def page(session: Session, scope: Scope, before: int | None) -> Page[Line]:
    """Sub-accounts with their wallets, the last added first."""
    wanted: Any = (
        select(Location, Wallet, CreditPlan.name)
        .outerjoin(Wallet, Wallet.location_id == Location.id)
        .outerjoin(CreditPlan, CreditPlan.id == Wallet.plan_id)
        .order_by(Location.id.desc())
        .limit(PAGE + 1)
    )
    if before is not None:
        wanted = wanted.where(Location.id < before)
    rows = [Line(row[0], row[1], row[2] or "") for row in session.execute(scope.narrow(wanted))]
    return Page(rows[:PAGE], rows[PAGE - 1].place.id if len(rows) > PAGE else None)


def houses(session: Session, scope: Scope) -> list[House]:
    """The agencies by name; none for whoever has chosen sub-accounts only."""
    if not scope.whole_agency:
        return []
    return _houses(session, scope, select(Agency.id).order_by(Agency.name, Agency.id).limit(MOST_AGENCIES))


def house(session: Session, scope: Scope, agency_id: int) -> House | None:
    """One agency, when all of it is in scope."""
    if not scope.whole_agency:
        return None
    return next(iter(_houses(session, scope, select(Agency.id).where(Agency.id == agency_id))), None)


def entries(session: Session, wallet: AgencyWallet, before: int | None) -> Page[AgencyEntry]:
    """A page of an agency's ledger, the newest first."""
    wanted = select(AgencyEntry).where(AgencyEntry.wallet_id == wallet.id).order_by(AgencyEntry.id.desc())
    if before is not None:
        wanted = wanted.where(AgencyEntry.id < before)
    rows = session.scalars(wanted.limit(PAGE + 1)).all()
    return Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None)


def _houses(session: Session, scope: Scope, ids: Any) -> list[House]:
    wanted = (
        select(Agency, AgencyWallet)
        .outerjoin(AgencyWallet, AgencyWallet.agency_id == Agency.id)
        .where(Agency.id.in_(ids))
        .order_by(Agency.name, Agency.id)
    )
    if scope.agency_id is not None:
        wanted = wanted.where(Agency.id == scope.agency_id)
    return [House(row[0], row[1]) for row in session.execute(wanted)]
