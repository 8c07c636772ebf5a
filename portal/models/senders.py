"""A sender: one configured line at a provider, owned by one location."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, one_of
from portal.models.tenants import Location


class SenderState(StrEnum):
    """A removed sender keeps its row, because its messages name it."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Sender(Base):
    """`key` is the unguessable part of its webhook address; `credentials` are sealed."""

    __tablename__ = "sender"
    __table_args__ = (
        one_of("state", SenderState),
        Index("ix_sender_location", "location_id", "state"),
        Index(
            "uq_sender_default",
            "location_id",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    channel: Mapped[str] = mapped_column(String(32))
    family: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(128), default="")
    credentials: Mapped[str] = mapped_column(Text)
    api_url: Mapped[str] = mapped_column(String(500), default="")
    private_hosts: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16), default=SenderState.ACTIVE)
    state_reason: Mapped[str] = mapped_column(Text, default="")
    is_default: Mapped[bool] = mapped_column(Boolean, default=False)
    acceptance_counts: Mapped[bool] = mapped_column(Boolean, default=False)
    position: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]

    location: Mapped[Location] = relationship()


class Gate(Base):
    """What holds a sender (`sender:<id>`) or a location's HighLevel budget (`ghl:<id>`) back, across processes.

    `next_at` is the pace: the earliest start of the next call. `blocked_until` is a fault: nothing starts before.
    `failures` counts faults in a row: it lengthens the next block, and from the third on only one call at a time is
    let through, until one succeeds.
    """

    __tablename__ = "gate"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    pace: Mapped[float] = mapped_column(Float, default=0.0)
    burst: Mapped[float] = mapped_column(Float, default=1.0)
    next_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, default="")
    failures: Mapped[int] = mapped_column(Integer, default=0)


class RoutingRule(Base):
    """A location's own rule: contacts with this tag, numbers with this prefix or this user's messages use a sender."""

    __tablename__ = "routing_rule"
    __table_args__ = (Index("ix_routing_rule_location", "location_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    position: Mapped[int] = mapped_column(Integer, default=0)
    kind: Mapped[str] = mapped_column(String(8))
    value: Mapped[str] = mapped_column(String(160))
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
