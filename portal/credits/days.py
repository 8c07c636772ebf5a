"""Days and months as an agency counts them: in its own time zone, else the sub-account's."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.errors import InvalidInput
from portal.models import AgencyWallet, Location, Wallet


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone, UTC for a name that nobody knows."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def zone_of(session: Session, wallet_id: int) -> ZoneInfo:
    """Where the wallet's days begin. Looked up once in a transaction."""
    known: dict[int, ZoneInfo] = session.info.setdefault("wallet_zones", {})
    if wallet_id not in known:
        agency, own = session.execute(
            select(AgencyWallet.timezone, Location.timezone)
            .select_from(Wallet)
            .join(Location, Location.id == Wallet.location_id)
            .outerjoin(AgencyWallet, AgencyWallet.agency_id == Location.agency_id)
            .where(Wallet.id == wallet_id)
        ).one()
        known[wallet_id] = zone(agency or own)
    return known[wallet_id]


def day_in(place: ZoneInfo, moment: datetime) -> str:
    """The ISO date there."""
    return moment.astimezone(place).date().isoformat()


def today(session: Session, wallet_id: int, moment: datetime) -> str:
    """The wallet's ISO date."""
    return day_in(zone_of(session, wallet_id), moment)


def month_of(place: ZoneInfo, moment: datetime) -> tuple[datetime, datetime]:
    """When the month that the moment lies in begins and ends there."""
    start = moment.astimezone(place).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
    # Made anew, not added up: the difference between the two is no fixed number of hours.
    return start, datetime(year, month, 1, tzinfo=place)


def month_named(place: ZoneInfo, name: str) -> tuple[datetime, datetime]:
    """When the month of that name ("2026-03"; "" for the present one) begins and ends there. Raises `InvalidInput`."""
    if not name:
        return month_of(place, clock.now())
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", name, re.ASCII)
    if found is None or not 1970 <= int(found[1]) <= 9000:
        raise InvalidInput("A month is written as 2026-03.")
    return month_of(place, datetime(int(found[1]), int(found[2]), 1, tzinfo=place))


def end_of(place: ZoneInfo, day: date) -> datetime:
    """The moment at which that day is over there."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=place).astimezone(UTC)
