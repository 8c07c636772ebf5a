"""Who looks at the custom page inside HighLevel, and the links that work once."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class PageSession(Base):
    """One handshake of HighLevel's user with the custom page. The token is known to the page alone: here is its hash.

    `location_id` is None while an agency's user has chosen no sub-account; `chooses` says that they may. `role` and
    `kind` are HighLevel's own words (admin, user; agency, location). `data` is what Flask keeps for a session.
    """

    __tablename__ = "page_session"
    __table_args__ = (Index("ix_page_session_user", "agency_id", "user_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"), index=True)
    user_id: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(200), default="")
    role: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    chooses: Mapped[bool] = mapped_column(Boolean, default=False)
    data: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class UsedLink(Base):
    """A one-use link that has been used, until it would have ended anyway. `name` is the hash of its nonce."""

    __tablename__ = "used_link"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)


class ClientLink(Base):
    """The address where a customer of the agency links a phone on a device of their own, without signing in.

    `device_hash` is of the cookie of the first device that opened it: no other one gets in. `end` says why it is over.
    """

    __tablename__ = "client_link"
    __table_args__ = (Index("ix_client_link_sender", "sender_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    made_by: Mapped[str] = mapped_column(String(128))
    device_hash: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    opened_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end: Mapped[str] = mapped_column(String(16), default="")
