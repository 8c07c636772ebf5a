"""Files of messages: where each came from, what it is, where it is kept, and whether the world may have it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, one_of
from portal.models.messages import Message

_WANTED, _STORED, _TOLD = text("state = 'wanted'"), text("stored <> ''"), text("ghl_message_id <> ''")
_FAILED = text("state = 'failed' AND source <> ''")


class MediaState(StrEnum):
    """WANTED: still to be fetched. REFUSED: we do not take it. FAILED: it could not be had. REMOVED: kept once.

    LOOKED: a file that a message of ours refers to, elsewhere; only what it is was looked up.
    """

    WANTED = "wanted"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"
    REMOVED = "removed"
    LOOKED = "looked"


class MediaFile(Base):
    """One file of one message. `key` is the unguessable part of its public address.

    `place` is its number in the message: from 1, of an outgoing message the number of the part. `source` is where it is
    fetched from, sealed, and "" once that is over; `source_digest` tells whether an outgoing one is still the same.
    `store` names the store that has it and `stored` its name there, "" when there is nothing. `late`: HighLevel was
    told that it follows; `echo_state` and `ghl_message_id` are then those of the message that brings it (`Message`).
    `ghl_url` is HighLevel's own copy.
    """

    __tablename__ = "media"
    __table_args__ = (
        one_of("state", MediaState),
        UniqueConstraint("message_id", "place"),
        Index(
            "ix_media_wanted", "id", postgresql_where=text("state = 'wanted'"), sqlite_where=text("state = 'wanted'")
        ),
        Index(
            "ix_media_late",
            "message_id",
            postgresql_where=text("late AND ghl_message_id = ''"),
            sqlite_where=text("late = 1 AND ghl_message_id = ''"),
        ),
        Index("ix_media_failed", "created_at", postgresql_where=_FAILED, sqlite_where=_FAILED),
        Index("ix_media_recent", "location_id", "id"),
        Index("ix_media_told", "location_id", "ghl_message_id", postgresql_where=_TOLD, sqlite_where=_TOLD),
        Index("ix_media_stored", "kept_at", postgresql_where=_STORED, sqlite_where=_STORED),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(48), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    sender_id: Mapped[int | None] = mapped_column(BigId)
    place: Mapped[int] = mapped_column(Integer)
    direction: Mapped[str] = mapped_column(String(3))
    source: Mapped[str] = mapped_column(Text, default="")
    source_digest: Mapped[str] = mapped_column(String(64), default="")
    host: Mapped[str] = mapped_column(String(253), default="")
    name: Mapped[str] = mapped_column(String(200), default="")
    claimed_type: Mapped[str] = mapped_column(String(120), default="")
    type: Mapped[str] = mapped_column(String(120), default="")
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")
    state: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(Text, default="")
    store: Mapped[str] = mapped_column(String(300), default="")
    stored: Mapped[str] = mapped_column(String(300), default="")
    late: Mapped[bool] = mapped_column(default=False)
    echo_state: Mapped[str] = mapped_column(String(8), default="")
    ghl_message_id: Mapped[str] = mapped_column(String(128), default="")
    ghl_url: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

    message: Mapped[Message] = relationship()
