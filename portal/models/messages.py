"""Messages, their parts (one provider call each), every move of their status, every attempt and every receipt."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, new_uuid, one_of
from portal.models.contacts import Conversation
from portal.models.senders import Sender
from portal.models.tenants import Location


class Status(StrEnum):
    """Where a message or a part is. The allowed moves are in `portal.messaging.statuses`."""

    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RECEIVED = "received"


class Direction(StrEnum):
    """`in` came from the customer, `out` goes to them."""

    IN = "in"
    OUT = "out"


class Message(Base):
    """One message of one conversation, in either direction.

    `position` orders the conversation: the order in which events were received. `pushed_status` is what HighLevel was
    last told. `echo_state` is set on messages that HighLevel did not start and has to be told of: `wanted`, `open`
    while a call is about, `done`. `author` wrote it in the portal; messages of one text that were written together
    share `bulk`. `funded`: its credits are held. `marketing`: it is for those alone who have not opted out of that.

    `kind` and `details` are as in `portal.channels.content`. `about_…` is the earlier message that it refers to: how,
    by the provider's id, by our row once that is known, and what the provider says it was. `address_kind` is what
    `address` is; in a group `author_name` and `author_address` say who wrote it. `edited_at` and `deleted_at` stand on
    the message that was edited or deleted, whose text stays. `marker` is the provider's code on what it could not read.
    `from_us`: it went out without us, typed on the phone, or `by_api` from another program. `backfilled`: it is older
    than the line, and only kept. `written_body` is the text as it was written, where its writer chose to send it in
    plain letters. `resend_of_id` is the message that did not go out, or not whole, whose missing parts it sends.
    `callback_id` is the address that its request wants told of it (`portal.models.callbacks`). `retry_of_id` is the
    failed message of which it seems to be HighLevel's own retry. `held_by` is the person who holds it back.
    """

    __tablename__ = "message"
    __table_args__ = (
        one_of("status", Status),
        one_of("direction", Direction),
        UniqueConstraint("location_id", "ghl_message_id"),
        UniqueConstraint("sender_id", "external_id"),
        Index("ix_message_thread", "conversation_id", "position"),
        Index("ix_message_recent", "location_id", "position"),
        Index("ix_message_held", "expires_at", postgresql_where=text("held"), sqlite_where=text("held = 1")),
        Index(
            "ix_message_echo",
            "location_id",
            postgresql_where=text("echo_state = 'open'"),
            sqlite_where=text("echo_state = 'open'"),
        ),
        Index("ix_message_bulk", "bulk", postgresql_where=text("bulk <> ''"), sqlite_where=text("bulk <> ''")),
        Index(
            "ix_message_about",
            "about_id",
            postgresql_where=text("about_id IS NOT NULL"),
            sqlite_where=text("about_id IS NOT NULL"),
        ),
        Index(
            "ix_message_unlinked",
            "sender_id",
            "about_external_id",
            postgresql_where=text("about_id IS NULL AND about_external_id IS NOT NULL"),
            sqlite_where=text("about_id IS NULL AND about_external_id IS NOT NULL"),
        ),
        Index(
            "uq_message_resend_of",
            "resend_of_id",
            unique=True,
            postgresql_where=text("resend_of_id IS NOT NULL"),
            sqlite_where=text("resend_of_id IS NOT NULL"),
        ),
        Index(
            "ix_message_retry_of",
            "retry_of_id",
            postgresql_where=text("retry_of_id IS NOT NULL"),
            sqlite_where=text("retry_of_id IS NOT NULL"),
        ),
        # No index knows `status`: PostgreSQL then changes it in place (HOT) and leaves all indexes alone.
        {"postgresql_with": {"fillfactor": 75}},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_uuid)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    event_id: Mapped[int | None] = mapped_column(BigId)
    position: Mapped[int] = mapped_column(BigInteger)
    direction: Mapped[str] = mapped_column(String(3))
    kind: Mapped[str] = mapped_column(String(24), default="text")
    body: Mapped[str] = mapped_column(Text, default="")
    written_body: Mapped[str | None] = mapped_column(Text)
    attachments: Mapped[list[Any]] = mapped_column(JSON, default=list)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    about_relation: Mapped[str] = mapped_column(String(12), default="", server_default="")
    about_external_id: Mapped[str | None] = mapped_column(String(200))
    about_id: Mapped[int | None] = mapped_column(BigId)
    about_text: Mapped[str] = mapped_column(Text, default="", server_default="")
    author_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    author_address: Mapped[str] = mapped_column(String(160), default="", server_default="")
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    marker: Mapped[str] = mapped_column(String(64), default="", server_default="")
    from_us: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    by_api: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    backfilled: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    sender_reason: Mapped[str] = mapped_column(Text, default="")
    wanted_sender_id: Mapped[int | None] = mapped_column(BigId)
    family: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(String(160), default="")
    address_kind: Mapped[str] = mapped_column(String(16), default="phone", server_default="phone")
    external_id: Mapped[str | None] = mapped_column(String(200))
    possible_repeat: Mapped[bool] = mapped_column(Boolean, default=False)
    status: Mapped[str] = mapped_column(String(12))
    status_at: Mapped[datetime]
    held: Mapped[bool] = mapped_column(Boolean, default=False)
    held_by: Mapped[str] = mapped_column(String(128), default="", server_default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    error_code: Mapped[str] = mapped_column(String(64), default="")
    priority: Mapped[int] = mapped_column(Integer, default=20)
    user_id: Mapped[str] = mapped_column(String(128), default="")
    author: Mapped[str] = mapped_column(String(128), default="")
    bulk: Mapped[str] = mapped_column(String(36), default="")
    resend_of_id: Mapped[int | None] = mapped_column(BigId)
    retry_of_id: Mapped[int | None] = mapped_column(BigId)
    ghl_message_id: Mapped[str | None] = mapped_column(String(128))
    provider_id: Mapped[str] = mapped_column(String(128), default="")
    pushed_status: Mapped[str] = mapped_column(String(12), default="pending")
    pushed_at: Mapped[datetime | None]
    push_failure: Mapped[str] = mapped_column(Text, default="")
    echo_state: Mapped[str] = mapped_column(String(8), default="")
    credits: Mapped[int] = mapped_column(Integer, default=0)
    funded: Mapped[bool] = mapped_column(Boolean, default=False)
    marketing: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    scheduled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    provider_at: Mapped[datetime | None]
    callback_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]

    conversation: Mapped[Conversation] = relationship()
    location: Mapped[Location] = relationship()
    sender: Mapped[Sender | None] = relationship()
    parts: Mapped[list["Part"]] = relationship(order_by="Part.number", back_populates="message")


class Part(Base):
    """One provider call, of the `kind` that it is priced as. `attempt` counts calls; `key_round` rises only after a
    definite refusal.

    `in_doubt`: some call under the present key ended unknown. What refuses a repetition says nothing of that call, so
    the key stays until the provider speaks of the key itself. `billing` is what the provider says of its price.
    `lost` counts how often the provider took it, then said that it did not go out, and it was queued again.
    """

    __tablename__ = "part"
    __table_args__ = (
        one_of("status", Status),
        UniqueConstraint("message_id", "number"),
        UniqueConstraint("sender_id", "external_id"),
        Index(
            "ix_part_poll",
            "next_poll_at",
            postgresql_where=text("next_poll_at IS NOT NULL"),
            sqlite_where=text("next_poll_at IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": 75}},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    number: Mapped[int] = mapped_column(Integer, default=1)
    kind: Mapped[str] = mapped_column(String(24), default="text")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    body: Mapped[str] = mapped_column(Text, default="")
    attachments: Mapped[list[Any]] = mapped_column(JSON, default=list)
    status: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    key_round: Mapped[int] = mapped_column(Integer, default=1)
    key_round_at: Mapped[datetime | None]
    in_doubt: Mapped[bool] = mapped_column(Boolean, default=False)
    lost: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    sending_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    bulk_call_id: Mapped[int | None] = mapped_column(ForeignKey("bulk_call.id"), index=True)
    external_id: Mapped[str | None] = mapped_column(String(200))
    code: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    next_poll_at: Mapped[datetime | None]
    polls: Mapped[int] = mapped_column(Integer, default=0)
    segments: Mapped[int] = mapped_column(Integer, default=1)
    price: Mapped[int] = mapped_column(Integer, default=0)
    billing: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")

    message: Mapped[Message] = relationship(back_populates="parts")


class BulkCall(Base):
    """One call for many recipients: the parts `members`, in this order, under the key `<key>:<round>`.

    `begun_at` is when the present round was first called. A part names the call as long as it depends on it.
    """

    __tablename__ = "bulk_call"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    round: Mapped[int] = mapped_column(Integer, default=1)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    members: Mapped[list[int]] = mapped_column(JSON)
    begun_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class StatusChange(Base):
    """One move of a message's or part's status, with its evidence: who, the raw code, when."""

    __tablename__ = "status_change"
    __table_args__ = (Index("ix_status_change_message", "message_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    part_id: Mapped[int | None] = mapped_column(BigId)
    before: Mapped[str] = mapped_column(String(12))
    after: Mapped[str] = mapped_column(String(12))
    who: Mapped[str] = mapped_column(String(80))
    code: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class Attempt(Base):
    """One call to a provider for one part, written when it has ended. `fault`: it was refused for the sender's sake.

    `request` and `response` are the HTTP of it without secrets (`portal.recording`), None where nothing was recorded.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("part_id", "number"),
        Index("ix_attempt_recent", "sender_id", "ended_at"),
        Index(
            "ix_attempt_recorded",
            "id",
            postgresql_where=text("request IS NOT NULL"),
            sqlite_where=text("request IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    part_id: Mapped[int] = mapped_column(ForeignKey("part.id"))
    number: Mapped[int] = mapped_column(Integer)
    sender_id: Mapped[int] = mapped_column(BigId)
    idempotency_key: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(12), default="")
    fault: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    code: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    request: Mapped[str | None] = mapped_column(Text)
    response: Mapped[str | None] = mapped_column(Text)


class ReceiptRow(Base):
    """A provider's word, kept even when its message is not known yet (`part_id` empty), and matched later.

    `at` is by the provider's clock where it gives one, `received_at` by ours. `loss` classes the code of a failure.
    `our_key` is the key of the call that it speaks of, where the provider gives it back. `setback` is what a failure
    asks for besides (`channels.base.Setback`).
    """

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("sender_id", "external_id", "recipient", "outcome"),
        Index("ix_receipt_recent", "sender_id", "id"),
        Index(
            "ix_receipt_key",
            "our_key",
            postgresql_where=text("part_id IS NULL AND our_key <> ''"),
            sqlite_where=text("part_id IS NULL AND our_key <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    external_id: Mapped[str] = mapped_column(String(200))
    recipient: Mapped[str] = mapped_column(String(160), default="")
    outcome: Mapped[str] = mapped_column(String(12))
    code: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    loss: Mapped[str] = mapped_column(String(12), default="")
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    event_id: Mapped[int | None] = mapped_column(BigId)
    part_id: Mapped[int | None] = mapped_column(ForeignKey("part.id"))
    our_key: Mapped[str] = mapped_column(String(64), default="", server_default="")
    billing: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    setback: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
