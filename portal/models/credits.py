"""Wallets of sub-accounts and their append-only ledger. Amounts are whole credits."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.append_only import keep
from portal.models.base import Base, BigId, one_of

NOUGHT = text("0")


class EntryKind(StrEnum):
    """What an entry of the ledger says. A top-up and a gift are grants: `Bucket.source` tells them apart."""

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
    """A location's credits: a projection of its entries, moved in the same transaction as they are written.

    What is available lies in buckets (`portal.models.funds`). `bucket_id` is the one that is burned now and
    `bucket_until` its end; `later` is what lies in all others, so `available - later` is left in this one. Without a
    bucket all of it is loose, and never expires. `overdraft` is how far below zero messages may take it.

    `day_used` was set aside on the `day` (ISO date in the agency's time zone) and counts against `day_cap`; a campaign
    counts against `bulk_cap`. `fails_when_empty`: what cannot be paid for fails, it does not wait.
    `settles_on_delivery`: a message costs something when it arrived, not when the provider took it. `filled` is what
    was there after the last credits came, and `alert_level` the percentage of it that was last told of.
    `next_grant_at` is the next month's beginning.

    `ghl_policy` is a `WalletPolicy` for the wallet in HighLevel, "" for the agency's. That one has been empty since
    `ghl_empty_since`, as of `ghl_looked_at`; `ghl_stops`: messages are held for it.
    """

    __tablename__ = "wallet"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), unique=True)
    unlimited: Mapped[bool] = mapped_column(Boolean, default=True)
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    bucket_id: Mapped[int | None] = mapped_column(BigId)
    bucket_until: Mapped[datetime | None]
    later: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)
    overdraft: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)
    plan_id: Mapped[int | None] = mapped_column(BigId)
    next_grant_at: Mapped[datetime | None]
    day_cap: Mapped[int | None] = mapped_column(BigInteger)
    day: Mapped[str] = mapped_column(String(10), default="", server_default="")
    day_used: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)
    bulk_cap: Mapped[int | None] = mapped_column(BigInteger)
    fails_when_empty: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    settles_on_delivery: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    filled: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)
    alert_level: Mapped[int] = mapped_column(Integer, default=100, server_default=text("100"))
    ghl_policy: Mapped[str] = mapped_column(String(8), default="", server_default="")
    ghl_stops: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    ghl_empty_since: Mapped[datetime | None]
    ghl_looked_at: Mapped[datetime | None]


class LedgerEntry(Base):
    """One movement between four accounts, which add up to zero: `available`, `held` and `spent` are the location's,
    `outside` is where credits come from and where they go when they expire or are taken back.

    `key` is `<kind>:<message>[:n]`: writing the same movement twice is a no-op. `bucket_id` is where the credits of a
    hold were taken from, or where those of a grant lie. A correction names what it corrects. Rows are never changed
    and never removed: the database refuses both.
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
    outside: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)
    bucket_id: Mapped[int | None] = mapped_column(BigId)
    corrects_id: Mapped[int | None] = mapped_column(BigId)
    who: Mapped[str] = mapped_column(String(128), default="", server_default="")
    note: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime]


keep(LedgerEntry, "available", "held", "spent", "outside")
