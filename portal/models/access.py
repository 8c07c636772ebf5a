"""What lets somebody in: chosen locations, sessions, recovery codes, and links that work once. Names are hashes."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, one_of


class UserLocation(Base):
    """A location that was chosen for a user who does not have all of the agency's."""

    __tablename__ = "user_location"

    user_id: Mapped[int] = mapped_column(ForeignKey("portal_user.id"), primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True, index=True)


class UserSession(Base):
    """A session that goes on. `name` is the hash of the name in the cookie; without its row a cookie is nothing."""

    __tablename__ = "user_session"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("portal_user.id"), index=True)
    began_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(300))


class RecoveryCode(Base):
    """One of the codes that stand in for a lost phone, once each."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("portal_user.id"), index=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    used_at: Mapped[datetime | None]


class LinkKind(StrEnum):
    """What a one-use link is for."""

    INVITATION = "invitation"
    RESET = "reset"


class AccessLink(Base):
    """A link with which somebody chooses a password, once and before `until`. `key` is the hash of what it holds."""

    __tablename__ = "access_link"
    __table_args__ = (one_of("kind", LinkKind),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[LinkKind] = mapped_column(String(16))
    user_id: Mapped[int] = mapped_column(ForeignKey("portal_user.id"), index=True)
    made_by: Mapped[str] = mapped_column(String(128))
    made_at: Mapped[datetime]
    until: Mapped[datetime]
    used_at: Mapped[datetime | None]
