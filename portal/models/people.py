"""People who sign in to the portal, and what the portal wants them to know."""

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.access import UserLocation
from portal.models.base import Base, BigId, one_of
from portal.models.tenants import Agency


class Role(StrEnum):
    """What somebody is inside an agency. A client is a customer of the agency: one location, to look at."""

    OWNER = "owner"
    ADMIN = "admin"
    AGENT = "agent"
    VIEWER = "viewer"
    CLIENT = "client"


class User(UserMixin, Base):
    """Without an agency a user is the operator, who sees all agencies, whatever the role says.

    `session_version` ends every session. `invited`: the invitation was not taken yet, so nobody knows the password.
    `all_locations`: those of the agency that are still to come too; else the ones in `places`.
    """

    __tablename__ = "portal_user"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agency.id"))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=False)
    session_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    role: Mapped[Role] = mapped_column(String(16), default=Role.OWNER, server_default=Role.OWNER.value)
    all_locations: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    invited: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # Sealed. Without `totp_since` it is only being set up, and nothing asks for its codes.
    totp_secret: Mapped[str | None] = mapped_column(Text)
    totp_since: Mapped[datetime | None]
    # The last half minute whose code was taken: no code works twice (RFC 6238, 5.2).
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    totp_failures: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))

    agency: Mapped[Agency | None] = relationship(lazy="selectin", viewonly=True)
    places: Mapped[list[UserLocation]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    @property
    def location_ids(self) -> frozenset[int] | None:
        """The locations that were chosen for the user, None for all of the agency's."""
        return None if self.all_locations else frozenset(place.location_id for place in self.places)

    def get_id(self) -> str:
        """What the session cookie carries: the id and the version that may still be signed in."""
        return f"{self.id}:{self.session_version}"

    @property
    def is_active(self) -> bool:
        """May this user sign in?"""
        return self.active


class Alert(Base):
    """An incident: something a person should look at. One open alert per kind and subject.

    `text` is what was said last, `began_text` what it began with. One that comes back before it is settled is the same
    one, and `returns` counts that. `told_at`: its recipients were told. `settled_at`: it is over, and nothing more is
    to be told of it; `outcome` then says in figures what happened. `muted_until`: nobody is told before.
    """

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
        Index(
            "ix_alert_unsettled",
            "kind",
            "subject",
            postgresql_where=text("settled_at IS NULL"),
            sqlite_where=text("settled_at IS NULL"),
        ),
        Index("ix_alert_location", "location_id", "id"),
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
    closed_by: Mapped[str] = mapped_column(String(128), default="", server_default="")
    began_text: Mapped[str] = mapped_column(Text, default="", server_default="")
    outcome: Mapped[str] = mapped_column(Text, default="", server_default="")
    returns: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    told_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(128), default="", server_default="")
    muted_until: Mapped[datetime | None]


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
