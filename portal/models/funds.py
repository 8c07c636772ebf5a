"""Where credits come from: the buckets in which they lie, the wallets of agencies, and what campaigns have taken."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.append_only import keep
from portal.models.base import Base, BigId, one_of
from portal.models.credits import NOUGHT


class Source(StrEnum):
    """Where the credits of a bucket come from. `opening` is what was there before the first bucket."""

    PLAN = "plan"
    TOP_UP = "top_up"
    GIFT = "gift"
    GRANT = "grant"
    OPENING = "opening"


class Bucket(Base):
    """Credits that came together and expire together, at `expires_at` or never.

    `amount` came in; `remaining` is what is left of it, but of the wallet's own `bucket_id` that is reckoned. `returns`
    numbers what came back after the end. `key` makes it once: of a plan's month, of one payment.
    """

    __tablename__ = "credit_bucket"
    __table_args__ = (
        one_of("source", Source),
        UniqueConstraint("key"),
        Index("ix_credit_bucket_wallet", "wallet_id", "closed_at"),
        Index(
            "ix_credit_bucket_expiry",
            "expires_at",
            postgresql_where=text("closed_at IS NULL AND expires_at IS NOT NULL"),
            sqlite_where=text("closed_at IS NULL AND expires_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"))
    key: Mapped[str] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(8))
    amount: Mapped[int] = mapped_column(BigInteger)
    remaining: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None]
    returns: Mapped[int] = mapped_column(Integer, default=0)
    granted_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class AgencyKind(StrEnum):
    """What an entry in an agency's ledger says. `give` moves credits to a sub-account."""

    TOP_UP = "top_up"
    GIFT = "gift"
    GIVE = "give"
    CORRECTION = "correction"


class AgencyWallet(Base):
    """An agency's credits, out of which those of its sub-accounts come.

    `available` may be given, `given` is what its sub-accounts got. One that is `unlimited` gives as it likes: then
    `available` is below zero by what it gave. In its `timezone` (IANA, "" for each sub-account's own) months and days
    begin. `ghl_policy` is a `WalletPolicy`, "" for off: that of its sub-accounts that have none of their own.
    """

    __tablename__ = "agency_wallet"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), unique=True)
    unlimited: Mapped[bool] = mapped_column(Boolean, default=True)
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    given: Mapped[int] = mapped_column(BigInteger, default=0)
    timezone: Mapped[str] = mapped_column(String(64), default="")
    ghl_policy: Mapped[str] = mapped_column(String(8), default="", server_default="")
    filled: Mapped[int] = mapped_column(BigInteger, default=0)
    alert_level: Mapped[int] = mapped_column(Integer, default=100)


class AgencyEntry(Base):
    """One movement between an agency's `available`, what it has `given`, and the `outside`; the three add up to zero.

    `entry_key` is the key of the entry in the sub-account's ledger that is its other half. Append-only.
    """

    __tablename__ = "agency_entry"
    __table_args__ = (
        one_of("kind", AgencyKind),
        UniqueConstraint("key"),
        Index("ix_agency_entry_wallet", "wallet_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("agency_wallet.id"))
    key: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(16))
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    given: Mapped[int] = mapped_column(BigInteger, default=0)
    outside: Mapped[int] = mapped_column(BigInteger, default=0)
    entry_key: Mapped[str] = mapped_column(String(80), default="")
    corrects_id: Mapped[int | None] = mapped_column(BigId)
    who: Mapped[str] = mapped_column(String(128), default="")
    note: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime]


class CampaignUse(Base):
    """What the messages of one text (`Message.bulk`) have taken, where a campaign may take so much and no more."""

    __tablename__ = "campaign_use"

    bulk: Mapped[str] = mapped_column(String(36), primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"))
    taken: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NOUGHT)


class WalletDay(Base):
    """How a wallet stood when a day began, in the agency's time zone: what a day used is the next day's less its own.

    `used` is held and spent together. Written by the first look of the day: for charts, forecasts and alarms, not for
    statements, which add the ledger up.
    """

    __tablename__ = "wallet_day"

    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    available: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger)


keep(AgencyEntry, "available", "given", "outside")
