"""Figures that are added up beside the messages, so that no page counts them: by hour, by day, and as things stand."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base

_NOUGHT = text("0")


class _Counts:
    """What happened in one stretch of time, each counted when it happened. A repeated word on a message counts once.

    `received` came from customers, `written` is what was to go out; of that `accepted` by a provider, `delivered`
    (or read) on evidence, `failed` for good (or expired).
    """

    received: Mapped[int] = mapped_column(Integer, default=0, server_default=_NOUGHT)
    written: Mapped[int] = mapped_column(Integer, default=0, server_default=_NOUGHT)
    accepted: Mapped[int] = mapped_column(Integer, default=0, server_default=_NOUGHT)
    delivered: Mapped[int] = mapped_column(Integer, default=0, server_default=_NOUGHT)
    failed: Mapped[int] = mapped_column(Integer, default=0, server_default=_NOUGHT)


class MessageHour(_Counts, Base):
    """A sub-account's messages by the hour; `hour` counts from 1970, in UTC. Kept for 60 days."""

    __tablename__ = "message_hour"
    __table_args__ = (Index("ix_message_hour_hour", "hour"),)

    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class MessageDay(_Counts, Base):
    """The same by the day in UTC; `day` counts from 1970."""

    __tablename__ = "message_day"
    __table_args__ = (Index("ix_message_day_day", "day"),)

    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)
    day: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class CountMark(Base):
    """How far a table has been added up: rows up to `done` are in. Those up to `ceiling` may be added once every
    transaction that was under way at `horizon` (PostgreSQL's number of the next one) has ended."""

    __tablename__ = "count_mark"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    ceiling: Mapped[int] = mapped_column(BigInteger, default=0)
    horizon: Mapped[int] = mapped_column(BigInteger, default=0)
    at: Mapped[datetime]


class PlaceStanding(Base):
    """How a sub-account stands, for the wall: rewritten by the clock where something changed.

    `need` sorts what needs a person first: 0 where nothing does. `oldest_at` is since when the oldest of `waiting`
    messages waits, `ghl_at` when HighLevel was last heard of. Messages are today's, in the sub-account's time zone.
    `credits` is None where they are not limited.
    """

    __tablename__ = "place_standing"

    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)
    need: Mapped[int] = mapped_column(Integer, default=0)
    ready: Mapped[int] = mapped_column(Integer, default=0)
    troubled: Mapped[int] = mapped_column(Integer, default=0)
    paused: Mapped[int] = mapped_column(Integer, default=0)
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    oldest_at: Mapped[datetime | None]
    held: Mapped[int] = mapped_column(Integer, default=0)
    received: Mapped[int] = mapped_column(Integer, default=0)
    written: Mapped[int] = mapped_column(Integer, default=0)
    delivered: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    credits: Mapped[int | None] = mapped_column(BigInteger)
    credits_low: Mapped[int] = mapped_column(Integer, default=0)
    alerts: Mapped[int] = mapped_column(Integer, default=0)
    unseen: Mapped[int] = mapped_column(Integer, default=0)
    ghl_at: Mapped[datetime | None]
