"""Wallets and the append-only ledger. Amounts are whole credits."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, one_of


class EntryKind(StrEnum):
    """What an entry of the ledger says."""

    HOLD = "hold"
    SETTLE = "settle"
    RELEASE = "release"
    REFUND = "refund"
    CHARGE_LATE = "charge_late"
    INBOUND = "inbound"
    GRANT = "grant"
    EXPIRY = "expiry"
    CORRECTION = "correction"


class Wallet(Base):
    """A location's credits: a projection of its entries, moved in the same transaction as they are written."""

    __tablename__ = "wallet"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), unique=True)
    unlimited: Mapped[bool] = mapped_column(Boolean, default=True)
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)


class LedgerEntry(Base):
    """One movement between available, held and spent: the three always add up to what was granted.

    `key` is `<kind>:<message>[:n]`: writing the same movement twice is a no-op.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        one_of("kind", EntryKind),
        UniqueConstraint("key"),
        Index("ix_ledger_entry_wallet", "wallet_id", "id"),
        Index("ix_ledger_entry_message", "message_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"))
    key: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    note: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime]
