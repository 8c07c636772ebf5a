"""Who is told of alerts, by which way, what they were told, and every try to send a letter."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, new_uuid, one_of


class Way(StrEnum):
    """How a recipient is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class NoticeKind(StrEnum):
    """What a notice tells: an incident began, it is over, or nothing: it is a test."""

    BEGAN = "began"
    OVER = "over"
    TEST = "test"


class NoticeState(StrEnum):
    """What became of a notice. `handed`: to the machinery of our webhooks out, whose delivery says the rest.
    `dropped`: what it told was over before the recipient wanted to hear of it."""

    WAITING = "waiting"
    SENT = "sent"
    HANDED = "handed"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


class AlertRule(Base):
    """How long an incident of a topic (`portal.alarms.topics`) has to last before anybody is told, for one agency.

    `agency_id` is 0 for what concerns no agency, the operator's. Without a row the topic's own time counts. It is also
    how long an incident has to be over before it counts as over.
    """

    __tablename__ = "alert_rule"

    agency_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    topic: Mapped[str] = mapped_column(String(16), primary_key=True)
    grace_seconds: Mapped[int] = mapped_column(Integer)


class AlertRecipient(Base):
    """Somebody who is told: of an agency's alerts, or of one sub-account's; without an agency, of the operator's.

    `address` (the e-mail address) is sealed; `shown` is what people see of it. A webhook is a subscription of ours.
    `topics` are those that are wanted, none stands for all. `quiet_until`: nothing is sent before. `told_at` is when
    the last letter went out: the next one waits a minute, and then tells of all that came meanwhile.
    """

    __tablename__ = "alert_recipient"
    __table_args__ = (one_of("way", Way), Index("ix_alert_recipient_agency", "agency_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    way: Mapped[str] = mapped_column(String(8))
    shown: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(Text, default="")
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("webhook_subscription.id"))
    topics: Mapped[list[str]] = mapped_column(JSON, default=list)
    quiet_until: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(128), default="")
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class AlertNotice(Base):
    """What one recipient is told of one incident: once when it began, once when it is over. A test names no alert."""

    __tablename__ = "alert_notice"
    __table_args__ = (
        one_of("kind", NoticeKind),
        one_of("state", NoticeState),
        UniqueConstraint("alert_id", "recipient_id", "kind"),
        Index("ix_alert_notice_recipient", "recipient_id", "id"),
        Index(
            "ix_alert_notice_waiting",
            "recipient_id",
            "next_at",
            postgresql_where=text("state = 'waiting'"),
            sqlite_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_uuid)
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("alert_recipient.id"))
    kind: Mapped[str] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12), default=NoticeState.WAITING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime]
    delivery_id: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class AlertLetter(Base):
    """One try to hand a letter in; `notices` are those that it told of. `fault` is "" when the server took it."""

    __tablename__ = "alert_letter"
    __table_args__ = (Index("ix_alert_letter_recipient", "recipient_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("alert_recipient.id"))
    at: Mapped[datetime]
    milliseconds: Mapped[int] = mapped_column(Integer)
    notices: Mapped[list[int]] = mapped_column(JSON, default=list)
    fault: Mapped[str] = mapped_column(Text, default="")
