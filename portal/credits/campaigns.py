"""What the messages of one text may cost together: a campaign that runs away stops at the wallet's `bulk_cap`."""

from sqlalchemy import bindparam, case, update
from sqlalchemy.orm import Session

from portal.credits import totals
from portal.database import insert
from portal.models import CampaignUse


def take(session: Session, wallet_id: int, bulk: str, amount: int) -> bool:
    """Counts the credits of one message against its campaign; False, and nothing written, when that is used up."""
    cap = totals.limits(session, wallet_id).bulk_cap if bulk else None
    if cap is None:
        return True
    if amount > cap:
        return False
    new = insert(session, CampaignUse).values(bulk=bulk, wallet_id=wallet_id, taken=amount)
    counted = new.on_conflict_do_update(
        index_elements=["bulk"], set_={"taken": CampaignUse.taken + amount}, where=CampaignUse.taken + amount <= cap
    )
    return session.scalar(counted.returning(CampaignUse.bulk)) is not None


def give_back(session: Session, bulk: str, amount: int) -> None:
    """What came back does not count: failed is free. A campaign without a bound has nothing to change."""
    if bulk and amount > 0:
        session.connection().execute(_GIVE_BACK, {"b_bulk": bulk, "b_amount": amount})


_LESS = CampaignUse.taken - bindparam("b_amount")
_GIVE_BACK = (
    update(CampaignUse.__table__)  # type: ignore[arg-type]
    .where(CampaignUse.bulk == bindparam("b_bulk"))
    .values(taken=case((CampaignUse.taken > bindparam("b_amount"), _LESS), else_=0))
)
