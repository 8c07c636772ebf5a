"""How a wallet stands now, and for how many days it will do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import grants, watching
from portal.models import CreditPlan, Location, Wallet, WalletDay


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits that expire together; `expires_at` None is never."""

    source: str
    left: int
    amount: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """A sub-account's wallet as people see it. `a_day` is what a day used lately on average; `days_left` is None when
    nothing is used, when there is no limit, or when too few days are known."""

    location_id: str
    name: str
    unlimited: bool
    available: int
    held: int
    spent: int
    overdraft: int
    day_cap: int | None
    bulk_cap: int | None
    plan: str
    lots: tuple[Lot, ...]
    a_day: float
    days_left: int | None


def of(session: Session, location: Location) -> Balance | None:
    """None as long as nothing has ever cost anything there."""
    wallet = session.scalar(select(Wallet).where(Wallet.location_id == location.id))
    if wallet is None:
        return None
    plan = session.get(CreditPlan, wallet.plan_id) if wallet.plan_id is not None else None
    lots = [Lot(row.source, left, row.amount, row.expires_at) for row, left in grants.lying(session, wallet.id)]
    a_day = _a_day(session, wallet)
    return Balance(
        location.ghl_id,
        location.name,
        wallet.unlimited,
        wallet.available,
        wallet.held,
        wallet.spent,
        wallet.overdraft,
        wallet.day_cap,
        wallet.bulk_cap,
        plan.name if plan else "",
        tuple(lots),
        a_day,
        None if wallet.unlimited or not a_day else days_left(wallet.available, lots, a_day, clock.now()),
    )


def _a_day(session: Session, wallet: Wallet) -> float:
    since = (clock.now() - timedelta(days=watching.DAYS_BEFORE + 1)).date().isoformat()
    noted = session.scalars(
        select(WalletDay).where(WalletDay.wallet_id == wallet.id, WalletDay.day >= since).order_by(WalletDay.day)
    ).all()
    return watching.average(noted)


def days_left(available: int, lots: Sequence[Lot], a_day: float, moment: datetime) -> int:
    """Whole days for which it will do at that pace: what expires before it is used does not count."""
    loose = available - sum(lot.left for lot in lots)
    at = 0.0
    for lot in lots:
        needed = lot.left / a_day
        ends = (lot.expires_at - moment) / timedelta(days=1) if lot.expires_at else float("inf")
        at = min(at + needed, max(ends, at))
    return int(at + max(loose, 0) / a_day)
