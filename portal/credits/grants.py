"""Credits that come in: top-ups, gifts, a plan's month; and corrections, which name what they correct.

What a sub-account gets comes out of its agency's wallet (`portal.credits.agencies`). Every way in has a key: doing it
again does nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import agencies, buckets, ledger, totals
from portal.errors import InvalidInput
from portal.models import AgencyWallet, Bucket, EntryKind, LedgerEntry, Location, Source, Wallet

MOST = agencies.MOST
_PLAIN = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Credit:
    """Credits to be given. `key` names the occasion: a payment's number, a month; `expires_at` None is never."""

    amount: int
    source: Source
    key: str
    who: str
    reason: str = ""
    expires_at: datetime | None = None


def give(session: Session, location: Location, credit: Credit) -> bool:
    """Gives a sub-account credits; False when that was done before. Raises `InvalidInput` when its agency has too few,
    or for an amount that is none."""
    if not 0 < credit.amount <= MOST:
        raise InvalidInput(f"An amount is a whole number from 1 to {MOST}.")
    moment = clock.now()
    if credit.expires_at is not None and credit.expires_at <= moment:
        raise InvalidInput("These credits would have expired already.")
    wallet_id = ledger.known_wallet(session, location.id)
    totals.flush(session, wallet_id)
    wallet = buckets.lock(session, wallet_id)
    key = ledger.key_of(f"{EntryKind.GRANT}:{wallet_id}:{credit.key}")
    if session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == key)) is not None:
        return False
    name = location.name or location.ghl_id
    if location.agency_id is not None and not agencies.give(session, location.agency_id, key, credit, name):
        raise InvalidInput("The agency has too few credits for that: top its wallet up first.")
    bucket_id = None if wallet.unlimited else _fill(session, wallet_id, key, credit, moment)
    entry = {
        "wallet_id": wallet_id,
        "key": key,
        "kind": EntryKind.GRANT.value,
        "available": credit.amount,
        "outside": -credit.amount,
        "bucket_id": bucket_id,
        "who": credit.who[:128],
        "note": credit.reason[:200],
        "at": moment,
    }
    session.execute(insert(LedgerEntry).values(**entry))
    later = 0 if wallet.unlimited else credit.amount
    more = update(Wallet).where(Wallet.id == wallet_id)
    session.execute(
        more.values(available=Wallet.available + credit.amount, later=Wallet.later + later), execution_options=_PLAIN
    )
    buckets.arrange(session, wallet_id, moment)
    session.execute(more.values(filled=Wallet.available), execution_options=_PLAIN)
    return True


def _fill(session: Session, wallet_id: int, key: str, credit: Credit, moment: datetime) -> int:
    values = {
        "wallet_id": wallet_id,
        "key": key,
        "source": credit.source.value,
        "amount": credit.amount,
        "remaining": credit.amount,
        "expires_at": credit.expires_at,
        "granted_at": moment,
    }
    return session.scalars(insert(Bucket).values(**values).returning(Bucket.id)).one()


def correct(
    session: Session,
    location: Location,
    amount: int,
    *,
    key: str,
    who: str,
    reason: str,
    entry_id: int | None = None,
) -> bool:
    """Adds to what is available, or takes from it, for a stated reason; False when that was done before.

    Names the entry that it corrects. What an entry said stays in the ledger. May go below zero. Raises `InvalidInput`.
    """
    if not amount or abs(amount) > MOST or not reason.strip():
        raise InvalidInput("A correction takes an amount that is not 0, and a reason.")
    wallet_id = ledger.known_wallet(session, location.id)
    if entry_id is not None:
        wrong = session.get(LedgerEntry, entry_id)
        if wrong is None or wrong.wallet_id != wallet_id:
            raise InvalidInput(f"The sub-account's ledger has no entry {entry_id}.")
    name = ledger.key_of(f"{EntryKind.CORRECTION}:{wallet_id}:{key}")
    before = session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == name)) is not None
    entry = ledger.Movement(
        wallet_id,
        name,
        EntryKind.CORRECTION,
        None,
        available=amount,
        note=reason[:200],
        # What is put right expires with no bucket: the month that is burned now may be over.
        hold=totals.Hold(None, None) if amount > 0 else None,
        corrects_id=entry_id,
        who=who[:128],
    )
    ledger.write(session, [entry])
    return not before


def set_limit(session: Session, location: Location, unlimited: bool, who: str, opening: int = 0) -> None:
    """Makes a wallet count, or not. One that begins to count begins with `opening` credits, by a correction."""
    wallet_id = ledger.known_wallet(session, location.id)
    totals.flush(session, wallet_id)
    wallet = buckets.lock(session, wallet_id)
    if wallet.unlimited == unlimited:
        return
    if unlimited:
        over = update(Bucket).where(Bucket.wallet_id == wallet_id, Bucket.closed_at.is_(None))
        session.execute(over.values(remaining=0, closed_at=clock.now()), execution_options=_PLAIN)
    change = 0 if unlimited else opening - wallet.available
    values = {"unlimited": unlimited, "bucket_id": None, "bucket_until": None, "later": 0}
    session.execute(update(Wallet).where(Wallet.id == wallet_id).values(**values), execution_options=_PLAIN)
    if change:
        reason = "the wallet begins to count"
        key = f"limit:{clock.now():%Y%m%d%H%M%S%f}"
        correct(session, location, change, key=key, who=who, reason=reason)
        totals.flush(session, wallet_id)
    filled = max(0 if unlimited else opening, 0)
    session.execute(update(Wallet).where(Wallet.id == wallet_id).values(filled=filled), execution_options=_PLAIN)


def lying(session: Session, wallet_id: int) -> Sequence[tuple[Bucket, int]]:
    """The buckets that something lies in, in the order in which they are burned, and how much."""
    wallet = session.execute(select(Wallet.available, Wallet.later, Wallet.bucket_id).where(Wallet.id == wallet_id))
    available, later, head = wallet.one()
    rows = session.scalars(select(Bucket).where(Bucket.wallet_id == wallet_id, Bucket.closed_at.is_(None))).all()
    found = [(row, available - later if row.id == head else row.remaining) for row in rows]
    ordered = sorted(found, key=lambda each: buckets.order(each[0].expires_at, each[0].source, each[0].id))
    return [each for each in ordered if each[1] > 0]


def agency_wallet(session: Session, location: Location) -> AgencyWallet | None:
    """That of the agency, if it is known and has one."""
    return session.scalar(select(AgencyWallet).where(AgencyWallet.agency_id == location.agency_id))
