"""What a person does to many messages at once: the deed, and what became of each message under it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, one_of


class DeedKind(StrEnum):
    """What is done to each."""

    RESEND = "resend"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"


class DeedState(StrEnum):
    """A draft is only a selection, which nobody has confirmed."""

    DRAFT = "draft"
    UNDERWAY = "underway"
    DONE = "done"


class ItemState(StrEnum):
    """`refused`: nothing was done to the message, for the reason in `note`."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


class Deed(Base):
    """A selection of messages and what is to be done to them.

    `who`, `who_id` and `address` are of the person who confirmed it, and of who chose until then. `reason` is why, in
    that person's words. `overrule`: also what may have arrived. `more`: other messages match that are not in it.
    """

    __tablename__ = "message_deed"
    __table_args__ = (
        one_of("kind", DeedKind),
        one_of("state", DeedState),
        Index(
            "ix_message_deed_underway",
            "id",
            postgresql_where=text("state = 'underway'"),
            sqlite_where=text("state = 'underway'"),
        ),
        Index("ix_message_deed_created", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    kind: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12), default=DeedState.DRAFT)
    who: Mapped[str] = mapped_column(String(128))
    who_id: Mapped[str] = mapped_column(String(128))
    address: Mapped[str] = mapped_column(String(64), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    overrule: Mapped[bool] = mapped_column(Boolean, default=False)
    messages: Mapped[int] = mapped_column(Integer)
    more: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    begun_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class DeedItem(Base):
    """One message of a deed. Its row moves in the transaction of what is done to the message: that makes it once.

    `made` is the uuid of the message that was sent in its place.
    """

    __tablename__ = "message_deed_item"
    __table_args__ = (
        one_of("state", ItemState),
        UniqueConstraint("deed_id", "message_id"),
        Index("ix_message_deed_item_state", "deed_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    deed_id: Mapped[int] = mapped_column(ForeignKey("message_deed.id", ondelete="CASCADE"))
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    state: Mapped[str] = mapped_column(String(12), default=ItemState.WAITING)
    note: Mapped[str] = mapped_column(Text, default="")
    made: Mapped[str] = mapped_column(String(36), default="")
