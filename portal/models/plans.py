"""What credits cost whom: plans, dated price lists, and what providers ask for."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.append_only import keep
from portal.models.base import Base, BigId


class CreditPlan(Base):
    """What a sub-account gets every month, and whether what comes in costs anything.

    One without an agency is for all of them. `credit_micros` is what a credit is sold for, in millionths of `currency`;
    0 when nobody said.
    """

    __tablename__ = "credit_plan"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    name: Mapped[str] = mapped_column(String(80))
    monthly_credits: Mapped[int] = mapped_column(BigInteger, default=0)
    inbound_free: Mapped[bool] = mapped_column(Boolean, default=False)
    credit_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    created_at: Mapped[datetime]


class PriceList(Base):
    """Prices from a moment on, for one plan or (without one) for all that have no list of their own. Append-only:
    another price is another list."""

    __tablename__ = "price_list"
    __table_args__ = (Index("ix_price_list_plan", "plan_id", "starts_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("credit_plan.id"))
    starts_at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(128), default="")
    note: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]


class PriceRule(Base):
    """One price of a list. Of the rules that fit a message the one that says most about it counts; "" fits all.

    `channel` may be a kind of sender or a family. `per_segment`: for each SMS that a text takes.
    """

    __tablename__ = "price_rule"
    __table_args__ = (UniqueConstraint("list_id", "channel", "direction", "kind", "country"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("price_list.id"))
    channel: Mapped[str] = mapped_column(String(32), default="")
    direction: Mapped[str] = mapped_column(String(3), default="")
    kind: Mapped[str] = mapped_column(String(24), default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    credits: Mapped[int] = mapped_column(Integer)
    per_segment: Mapped[bool] = mapped_column(Boolean, default=True)


class ProviderRate(Base):
    """What a provider asks for one SMS or one message, in millionths of `currency`, from a moment on. Append-only.

    `category` is Meta's (`marketing`, `utility`, …). Where a provider tells the price itself, that counts.
    """

    __tablename__ = "provider_rate"
    __table_args__ = (Index("ix_provider_rate_channel", "channel", "starts_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    category: Mapped[str] = mapped_column(String(24), default="")
    micros: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    starts_at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(128), default="")


for _table in (PriceList, PriceRule, ProviderRate):
    keep(_table)
