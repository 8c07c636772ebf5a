"""Reading a location's credits: what is left, what it went for, the last movements. No other page reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.models import LedgerEntry, Message, Sender, Wallet
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page


@dataclass(frozen=True, slots=True)
class Balance:
    """Whole credits. `unlimited`: nothing is refused for want of them, and `available` may be below zero."""

    available: int = 0
    held: int = 0
    spent: int = 0
    unlimited: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """What one kind of message over one channel has cost. `channel` is "" where its sender is not known."""

    channel: str
    direction: str
    kind: str
    today: int
    month: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement, and the id of its message, "" for one of none."""

    row: LedgerEntry
    message: str


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows. `since` is set when the month has more movements than a page may read: from then on."""

    balance: Balance
    uses: Sequence[Use]
    today: int
    month: int
    since: datetime | None
    entries: Page[Entry]


def of(session: Session, location_id: int, timezone: str, before: int | None) -> View:
    """A location's credits; days and months begin by its own clock."""
    wallet = session.scalar(select(Wallet).where(Wallet.location_id == location_id))
    if wallet is None:
        return View(Balance(), [], 0, 0, None, Page([]))
    here = clock.now().astimezone(_zone(timezone))
    day = here.replace(hour=0, minute=0, second=0, microsecond=0)
    uses = _uses(session, wallet.id, day, day.replace(day=1))
    return View(
        balance=Balance(wallet.available, wallet.held, wallet.spent, wallet.unlimited),
        uses=uses,
        today=sum(each.today for each in uses),
        month=sum(each.month for each in uses),
        since=_since(session, wallet.id, day.replace(day=1)),
        entries=_entries(session, wallet.id, before),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # HighLevel's words are not checked against this machine's zones
        return ZoneInfo("UTC")


def _newest(wallet_id: int) -> Any:
    return select(LedgerEntry).where(LedgerEntry.wallet_id == wallet_id).order_by(LedgerEntry.id.desc())


def _uses(session: Session, wallet_id: int, day: datetime, month: datetime) -> list[Use]:
    among = _newest(wallet_id).limit(LOOKED_AT).subquery()
    today = func.sum(case((among.c.at >= day, among.c.spent), else_=0))
    spent = func.sum(among.c.spent)
    channel = func.coalesce(Sender.channel, "")
    what = channel, func.coalesce(Message.direction, ""), func.coalesce(Message.kind, "")
    rows = session.execute(
        select(*what, today, spent)
        .select_from(among)
        .outerjoin(Message, Message.id == among.c.message_id)
        .outerjoin(Sender, Sender.id == Message.sender_id)
        .where(among.c.at >= month)
        .group_by(*what)
        .having(func.sum(func.abs(among.c.spent)) > 0)
        .order_by(spent.desc())
    )
    return [Use(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in rows]


def _since(session: Session, wallet_id: int, month: datetime) -> datetime | None:
    """The moment of the oldest movement that was read, when the month is longer than that."""
    oldest = _newest(wallet_id).with_only_columns(LedgerEntry.at).offset(LOOKED_AT - 1).limit(1)
    at: datetime | None = session.scalar(oldest)
    return at if at is not None and at > month else None


def _entries(session: Session, wallet_id: int, before: int | None) -> Page[Entry]:
    wanted = _newest(wallet_id)
    if before is not None:
        wanted = wanted.where(LedgerEntry.id < before)
    rows = session.scalars(wanted.limit(PAGE + 1)).all()
    shown = rows[:PAGE]
    named = select(Message.id, Message.uuid).where(Message.id.in_({row.message_id for row in shown if row.message_id}))
    uuids = {row.id: row.uuid for row in session.execute(named)}
    entries = [Entry(row, uuids.get(row.message_id or 0, "")) for row in shown]
    return Page(entries, shown[-1].id if len(rows) > PAGE else None)
