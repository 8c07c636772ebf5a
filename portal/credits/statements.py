"""What a sub-account's credits did between two moments: read models for pages, files and the API."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from portal.credits import days
from portal.models import Bucket, EntryKind, LedgerEntry, Message, Sender, Wallet

GIVEN = (EntryKind.GRANT,)
CHARGED = (EntryKind.SETTLE, EntryKind.CHARGE_LATE, EntryKind.INBOUND)
FREED = (EntryKind.RELEASE, EntryKind.REFUND)
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement: how many entries, and what they came to."""

    what: str
    count: int
    credits: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A sub-account's month, or any other time. What was there before and after is available and held together: what
    is on hold has not been used.

    opening + given + corrected - expired - used + refunded = closing. `freed` was on hold and cost nothing; `refunded`
    had been paid and failed after all: each with its reasons.
    """

    begins_at: datetime
    ends_at: datetime
    opening: int
    given: tuple[Line, ...]
    used: tuple[Line, ...]
    freed: tuple[Line, ...]
    refunded: tuple[Line, ...]
    corrected: tuple[Line, ...]
    expired: int
    closing: int

    @property
    def adds_up(self) -> bool:
        """Is it right? It is made of the entries between, and the two ends are not."""
        more = sum(line.credits for lines in (self.given, self.refunded, self.corrected) for line in lines)
        less = sum(line.credits for line in self.used) + self.expired
        return self.opening + more - less == self.closing


def of(session: Session, wallet_id: int, begins_at: datetime, ends_at: datetime) -> Statement:
    """The statement of the time from `begins_at` up to but without `ends_at`."""
    mine = LedgerEntry.wallet_id == wallet_id, LedgerEntry.at >= begins_at, LedgerEntry.at < ends_at
    expired = select(_sum(LedgerEntry.outside)).where(*mine, LedgerEntry.kind == EntryKind.EXPIRY)
    return Statement(
        begins_at,
        ends_at,
        _standing(session, wallet_id, begins_at),
        _lines(session, mine, GIVEN, Bucket.source, LedgerEntry.available),
        _lines(session, mine, CHARGED, Message.kind, LedgerEntry.spent),
        _lines(session, mine, (EntryKind.RELEASE,), LedgerEntry.note, LedgerEntry.available),
        _lines(session, mine, (EntryKind.REFUND,), LedgerEntry.note, LedgerEntry.available),
        _lines(session, mine, (EntryKind.CORRECTION,), LedgerEntry.note, LedgerEntry.available),
        int(session.scalar(expired) or 0),
        _standing(session, wallet_id, ends_at),
    )


def month(session: Session, wallet_id: int, year: int, number: int) -> Statement:
    """The statement of a calendar month in the agency's time zone."""
    place = days.zone_of(session, wallet_id)
    return of(session, wallet_id, *days.month_of(place, datetime(year, number, 1, tzinfo=place)))


def _standing(session: Session, wallet_id: int, moment: datetime) -> int:
    before = LedgerEntry.wallet_id == wallet_id, LedgerEntry.at < moment
    return int(session.scalar(select(_sum(LedgerEntry.available + LedgerEntry.held)).where(*before)) or 0)


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)


def _lines(
    session: Session, mine: tuple[Any, ...], kinds: Sequence[EntryKind], name: Any, amount: Any
) -> tuple[Line, ...]:
    wanted = (
        select(name, func.count(), _sum(amount))
        .select_from(LedgerEntry)
        .outerjoin(Bucket, Bucket.id == LedgerEntry.bucket_id)
        .outerjoin(Message, Message.id == LedgerEntry.message_id)
        .where(*mine, LedgerEntry.kind.in_(kinds))
        .group_by(name)
        .order_by(func.sum(amount).desc())
    )
    return tuple(Line(str(row[0] or ""), row[1], int(row[2])) for row in session.execute(wanted))


@dataclass(frozen=True, slots=True)
class Use:
    """What was used on one day by one sender for one type of message. `credits` has what was refunded taken off."""

    day: str
    channel: str
    sender: str
    direction: str
    kind: str
    messages: int
    credits: int


