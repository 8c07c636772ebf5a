"""The journal's table: every webhook request as it was received."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, one_of


class EventState(StrEnum):
    """What became of an event. `parked` waits for a person; the others are done."""

    PENDING = "pending"
    APPLIED = "applied"
    IGNORED = "ignored"
    PARKED = "parked"
    REFUSED = "refused"


class Event(Base):
    """One raw webhook request. `id` is the order of receipt; `dedupe_key` is set where the caller guarantees one.

    `sender_key` is the unguessable part of the webhook's address. An event that is pending and not `verified` came
    in while the database was away and is judged when it is applied.
    """

    __tablename__ = "event"
    __table_args__ = (
        one_of("state", EventState),
        Index("ix_event_state", "state", "id"),
        Index(
            "ix_event_sender",
            "sender_key",
            "id",
            postgresql_where=text("sender_key <> ''"),
            sqlite_where=text("sender_key <> ''"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    source: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32), default="")
    sender_key: Mapped[str] = mapped_column(String(64), default="")
    dedupe_key: Mapped[str | None] = mapped_column(String(400), unique=True)
    lane: Mapped[str] = mapped_column(String(240))
    received_at: Mapped[datetime]
    verified: Mapped[bool]
    headers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    query: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(12), default=EventState.PENDING)
    note: Mapped[str] = mapped_column(Text, default="")
    applied_at: Mapped[datetime | None]
