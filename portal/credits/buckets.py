"""Buckets: credits that came together and expire together. The one that expires soonest is burned first.

A wallet tells what is available in all, which of its buckets is burned, and what lies in the others; so a message
costs no look at its buckets until one of them is empty. A hold names the bucket it was taken from; one that needs the
last of a bucket and some of the next names the next. What comes back goes back there, and where that has expired
meanwhile, expires too. Everything here holds the wallet's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from portal.models import Bucket, EntryKind, LedgerEntry, Source, Wallet
from portal.models.base import new_uuid

NEVER = datetime.max.replace(tzinfo=UTC)
OVER = "these credits have expired"
CAME_BACK_LATE = "came back after these credits had expired"


@dataclass(slots=True)
class _Lying:
    """A bucket in hand, and what lies in it now."""

    id: int
    source: str
    expires_at: datetime
    returns: int = 0
    closed: bool = False
    written: int = 0
    now: int = 0


def lock(session: Session, wallet_id: int) -> Row[Any]:
    """The wallet's columns, read under its lock.

    One that lets others write entries which name the wallet (`FOR NO KEY UPDATE`): each of them holds it until the end
    of its transaction, where it waits for whoever has moved the wallet already.
    """
    found = select(Wallet.__table__).where(Wallet.id == wallet_id).with_for_update(key_share=True)
    return session.execute(found).one()


def end_due(session: Session, wallet_id: int, moment: datetime) -> bool:
    """Ends what is over by now; False when nothing is."""
    due = select(Wallet.id).where(Wallet.id == wallet_id, Wallet.bucket_until <= moment, Wallet.unlimited.is_(False))
    if session.scalar(due) is None:
        return False
    arrange(session, wallet_id, moment)
    return True


def arrange(
    session: Session, wallet_id: int, moment: datetime, back: Mapping[int | None, int] | None = None
) -> int | None:
    """Puts what came `back` (by bucket, within `available` already) in its place, ends what is over, and goes on to
    the bucket that is burned now; returns that."""
    wallet, back = lock(session, wallet_id), back or {}
    if wallet.unlimited:
        return None
    lying = _lying(session, wallet, back, moment)
    if not lying:
        return None
    for each in lying:
        each.now += back.get(each.id, 0)
    named = sum(back.get(each.id, 0) for each in lying)
    rest = wallet.available - wallet.later - named
    loose = back.get(None, 0)  # it lay in no bucket, and never expires: a bucket that does must not get it
    opening = next((each for each in lying if each.source == Source.OPENING and not each.closed), None)
    if loose and opening is None and wallet.bucket_id is not None:
        opening = _open(session, wallet_id, loose, moment)
        lying.append(opening)
    if opening is not None and opening.id != wallet.bucket_id:
        opening.now, rest = opening.now + loose, rest - loose
    owed = _place_rest(session, wallet, lying, rest, moment)
    gone = 0
    for each in lying:
        if each.closed or each.expires_at <= moment:
            owed += max(-each.now, 0)
            gone += _expire(session, wallet_id, each, moment)
    standing = sorted((each for each in lying if not each.closed), key=_in_turn)
    _pay_debts(standing, owed)
    head = next((each for each in standing if each.now > 0), standing[-1] if standing else None)
    _write(session, wallet, standing, head, gone)
    return head.id if head else None


def _in_turn(each: _Lying) -> tuple[datetime, bool, int]:
    return order(each.expires_at, each.source, each.id)


def order(expires_at: datetime | None, source: str, id_: int) -> tuple[datetime, bool, int]:
    """What is burned first sorts first: what ends soonest, then what was there before all buckets, then the oldest."""
    return expires_at or NEVER, source != Source.OPENING, id_


def _lying(session: Session, wallet: Row[Any], back: Mapping[int | None, int], moment: datetime) -> list[_Lying]:
    """The buckets that something lies in or goes to, and those that are over."""
    over = and_(Bucket.closed_at.is_(None), Bucket.expires_at <= moment)
    named = [bucket for bucket in (wallet.bucket_id, *back) if bucket is not None]
    rows = session.execute(
        select(Bucket.__table__)
        .where(Bucket.wallet_id == wallet.id)
        .where(or_(Bucket.id.in_(named), Bucket.source == Source.OPENING, Bucket.remaining > 0, over))
    ).all()
    return [
        _Lying(
            row.id,
            row.source,
            row.expires_at or NEVER,
            row.returns,
            row.closed_at is not None,
            row.remaining,
            0 if row.id == wallet.bucket_id or row.closed_at is not None else row.remaining,
        )
        for row in rows
    ]


def _place_rest(session: Session, wallet: Row[Any], lying: list[_Lying], rest: int, moment: datetime) -> int:
    """What lies in no other bucket is left in the burned one. Without one it gets a bucket that never ends, or is
    owed; returns how much is."""
    head = next((each for each in lying if each.id == wallet.bucket_id and not each.closed), None)
    if head is not None:
        head.now += rest
        return 0
    if rest > 0:
        lying.append(_open(session, wallet.id, rest, moment))
        lying[-1].now += rest
    return max(-rest, 0)


def _open(session: Session, wallet_id: int, amount: int, moment: datetime) -> _Lying:
    new = {
        "wallet_id": wallet_id,
        "key": f"opening:{wallet_id}:{new_uuid()}",
        "source": Source.OPENING,
        "amount": amount,
        "remaining": 0,
        "granted_at": moment,
    }
    return _Lying(session.scalars(insert(Bucket).values(**new).returning(Bucket.id)).one(), Source.OPENING, NEVER)


def _expire(session: Session, wallet_id: int, each: _Lying, moment: datetime) -> int:
    """Takes what lies in it out of the wallet, for good; how much that was."""
    over, late = max(each.now, 0), each.closed
    if over:
        each.returns += late
        entry = {
            "wallet_id": wallet_id,
            "key": f"{EntryKind.EXPIRY}:{each.id}" + (f":{each.returns}" if late else ""),
            "kind": EntryKind.EXPIRY.value,
            "available": -over,
            "outside": over,
            "bucket_id": each.id,
            "note": CAME_BACK_LATE if late else OVER,
            "at": moment,
        }
        session.execute(insert(LedgerEntry).values(**entry))
    each.closed = True
    values = {"remaining": 0, "returns": each.returns} | ({} if late else {"closed_at": moment})
    session.execute(update(Bucket).where(Bucket.id == each.id).values(**values), execution_options=_PLAIN)
    return over


def _pay_debts(standing: list[_Lying], owed: int) -> None:
    """What is owed is taken from the buckets in their order; the last one keeps what nobody can pay."""
    owed -= sum(each.now for each in standing if each.now < 0)
    for each in standing:
        paid = min(owed, each.now) if each.now > 0 else 0
        each.now = max(each.now, 0) - paid
        owed -= paid
    if owed and standing:
        standing[-1].now -= owed


def _write(session: Session, wallet: Row[Any], standing: list[_Lying], head: _Lying | None, gone: int) -> None:
    for each in standing:
        if each.now != each.written:
            session.execute(
                update(Bucket).where(Bucket.id == each.id).values(remaining=each.now), execution_options=_PLAIN
            )
    values = {
        "available": Wallet.available - gone,
        "bucket_id": head.id if head else None,
        "bucket_until": head.expires_at if head and head.expires_at != NEVER else None,
        "later": sum(each.now for each in standing if each is not head),
    }
    session.execute(update(Wallet).where(Wallet.id == wallet.id).values(**values), execution_options=_PLAIN)


# These rows are read as columns, never as objects of a session.
_PLAIN = {"synchronize_session": False}
