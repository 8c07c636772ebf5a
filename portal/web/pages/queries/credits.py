"""Reading what a sub-account's credits went for, and its ledger. A page examines `LOOKED_AT` entries and no more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import days
from portal.models import LedgerEntry, Message, Sender, Wallet, WalletDay
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page


@dataclass(slots=True)
class Share:
    """What one channel, sender or kind of message took. `name` is a key or a name; `detail` a sender's channel."""

    name: str
    detail: str = ""
    messages: set[int] = field(default_factory=set)
    credits: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """Credits used, without what came back.

    `days` are all days of the span, the oldest first, as ISO dates. `since` is set when there are more entries than a
    page reads: then the shares begin there, and the days are what each began with, which counts what is set aside.
    """

    days: Sequence[tuple[str, int]]
    channels: Sequence[Share]
    senders: Sequence[Share]
    kinds: Sequence[Share]
    total: int
    since: datetime | None = None

    @property
    def today(self) -> int:
        """Of the last day, which is today."""
        return self.days[-1][1] if self.days else 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement, and the id of its message, "" for one of none."""

    row: LedgerEntry
    message: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a page shows: of a kind, of one message, up to the end of an ISO day."""

    kind: str = ""
    message: Message | None = None
    day: str = ""
    before: int | None = None


def wallet(session: Session, location_id: int) -> Wallet | None:
    """The location's; None as long as nothing has ever cost anything there."""
    found: Wallet | None = session.scalar(select(Wallet).where(Wallet.location_id == location_id))
    return found


def used(session: Session, purse: Wallet, count: int) -> Used:
    """What was used today and on the days before, `count` in all."""
    place = days.zone_of(session, purse.id)
    last = clock.now().astimezone(place).date()
    span = [(last - timedelta(days=back)).isoformat() for back in range(count - 1, -1, -1)]
    begins = _beginning(place, last - timedelta(days=count - 1))
    newest = _newest(purse.id).limit(LOOKED_AT).subquery()
    rows = session.execute(
        select(newest.c.at, newest.c.spent, newest.c.message_id, Message.kind, Sender.channel, Sender.name)
        .select_from(newest)
        .join(Message, Message.id == newest.c.message_id)
        .outerjoin(Sender, Sender.id == Message.sender_id)
        .where(newest.c.at >= begins, newest.c.spent != 0)
    ).all()
    since = _since(session, purse.id, begins)
    on: dict[str, int] = _noted(session, purse, span) if since else {}
    if not since:
        for row in rows:
            day = days.day_in(place, row.at)
            on[day] = on.get(day, 0) + row.spent
    shown = [(day, on.get(day, 0)) for day in span]
    return Used(
        shown,
        channels=_shares(rows, lambda row: (row.channel or "", "")),
        senders=_shares(rows, lambda row: (row.name or "", row.channel or "")),
        kinds=_shares(rows, lambda row: (row.kind, "")),
        total=sum(row.spent for row in rows),
        since=since,
    )


def _shares(rows: Sequence[Row[Any]], name: Callable[[Row[Any]], tuple[str, str]]) -> list[Share]:
    found: dict[tuple[str, str], Share] = {}
    for row in rows:
        share = found.setdefault(name(row), Share(*name(row)))
        share.messages.add(row.message_id)
        share.credits += row.spent
    return sorted(found.values(), key=lambda each: (-each.credits, each.name))


def _noted(session: Session, purse: Wallet, span: Sequence[str]) -> dict[str, int]:
    """By how the days began: what each used or set aside. A day that was not noted counts to the one before."""
    mine = WalletDay.wallet_id == purse.id, WalletDay.day >= span[0]
    noted = session.scalars(select(WalletDay).where(*mine).order_by(WalletDay.day)).all()
    ends = [*(each.used for each in noted[1:]), purse.held + purse.spent]
    return {each.day: max(end - each.used, 0) for each, end in zip(noted, ends, strict=False)}


def _since(session: Session, wallet_id: int, begins: datetime) -> datetime | None:
    """The moment of the oldest entry that was read, when the span has more."""
    oldest = _newest(wallet_id).with_only_columns(LedgerEntry.at).offset(LOOKED_AT - 1).limit(1)
    at: datetime | None = session.scalar(oldest)
    return at if at is not None and at > begins else None


def entries(session: Session, purse: Wallet, wanted: Wanted) -> Page[Entry]:
    """A page of the ledger, the newest first."""
    window = _newest(purse.id).with_only_columns(LedgerEntry.id)
    before = wanted.before
    if wanted.day and before is None:
        before = _first_after(session, purse.id, _end_of(session, purse.id, wanted.day))
    if before is not None:
        window = window.where(LedgerEntry.id < before)
    if wanted.message is not None:
        window = window.where(LedgerEntry.message_id == wanted.message.id)
    among = window.limit(LOOKED_AT).subquery()
    found = (
        select(LedgerEntry, Message.uuid)
        .join(among, among.c.id == LedgerEntry.id)
        .outerjoin(Message, Message.id == LedgerEntry.message_id)
        .order_by(LedgerEntry.id.desc())
        .limit(PAGE + 1)
    )
    if wanted.kind:
        found = found.where(LedgerEntry.kind == wanted.kind)
    rows = [Entry(row[0], row[1] or "") for row in session.execute(found)]
    if len(rows) > PAGE:
        return Page(rows[:PAGE], rows[PAGE - 1].row.id)
    seen, bottom = session.execute(select(func.count(), func.min(among.c.id)).select_from(among)).one()
    return Page(rows, bottom, gave_up=True) if seen == LOOKED_AT else Page(rows)


def _first_after(session: Session, wallet_id: int, moment: datetime) -> int:
    """The id below which entries are older than the moment. Ids and moments grow together, so it is halved."""
    top = select(func.max(LedgerEntry.id)).where(LedgerEntry.wallet_id == wallet_id)
    low, high = 0, (session.scalar(top) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        one = select(LedgerEntry.id, LedgerEntry.at).where(LedgerEntry.wallet_id == wallet_id, LedgerEntry.id >= middle)
        row = session.execute(one.order_by(LedgerEntry.id).limit(1)).first()
        if row is None or row.at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low


def _end_of(session: Session, wallet_id: int, day: str) -> datetime:
    return _beginning(days.zone_of(session, wallet_id), date.fromisoformat(day) + timedelta(days=1))


def _beginning(place: ZoneInfo, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=place)


def _newest(wallet_id: int) -> Any:
    return select(LedgerEntry).where(LedgerEntry.wallet_id == wallet_id).order_by(LedgerEntry.id.desc())
