"""Plans that come from other systems: so many credits a month, named after that."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.errors import InvalidInput
from portal.models import Agency, CreditPlan


def monthly(session: Session, agency: Agency, credits: int) -> CreditPlan:
    """The agency's plan with so many credits a month, made when it is new.

    Raises `InvalidInput` when somebody has given another plan that name.
    """
    name = f"{credits} a month ({agency.company_id})"[:80]
    plan = session.scalar(select(CreditPlan).where(CreditPlan.name == name))
    if plan is None:
        plan = CreditPlan(name=name, agency_id=agency.id, monthly_credits=credits, created_at=clock.now())
        plan.inbound_free, plan.credit_micros, plan.currency = False, 0, "USD"
        session.add(plan)
        session.flush()
    if plan.agency_id != agency.id or plan.monthly_credits != credits:
        raise InvalidInput(f"There is another plan called {name}: rename it first.")
    return plan
