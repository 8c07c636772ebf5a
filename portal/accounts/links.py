"""One-use links with which somebody chooses a password: an invitation, or a reset. Only the hash of a link is kept."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import audit
from portal.accounts.sessions import end_all
from portal.accounts.users import fit
from portal.crypto import fingerprint
from portal.database import Database
from portal.errors import InvalidInput, NotFound
from portal.models import AccessLink, LinkKind, User

LASTS: Mapping[LinkKind, timedelta] = MappingProxyType(
    {LinkKind.INVITATION: timedelta(days=7), LinkKind.RESET: timedelta(hours=1)}
)
_LONGEST_MAKER = 128
OVER = "This link is used up or too old: ask for a new one."
_DONE = {LinkKind.INVITATION: "took the invitation", LinkKind.RESET: "chose a new password by a link"}


def make(session: Session, user: User, kind: LinkKind, made_by: str, *, keep: bool = False) -> str:
    """The key of a new link; the user's others of the kind are void.

    With `keep` they are not: what a stranger asks for must not take a link away that was given to the user.
    """
    others = delete(AccessLink).where(AccessLink.user_id == user.id, AccessLink.kind == kind)
    session.execute(others.where(AccessLink.until <= clock.now()) if keep else others)
    key, moment = secrets.token_urlsafe(32), clock.now()
    whose = {"kind": kind, "user_id": user.id, "made_by": made_by[:_LONGEST_MAKER]}
    session.add(AccessLink(key=fingerprint(key), made_at=moment, until=moment + LASTS[kind], **whose))
    return key


def holder(session: Session, kind: LinkKind, key: str) -> User:
    """Whose link it is, while it is good. Raises `NotFound`."""
    good = AccessLink.kind == kind, AccessLink.used_at.is_(None), AccessLink.until > clock.now()
    user_id = session.scalar(select(AccessLink.user_id).where(AccessLink.key == fingerprint(key), *good))
    user = session.get(User, user_id) if user_id is not None else None
    if user is None or not user.active:
        raise NotFound(OVER)
    return user


def use(database: Database, kind: LinkKind, key: str, password: str, address: str) -> User:
    """Sets the password, uses the link up and ends every session. A second factor that is on stays on.

    Raises `NotFound` when the link is not good, and `InvalidInput` when the password is not.
    """
    with database.read() as session:
        found = holder(session, kind, key)
    stored = fit(found, password)
    with database.write() as session:
        user = session.scalars(select(User).where(User.id == found.id).with_for_update()).one()
        row = session.scalar(select(AccessLink).where(AccessLink.key == fingerprint(key)).with_for_update())
        if row is None or row.used_at is not None or row.until <= clock.now() or not user.active:
            raise NotFound(OVER)
        row.used_at = clock.now()
        session.execute(delete(AccessLink).where(AccessLink.user_id == user.id, AccessLink.id != row.id))
        user.password_hash = stored
        user.must_change_password = user.invited = False
        end_all(session, user)
        audit.note(session, audit.of_user(user, address), _DONE[kind], user)
        return user


def open_ones(session: Session, user: User) -> dict[LinkKind, AccessLink]:
    """The user's links that are still good, by their kinds."""
    good = AccessLink.user_id == user.id, AccessLink.used_at.is_(None), AccessLink.until > clock.now()
    return {row.kind: row for row in session.scalars(select(AccessLink).where(*good))}


def void(session: Session, user: User) -> None:
    """None of the user's links works any more."""
    session.execute(delete(AccessLink).where(AccessLink.user_id == user.id))


def void_made_by(session: Session, user: User) -> None:
    """No link works any more that this user made for others, and may have been shown: it would still let them in."""
    # As a viewer is named, and as `make` keeps it.
    names = {user.email[:80], user.email[:_LONGEST_MAKER]}
    session.execute(delete(AccessLink).where(AccessLink.made_by.in_(names)))


def may_have(user: User, kind: LinkKind) -> None:
    """Raises `InvalidInput` when such a link is of no use to the user."""
    if not user.active:
        raise InvalidInput("This user is turned off: turn the user on first.")
    if user.invited != (kind == LinkKind.INVITATION):
        raise InvalidInput(
            "This user has not taken the invitation yet: send it again."
            if user.invited
            else "This user has a password already: make a link for a new one."
        )
