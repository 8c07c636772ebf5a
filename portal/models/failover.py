"""How provider accounts do, and which sender goes out through another meanwhile."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class AccountHealth(Base):
    """What was last measured of one provider account: rewritten every minute while messages go out through it.

    `key` is that of its gate (`queue.gates.sender_gate`). Of `messages` that it accepted in the window before
    `measured_at`, `slow` took too long or are still under way (None where no receipts tell); `calls` were made in it,
    `faults` of them were refused for the sender's sake, `unknowns` got no answer. `call_ms` is the median time of a
    call. `slow_since` and `failing_since` are set while an incident lasts.
    """

    __tablename__ = "account_health"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    measured_at: Mapped[datetime]
    messages: Mapped[int] = mapped_column(Integer, default=0)
    slow: Mapped[int | None]
    calls: Mapped[int] = mapped_column(Integer, default=0)
    faults: Mapped[int] = mapped_column(Integer, default=0)
    unknowns: Mapped[int] = mapped_column(Integer, default=0)
    call_ms: Mapped[int] = mapped_column(Integer, default=0)
    slow_since: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]


class SenderSwitch(Base):
    """What would go out through one sender goes through another: who said so, why, since when and until when.

    Without `to_id` it is the first that can take the message. One stands for a sender at a time; one that is over
    (`ended_at`, or `until` is past) stays as history.
    """

    __tablename__ = "sender_switch"
    __table_args__ = (
        Index(
            "ix_sender_switch_standing",
            "location_id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_sender_switch_standing",
            "from_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index("ix_sender_switch_history", "from_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    from_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    to_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    who: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text, default="")
    began_at: Mapped[datetime]
    until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(String(128), default="")
    end_reason: Mapped[str] = mapped_column(Text, default="")
