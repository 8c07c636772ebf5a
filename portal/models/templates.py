"""Templates of a sender: messages that its provider has approved beforehand, as it listed them last."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId
from portal.models.senders import Sender


class TemplateRow(Base):
    """One template in one language, as `channels.capabilities.Template` describes it.

    `synced_at` is when the provider listed it last, `changed_at` when it was first seen as it is now. `gone_at` is
    since when the provider does not list it any more; it stays, because messages name it. `approved_at` is when it was
    last seen approved. `said` is the last word of a webhook on it, which only has the provider asked.
    """

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("sender_id", "name", "language"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    name: Mapped[str] = mapped_column(String(512))
    language: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(64), default="")
    category: Mapped[str] = mapped_column(String(32), default="")
    status: Mapped[str] = mapped_column(String(32))
    components: Mapped[list[Any]] = mapped_column(JSON, default=list)
    quality: Mapped[str] = mapped_column(String(16), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    approved_at: Mapped[datetime | None]
    said: Mapped[str] = mapped_column(String(64), default="")
    said_detail: Mapped[str] = mapped_column(Text, default="")
    said_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    synced_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]

    sender: Mapped[Sender] = relationship()
