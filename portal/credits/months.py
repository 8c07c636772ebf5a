"""A plan's credits, once a month in the agency's time zone, until that month's end: what is not used is gone then.

A wallet says when its next month begins; whoever comes first gives, and moves that on. However often, late or in how
many processes it is tried, a month's key gives it once. A month in which nothing ran is not made up for: its credits
would have expired.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from portal.alerts.notices import CREDITS_AGENCY, close_alert, raise_alert
from portal.credits import days
from portal.credits.grants import Credit, give
from portal.errors import InvalidInput
from portal.models import Agency, CreditPlan, Location, Source, Wallet

WHO = "the plan"
AT_ONCE = 200
# When an agency that had too few credits is asked again.
AGAIN = timedelta(minutes=10)


def due(session: Session, moment: datetime) -> Sequence[int]:
    """Locations whose month has begun."""
    late = or_(Wallet.next_grant_at.is_(None), Wallet.next_grant_at <= moment)
    counts = Wallet.plan_id.is_not(None), Wallet.unlimited.is_(False), late
    return session.scalars(select(Wallet.location_id).where(*counts).order_by(Wallet.id).limit(AT_ONCE)).all()


def begin(session: Session, location_id: int, moment: datetime) -> bool:
    """Gives a location its month; False when there was nothing to give."""
    wallet = session.execute(
        select(Wallet.id, Wallet.plan_id, Wallet.unlimited, Wallet.next_grant_at)
        .where(Wallet.location_id == location_id)
        .with_for_update(key_share=True)  # as `buckets.lock`
    ).one()
    if wallet.plan_id is None or wallet.unlimited or (wallet.next_grant_at and wallet.next_grant_at > moment):
        return False
    plan, location = session.get_one(CreditPlan, wallet.plan_id), session.get_one(Location, location_id)
    start, end = days.month_of(days.zone_of(session, wallet.id), moment)
    given = False
    if plan.monthly_credits:
        credit = Credit(
            plan.monthly_credits, Source.PLAN, f"{start:%Y-%m}", WHO, f"{plan.name}, {start:%B %Y}", expires_at=end
        )
        try:
            if plan.agency_id not in (None, location.agency_id):
                raise InvalidInput("Its plan is another agency's: give it one of this agency's.")
            given = give(session, location, credit)
        except InvalidInput as error:
            _tell(session, location, error.message)
            _next(session, wallet.id, min(moment + AGAIN, end))  # so that it keeps nobody else from theirs
            return False
        close_alert(session, CREDITS_AGENCY, _subject(location))
    _next(session, wallet.id, end)
    return given


def _next(session: Session, wallet_id: int, at: datetime) -> None:
    session.execute(
        update(Wallet).where(Wallet.id == wallet_id).values(next_grant_at=at),
        execution_options={"synchronize_session": False},
    )


def _subject(location: Location) -> str:
    return f"month:{location.ghl_id}"


def _tell(session: Session, location: Location, reason: str) -> None:
    agency = session.get(Agency, location.agency_id) if location.agency_id else None
    who = (agency.name or agency.company_id) if agency else "Its agency"
    text = f"{location.name or location.ghl_id} has not got this month's credits. {who}: {reason}"
    raise_alert(session, CREDITS_AGENCY, _subject(location), text, location.id)


def assign(session: Session, wallet_id: int, plan_id: int | None) -> None:
    """Gives a wallet a plan from now on. The month that it has had stays as it was; a first one begins at once."""
    session.execute(
        update(Wallet).where(Wallet.id == wallet_id).values(plan_id=plan_id),
        execution_options={"synchronize_session": False},
    )
