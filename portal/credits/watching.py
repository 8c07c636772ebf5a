"""Looks at wallets by the clock: are they running out, do they burn faster than usual, how did each day begin.

One alert for each crossing: the level that was last told of is the wallet's own, moved by one conditional UPDATE, so of
any number of processes one tells it. A level counts as left behind only when a fifth more than it is there again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.alerts.notices import CREDITS_BURN, CREDITS_LOW, close_alert, raise_alert
from portal.credits import days
from portal.database import insert
from portal.models import Agency, AgencyWallet, Alert, Location, Wallet, WalletDay

# Percentages of what was there after the last credits came.
LEVELS = (20, 5, 0)
WELL = 100
# A day is unusual that has used three times as much as the days before it on average, and not just a few.
UNUSUAL, LEAST, DAYS_BEFORE, FEWEST_DAYS = 3, 100, 14, 3


def level_of(available: int, filled: int, told: int) -> int:
    """The lowest of the levels that has been reached, 100 for none. Climbing back takes a fifth more."""
    if available <= 0:
        return 0
    for level in sorted(LEVELS):
        margin = 1.2 if level >= told else 1.0
        if level and available <= filled * level * margin / 100:
            return level
    return WELL


def look_for_crossings(session: Session) -> int:
    """Tells of wallets that have crossed a level since the last look; returns how many moved."""
    columns = (Wallet.id, Wallet.available, Wallet.filled, Wallet.alert_level, Location.id.label("place"))
    rows = session.execute(
        select(*columns, Location.ghl_id, Location.name)
        .join(Location, Location.id == Wallet.location_id)
        .where(Wallet.unlimited.is_(False))
    ).all()
    moved = sum(_cross(session, Wallet, row, f"wallet:{row.ghl_id}", row.place) for row in rows)
    agencies = session.execute(
        select(
            AgencyWallet.id,
            AgencyWallet.available,
            AgencyWallet.filled,
            AgencyWallet.alert_level,
            Agency.company_id.label("ghl_id"),
            Agency.name,
        )
        .join(Agency, Agency.id == AgencyWallet.agency_id)
        .where(AgencyWallet.unlimited.is_(False))
    ).all()
    return moved + sum(_cross(session, AgencyWallet, row, f"agency:{row.ghl_id}", None) for row in agencies)


def _cross(session: Session, kind: Any, row: Any, subject: str, location_id: int | None) -> bool:
    level = level_of(row.available, row.filled, row.alert_level)
    if level == row.alert_level:
        return False
    mine = update(kind).where(kind.id == row.id, kind.alert_level == row.alert_level).values(alert_level=level)
    if not session.execute(mine, execution_options={"synchronize_session": False}).rowcount:  # type: ignore[attr-defined]
        return False  # another process was quicker
    # The next level is news: it is told as an incident of its own.
    close_alert(session, CREDITS_LOW, subject, superseded=level < row.alert_level)
    if level < row.alert_level:
        name = row.name or row.ghl_id
        left = f"{row.available} credits are left" if row.available > 0 else "no credits are left, what it sends waits"
        text = f"{name}: {left}" + (f", {level} % of what there was" if level else "") + ". Top it up."
        raise_alert(session, CREDITS_LOW, subject, text, location_id)
    return True


def note_days(session: Session, moment: datetime) -> int:
    """Writes how each wallet stands, once on each of its days; returns how many were written."""
    rows = session.execute(
        select(Wallet.id, Wallet.available, Wallet.held, Wallet.spent, AgencyWallet.timezone, Location.timezone)
        .join(Location, Location.id == Wallet.location_id)
        .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
    ).all()
    since = (moment - timedelta(days=2)).date().isoformat()
    known = {(day.wallet_id, day.day) for day in session.scalars(select(WalletDay).where(WalletDay.day >= since))}
    values = []
    for id_, available, held, spent, agency_zone, own_zone in rows:
        day = days.day_in(days.zone(agency_zone or own_zone), moment)
        if (id_, day) not in known:
            values.append({"wallet_id": id_, "day": day, "available": available, "used": held + spent})
    if values:
        session.execute(insert(session, WalletDay).on_conflict_do_nothing(), values)
    return len(values)


def look_for_burns(session: Session, moment: datetime) -> int:
    """Tells of wallets that use far more today than on the days before; returns how many do."""
    since = (moment - timedelta(days=DAYS_BEFORE + 1)).date().isoformat()
    rows = session.execute(
        select(Wallet.id, Wallet.held + Wallet.spent, func.max(WalletDay.day), func.count())
        .join(WalletDay, WalletDay.wallet_id == Wallet.id)
        .where(WalletDay.day >= since)
        .group_by(Wallet.id, Wallet.held, Wallet.spent)
        .having(func.count() > FEWEST_DAYS, Wallet.held + Wallet.spent - func.max(WalletDay.used) >= LEAST)
    ).all()
    return sum(_burns(session, id_, used, day, since) for id_, used, day, _ in rows)


def _burns(session: Session, wallet_id: int, used_now: int, day: str, since: str) -> bool:
    noted = session.scalars(
        select(WalletDay).where(WalletDay.wallet_id == wallet_id, WalletDay.day >= since).order_by(WalletDay.day)
    ).all()
    begun = noted[-1].used
    usual = average(noted)
    if used_now - begun < max(UNUSUAL * usual, LEAST):
        return False
    location = session.execute(
        select(Location.id, Location.ghl_id, Location.name)
        .join(Wallet, Wallet.location_id == Location.id)
        .where(Wallet.id == wallet_id)
    ).one()
    subject = f"wallet:{location.ghl_id}:{day}"  # once for each day
    name = location.name or location.ghl_id
    text = f"{name} has used {used_now - begun} credits today; {usual:.0f} a day is usual. Look whether that is meant."
    close_alert(session, CREDITS_BURN, f"wallet:{location.ghl_id}:{noted[-2].day}")
    if not _is_told(session, subject):
        raise_alert(session, CREDITS_BURN, subject, text, location.id)
    return True


def _is_told(session: Session, subject: str) -> bool:
    return session.scalar(select(Alert.id).where(Alert.kind == CREDITS_BURN, Alert.subject == subject)) is not None


def average(noted: Sequence[WalletDay]) -> float:
    """Credits used on a whole day, by how the days began."""
    if len(noted) < 2:
        return 0.0
    span = _date(noted[-1].day) - _date(noted[0].day)
    return max(noted[-1].used - noted[0].used, 0) / max(span.days, 1)


def _date(day: str) -> datetime:
    return datetime.fromisoformat(day)
