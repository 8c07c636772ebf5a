"""SMS of long texts that a provider hands on one by one, until they are put together."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class InboundPiece(Base):
    """The `number`th of `total` SMS of one text, which all have one `reference` of the phone's choice.

    `joined_at`: it has become a message, alone or with the others. The row stays, so that a repeat is recognised.
    """

    __tablename__ = "inbound_piece"
    __table_args__ = (
        UniqueConstraint("sender_id", "external_id"),
        Index("ix_inbound_piece_text", "sender_id", "address", "reference"),
        Index(
            "ix_inbound_piece_waiting",
            "received_at",
            postgresql_where=text("joined_at IS NULL"),
            sqlite_where=text("joined_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    external_id: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(160))
    recipient: Mapped[str] = mapped_column(String(160))
    reference: Mapped[str] = mapped_column(String(200))
    number: Mapped[int] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime | None]
    event_id: Mapped[int] = mapped_column(BigId)
    received_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
