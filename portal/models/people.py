"""People who sign in to the portal, and what the portal wants them to know."""

from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class User(UserMixin, Base):
    """Without an agency a user is the operator, who sees all agencies. `session_version` ends every session."""

    __tablename__ = "portal_user"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=False)
    session_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]

    def get_id(self) -> str:
        """What the session cookie carries: the id and the version that may still be signed in."""
        return f"{self.id}:{self.session_version}"

    @property
    def is_active(self) -> bool:
        """May this user sign in?"""
        return self.active


class Alert(Base):
    """Something a person should look at. One open alert per kind and subject."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "uq_alert_open",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(160))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    text: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(Integer, default=1)
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class LoginCount(Base):
    """How many sign-ins were tried in one window of time: by an address, for an account, and in all.

    `key` names whose count it is; accounts are named by a hash, so that no address of a stranger is kept.
    """

    __tablename__ = "login_count"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    tries: Mapped[int] = mapped_column(Integer)
    until: Mapped[datetime] = mapped_column(index=True)


class EndedSession(Base):
    """A session that was signed out of before its cookie's time. `name` is the hash of the name in the cookie."""

    __tablename__ = "ended_session"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)
