"""Reading credits: the one file that knows how a location's wallet and ledger are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import LedgerEntry, Location, Message, Wallet, WalletCharge
from portal.web.api.queries import newest_first


@dataclass(frozen=True, slots=True)
class Balance:
    """What a location has, in whole credits. `unlimited`: it may go below zero."""

    unlimited: bool = True
    available: int = 0
    held: int = 0
    spent: int = 0


def balance(session: Session, location: Location) -> Balance:
    """The location's credits; one that has never sent has none, and no limit."""
    row = session.scalar(select(Wallet).where(Wallet.location_id == location.id))
    return Balance(row.unlimited, row.available, row.held, row.spent) if row is not None else Balance()


def entries(session: Session, location: Location, cursor: str, limit: int) -> tuple[Sequence[Any], str]:
    """The location's entries with their message's uuid, newest first."""
    wallet = session.scalar(select(Wallet.id).where(Wallet.location_id == location.id))
    wanted = (
        select(LedgerEntry, Message.uuid)
        .outerjoin(Message, Message.id == LedgerEntry.message_id)
        .where(LedgerEntry.wallet_id == (wallet or 0))
    )
    return newest_first(session, wanted, LedgerEntry.id, cursor, limit)


def charges(session: Session, location: Location, cursor: str, limit: int) -> tuple[Sequence[Any], str]:
    """What was charged to the location's wallet in HighLevel with the messages' uuids, newest first."""
    wanted = (
        select(WalletCharge, Message.uuid)
        .join(Message, Message.id == WalletCharge.message_id)
        .join(Wallet, Wallet.id == WalletCharge.wallet_id)
        .where(Wallet.location_id == location.id)
    )
    return newest_first(session, wanted, WalletCharge.id, cursor, limit)