def use(session: Session, wallet_id: int, begins_at: datetime, ends_at: datetime) -> list[Use]:
    """Use by day (of the agency), channel, sender, direction and type, the newest day first."""
    place = days.zone_of(session, wallet_id)
    rows = session.execute(
        select(LedgerEntry.at, LedgerEntry.spent, Message.id, Message.kind, Message.direction, Message.sender_id)
        .join(Message, Message.id == LedgerEntry.message_id)
        .where(LedgerEntry.wallet_id == wallet_id, LedgerEntry.at >= begins_at, LedgerEntry.at < ends_at)
        .where(LedgerEntry.spent != 0)
        .execution_options(yield_per=AT_ONCE)
    )
    names = {row.id: (row.channel, row.name) for row in session.execute(_SENDERS.where(Wallet.id == wallet_id))}
    credits: dict[_Key, int] = {}
    messages: dict[_Key, set[int]] = {}
    for row in rows:
        channel, sender = names.get(row.sender_id, ("", ""))
        key = (days.day_in(place, row.at), channel, sender, row.direction, row.kind)
        credits[key] = credits.get(key, 0) + row.spent
        messages.setdefault(key, set()).add(row.id)
    found = [Use(*key, len(messages[key]), amount) for key, amount in credits.items()]
    return sorted(found, key=lambda each: (each.day, each.credits), reverse=True)


_Key = tuple[str, str, str, str, str]
_SENDERS = select(Sender.id, Sender.channel, Sender.name).join(Wallet, Wallet.location_id == Sender.location_id)


def entries(
    session: Session,
    wallet_id: int,
    *,
    kinds: Sequence[EntryKind] = (),
    message_id: int | None = None,
    begins_at: datetime | None = None,
    ends_at: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Sequence[LedgerEntry]:
    """Entries, the newest first. `before` is the id that the last page ended with."""
    wanted = select(LedgerEntry).where(LedgerEntry.wallet_id == wallet_id)
    if kinds:
        wanted = wanted.where(LedgerEntry.kind.in_(kinds))
    if message_id is not None:
        wanted = wanted.where(LedgerEntry.message_id == message_id)
    if begins_at is not None:
        wanted = wanted.where(LedgerEntry.at >= begins_at)
    if ends_at is not None:
        wanted = wanted.where(LedgerEntry.at < ends_at)
    if before is not None:
        wanted = wanted.where(LedgerEntry.id < before)
    return session.scalars(wanted.order_by(LedgerEntry.id.desc()).limit(limit)).all()


_HEAD = ("when", "kind", "message", "available", "held", "spent", "outside", "who", "note", "key")
# A cell that begins with one of these is a formula in a spreadsheet (OWASP, CSV injection).
_FORMULAS = ("=", "+", "@", "\t", "\r")


def as_csv(session: Session, wallet_id: int, begins_at: datetime, ends_at: datetime) -> Iterator[str]:
    """The entries of the time in their order, as CSV with a head, piece by piece."""
    yield _csv(_HEAD)
    place = days.zone_of(session, wallet_id)
    last = 0
    while rows := session.execute(_page(wallet_id, begins_at, ends_at, last)).all():
        for row in rows:
            entry, uuid = row[0], row[1]
            when = entry.at.astimezone(place).isoformat(timespec="seconds")
            amounts = (entry.available, entry.held, entry.spent, entry.outside)
            yield _csv((when, entry.kind, uuid or "", *amounts, entry.who, entry.note, entry.key))
        last = rows[-1][0].id


def _page(wallet_id: int, begins_at: datetime, ends_at: datetime, last: int) -> Select[LedgerEntry, str]:
    mine = and_(LedgerEntry.wallet_id == wallet_id, LedgerEntry.at >= begins_at, LedgerEntry.at < ends_at)
    return (
        select(LedgerEntry, Message.uuid)
        .outerjoin(Message, Message.id == LedgerEntry.message_id)
        .where(mine, LedgerEntry.id > last)
        .order_by(LedgerEntry.id)
        .limit(AT_ONCE)
    )


def statement_csv(statement: Statement) -> Iterator[str]:
    """A statement as CSV: one line for each of its lines."""
    yield _csv(("section", "what", "entries", "credits"))
    yield _csv(("opening", "", "", statement.opening))
    for section in ("given", "used", "refunded", "corrected", "freed"):
        for line in getattr(statement, section):
            yield _csv((section, line.what, line.count, line.credits))
    yield _csv(("expired", "", "", statement.expired))
    yield _csv(("closing", "", "", statement.closing))


def _csv(values: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(
        [f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value for value in values]
    )
    return buffer.getvalue()
