"""Our webhooks out: who wants to be told, what they are told, and every try to tell them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, new_uuid, one_of


class DeliveryState(StrEnum):
    """What became of a delivery. `given_up` can be replayed."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Subscription(Base):
    """An address that wants to be told. `address` (url and secret) is sealed; `shown` is its scheme and host.

    It is for one location, or with `agency_id` for all of that agency's. With neither it is the callback address that
    requests of one API key (`key_id`) named for messages of theirs, found again by `digest`. `paused_at`: it answered
    410, or a person paused it. `test`: it hears of the messages of test keys, and of nothing else.
    """

    __tablename__ = "webhook_subscription"
    __table_args__ = (
        Index("ix_webhook_subscription_location", "location_id"),
        Index("ix_webhook_subscription_agency", "agency_id"),
        Index("uq_webhook_subscription_digest", "digest", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_uuid)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))
    digest: Mapped[str | None] = mapped_column(String(64))
    shown: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON, default=list)
    test: Mapped[bool] = mapped_column(Boolean, default=False)
    created_by: Mapped[str] = mapped_column(String(254), default="")
    created_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str] = mapped_column(Text, default="")
    removed_at: Mapped[datetime | None]


class Delivery(Base):
    """One thing that a subscription is told. `body` is posted as it stands, however often; `uuid` names it there."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        one_of("state", DeliveryState),
        Index("ix_webhook_delivery_subscription", "subscription_id", "id"),
        Index("ix_webhook_delivery_created", "created_at"),
        Index("ix_webhook_delivery_about", "about"),
        Index(
            "ix_webhook_delivery_waiting",
            "next_at",
            postgresql_where=text("state = 'waiting'"),
            sqlite_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("webhook_subscription.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    type: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(36), default="")
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12), default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    round: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime]
    last_code: Mapped[int | None] = mapped_column(Integer)
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DeliveryAttempt(Base):
    """One try. `code` is the HTTP status, None when there was no answer; `detail` is why, or how the answer begins."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (Index("ix_webhook_attempt_delivery", "delivery_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_delivery.id"))
    number: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    milliseconds: Mapped[int] = mapped_column(Integer)
    code: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[str] = mapped_column(Text, default="")
