"""Adding everything up again: every entry, every wallet, every bucket, every agency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.orm import Session

from portal.models import AgencyEntry, AgencyWallet, Bucket, LedgerEntry, Location, Wallet


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that is not what its entries add up to. `what` is a wallet, its buckets, an agency, an entry; the
    pairs are what stands there and what the entries say."""

    what: str
    id: int
    stands: tuple[int, ...]
    entries: tuple[int, ...]


def prove(session: Session) -> tuple[int, list[Proof]]:
    """How many wallets were looked at, and what disagrees. Each kind is one statement, so it sees one moment."""
    wallets, wrong = _wallets(session)
    agencies, wrong_agencies = _agencies(session)
    return wallets + agencies, [*wrong, *_buckets(session), *wrong_agencies, *_entries(session), *_gifts(session)]


def of_location(session: Session, location_id: int) -> list[Proof]:
    """What disagrees about one sub-account's wallet."""
    _, wrong = _wallets(session, Wallet.location_id == location_id)
    return [*wrong, *_buckets(session, Wallet.location_id == location_id)]


def _wallets(session: Session, *which: Any) -> tuple[int, list[Proof]]:
    columns = (LedgerEntry.available, LedgerEntry.held, LedgerEntry.spent)
    sums = (
        select(Wallet.id, Wallet.available, Wallet.held, Wallet.spent, *map(_sum, columns))
        .outerjoin(LedgerEntry, LedgerEntry.wallet_id == Wallet.id)
        .where(*which)
        .group_by(Wallet.id, Wallet.available, Wallet.held, Wallet.spent)
    )
    rows = session.execute(sums).all()
    return len(rows), _wrong("wallet", rows)


def _buckets(session: Session, *which: Any) -> list[Proof]:
    """What lies in the buckets is what is available: in the burned one what is in none of the others, never less than
    nothing while something is in them."""
    others = func.coalesce(func.sum(Bucket.remaining).filter(Bucket.id != Wallet.bucket_id), 0)
    rows = session.execute(
        select(Wallet.id, Wallet.available, Wallet.later, others.label("others"))
        .join(Bucket, and_(Bucket.wallet_id == Wallet.id, Bucket.closed_at.is_(None)))
        .where(Wallet.unlimited.is_(False), Wallet.bucket_id.is_not(None), *which)
        .group_by(Wallet.id, Wallet.available, Wallet.later)
        .having(or_(others != Wallet.later, and_(Wallet.later > 0, Wallet.available < Wallet.later)))
    ).all()
    return [Proof("buckets", row.id, (row.available, row.later), (int(row.others),)) for row in rows]


def _agencies(session: Session) -> tuple[int, list[Proof]]:
    sums = (
        select(AgencyWallet.id, AgencyWallet.available, AgencyWallet.given, *map(_sum, _GIVEN))
        .outerjoin(AgencyEntry, AgencyEntry.wallet_id == AgencyWallet.id)
        .group_by(AgencyWallet.id, AgencyWallet.available, AgencyWallet.given)
    )
    rows = session.execute(sums).all()
    return len(rows), _wrong("agency", rows)


_GIVEN = (AgencyEntry.available, AgencyEntry.given)


def _entries(session: Session) -> list[Proof]:
    """Entries that do not add up to zero."""
    total = LedgerEntry.available + LedgerEntry.held + LedgerEntry.spent + LedgerEntry.outside
    rows = session.execute(select(LedgerEntry.id, total).where(total != 0)).all()
    return [Proof("entry", row[0], (int(row[1]),), (0,)) for row in rows]


def _gifts(session: Session) -> list[Proof]:
    """What an agency gave and its sub-account did not get, or got otherwise."""
    other = LedgerEntry.key == AgencyEntry.entry_key
    rows = session.execute(
        select(AgencyEntry.id, AgencyEntry.given, _sum(LedgerEntry.available))
        .outerjoin(LedgerEntry, other)
        .where(AgencyEntry.entry_key != "")
        .group_by(AgencyEntry.id, AgencyEntry.given)
        .having(func.coalesce(func.sum(LedgerEntry.available), 0) != AgencyEntry.given)
    ).all()
    return [Proof("given", row[0], (row[1],), (int(row[2]),)) for row in rows]


def location_of(session: Session, wallet_id: int) -> str:
    """HighLevel's id of the sub-account that a wallet belongs to."""
    found = select(Location.ghl_id).join(Wallet, Wallet.location_id == Location.id).where(Wallet.id == wallet_id)
    return session.scalar(found) or ""


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)


def _wrong(what: str, rows: Sequence[Row[Any]]) -> list[Proof]:
    """Rows of an id, then so many columns, then as many sums."""
    half = (len(rows[0]) - 1) // 2 if rows else 0
    pairs = ((row[0], tuple(row[1 : half + 1]), tuple(int(each) for each in row[half + 1 :])) for row in rows)
    return [Proof(what, id_, stands, entries) for id_, stands, entries in pairs if stands != entries]
