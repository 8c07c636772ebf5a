"""Why a message cannot be paid for now, in words that say what to do. What is held for one of these is tried again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import days
from portal.models import CampaignUse, Wallet

NO_CREDITS = "There are not enough credits: top up, and this goes out by itself."
DAY_CAP = "The day's limit of credits is used up: it goes out by itself tomorrow, or when the limit is raised."
BULK_CAP = "The campaign has used up what it may cost: raise the limit, and this goes out by itself."
NO_FUNDS = "The sub-account's wallet in HighLevel has no funds: top it up there, and this goes out by itself."
ALL = (NO_CREDITS, DAY_CAP, BULK_CAP, NO_FUNDS)
# What it says where, by policy, it does not wait.
FAILED = {
    NO_CREDITS: "There were not enough credits: top up, then send it again.",
    DAY_CAP: "The day's limit of credits was used up: send it again tomorrow, or raise the limit.",
    BULK_CAP: "The campaign had used up what it may cost: raise the limit, then send it again.",
    NO_FUNDS: "The sub-account's wallet in HighLevel had no funds: top it up there, then send it again.",
}
# What a message that fails for it says in HighLevel, and in its history.
CODE = "no_credits"


def why(session: Session, location_id: int, amount: int, bulk: str = "") -> str:
    """The reason, "" when so much could be held now. Only looks: another message may be quicker."""
    wallet = session.execute(select(Wallet.__table__).where(Wallet.location_id == location_id)).one_or_none()
    if wallet is None:
        return ""
    if wallet.ghl_stops:
        return NO_FUNDS
    if not wallet.unlimited and wallet.available + wallet.overdraft < amount:
        return NO_CREDITS
    if wallet.day_cap is not None:
        today = days.today(session, wallet.id, clock.now())
        if (wallet.day_used if wallet.day == today else 0) + amount > wallet.day_cap:
            return DAY_CAP
    if bulk and wallet.bulk_cap is not None:
        taken = session.scalar(select(CampaignUse.taken).where(CampaignUse.bulk == bulk)) or 0
        if taken + amount > wallet.bulk_cap:
            return BULK_CAP
    return ""
