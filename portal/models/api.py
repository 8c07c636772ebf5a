"""Keys of the JSON API, what they have asked for, and the messages that test keys pretend to send."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, new_uuid


class ApiKey(Base):
    """A key to `/api/v1`. The key itself is shown once; `digest` recognises it, `prefix` is what people see of it.

    It reaches the locations that `ApiKeyLocation` names, or with `whole_agency` all of the agency's, those to come too.
    With an `agency_id` it never reaches what belongs to another agency by now. `test`: what it sends is only simulated.
    """

    __tablename__ = "api_key"
    __table_args__ = (Index("ix_api_key_agency", "agency_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_uuid)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(24))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    test: Mapped[bool] = mapped_column(Boolean, default=False)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    whole_agency: Mapped[bool] = mapped_column(Boolean, default=False)
    per_minute: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str] = mapped_column(String(254), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(String(254), default="")


class ApiKeyLocation(Base):
    """One location that a key reaches."""

    __tablename__ = "api_key_location"
    __table_args__ = (Index("ix_api_key_location_location", "location_id"),)

    key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)


class ApiUse(Base):
    """How much of a key's minute is used up: `used` requests of the minute that begins at `begins`.

    Processes take several at a time, so that not every request is a write.
    """

    __tablename__ = "api_use"

    key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    begins: Mapped[datetime]
    used: Mapped[int] = mapped_column(Integer)


class ApiAnswer(Base):
    """The answer to a request that had an `Idempotency-Key`, written in the transaction that did what it asked for.

    `fingerprint` tells another request under the same key apart.
    """

    __tablename__ = "api_answer"
    __table_args__ = (UniqueConstraint("key_id", "idempotency_key"), Index("ix_api_answer_created", "created_at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer, default=0)
    body: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    created_at: Mapped[datetime]


class ApiBulk(Base):
    """A bulk that was posted: its messages share `uuid` as their `bulk`. `refused` are `{to, number, code, reason}`."""

    __tablename__ = "api_bulk"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    test: Mapped[bool] = mapped_column(Boolean, default=False)
    recipients: Mapped[int] = mapped_column(Integer)
    refused: Mapped[list[Any]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]


class TestMessage(Base):
    """What a test key has sent: nothing goes out, and its statuses follow from its number and the clock alone."""

    __test__ = False  # its name is no test's
    __tablename__ = "test_message"
    __table_args__ = (
        Index("ix_test_message_location", "location_id", "id"),
        Index("ix_test_message_bulk", "bulk"),
        Index("ix_test_message_created", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    bulk: Mapped[str] = mapped_column(String(36), default="")
    kind: Mapped[str] = mapped_column(String(24))
    body: Mapped[str] = mapped_column(Text, default="")
    attachments: Mapped[list[Any]] = mapped_column(JSON, default=list)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    sender_id: Mapped[int | None] = mapped_column(BigId)
    address: Mapped[str] = mapped_column(String(160))
    segments: Mapped[int] = mapped_column(Integer, default=1)
    begins_at: Mapped[datetime]
    scheduled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
