"""Agencies' wallets: what an agency bought or got, and what it gave to its sub-accounts.

Each entry moves credits between `available`, `given` and the outside, and adds up to zero. What was given stands in
the sub-account's ledger under `entry_key`. A sub-account's credits that expire are gone; they do not come back here.
Lock order: a sub-account's wallet, then its agency's.
"""

from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.credits.ledger import key_of
from portal.database import insert as insert_or_not
from portal.database import insert_unless_there
from portal.errors import InvalidInput
from portal.models import AgencyEntry, AgencyKind, AgencyWallet

if TYPE_CHECKING:
    from portal.credits.grants import Credit

# Of one entry.
MOST = 10**12
_PLAIN = {"synchronize_session": False}


def wallet_of(session: Session, agency_id: int) -> int:
    """The id of the agency's wallet, made on first use, without a limit."""
    found = session.scalar(select(AgencyWallet.id).where(AgencyWallet.agency_id == agency_id))
    if found is not None:
        return found
    values = {"agency_id": agency_id, "unlimited": True, "available": 0, "given": 0}
    fresh = insert_or_not(session, AgencyWallet).values(**values, timezone="", filled=0, alert_level=100)
    session.execute(fresh.on_conflict_do_nothing())
    return session.scalars(select(AgencyWallet.id).where(AgencyWallet.agency_id == agency_id)).one()


def give(session: Session, agency_id: int, entry_key: str, credit: "Credit", name: str) -> bool:
    """Takes what a sub-account gets; False, and nothing written, when there are not enough."""
    wallet_id = wallet_of(session, agency_id)
    enough = or_(AgencyWallet.unlimited, AgencyWallet.available >= credit.amount)
    taken = update(AgencyWallet).where(AgencyWallet.id == wallet_id, enough)
    values = {
        "available": AgencyWallet.available - credit.amount,
        "given": AgencyWallet.given + credit.amount,
    }
    if not session.execute(taken.values(**values), execution_options=_PLAIN).rowcount:  # type: ignore[attr-defined]
        return False
    entry = {
        "wallet_id": wallet_id,
        "key": key_of(f"give:{entry_key}"),
        "kind": AgencyKind.GIVE.value,
        "available": -credit.amount,
        "given": credit.amount,
        "outside": 0,
        "entry_key": entry_key,
        "who": credit.who[:128],
        "note": f"{name}: {credit.source.value.replace('_', '-')}. {credit.reason}".strip()[:200],
        "at": clock.now(),
    }
    session.execute(insert(AgencyEntry).values(**entry))
    return True


def add(
    session: Session, agency_id: int, kind: AgencyKind, amount: int, *, key: str, who: str, reason: str = ""
) -> bool:
    """Adds to an agency's wallet (a correction may take from it); False when that was done before."""
    if not amount or abs(amount) > MOST or (amount < 0 and kind is not AgencyKind.CORRECTION):
        raise InvalidInput(f"An amount is a whole number from 1 to {MOST}; a correction may be below 0.")
    wallet_id = wallet_of(session, agency_id)
    entry = {
        "wallet_id": wallet_id,
        "key": key_of(f"{kind}:{wallet_id}:{key}"),
        "kind": kind.value,
        "available": amount,
        "given": 0,
        "outside": -amount,
        "entry_key": "",
        "who": who[:128],
        "note": reason[:200],
        "at": clock.now(),
    }
    new = insert_unless_there(session, AgencyEntry, "key").returning(AgencyEntry.key)
    if session.connection().scalar(new, entry) is None:
        return False
    more = update(AgencyWallet).where(AgencyWallet.id == wallet_id)
    session.execute(more.values(available=AgencyWallet.available + amount), execution_options=_PLAIN)
    session.execute(more.values(filled=AgencyWallet.available), execution_options=_PLAIN)
    return True


def set_limit(session: Session, agency_id: int, unlimited: bool, who: str) -> None:
    """Lets an agency give as it likes, or what it has. One that begins to count begins with nothing to give."""
    wallet_id = wallet_of(session, agency_id)
    wallet = session.execute(
        select(AgencyWallet.unlimited, AgencyWallet.available)
        .where(AgencyWallet.id == wallet_id)
        .with_for_update(key_share=True)
    ).one()
    if wallet.unlimited == unlimited:
        return
    session.execute(
        update(AgencyWallet).where(AgencyWallet.id == wallet_id).values(unlimited=unlimited), execution_options=_PLAIN
    )
    if not unlimited and wallet.available < 0:
        key, reason = f"limit:{clock.now():%Y%m%d%H%M%S%f}", "the wallet begins to count"
        add(session, agency_id, AgencyKind.CORRECTION, -wallet.available, key=key, who=who, reason=reason)
