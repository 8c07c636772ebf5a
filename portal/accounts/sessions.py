"""Sessions: which cookie is still good. Signed out means signed out, also for a copy of the cookie."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.crypto import fingerprint
from portal.database import Database, insert
from portal.models import EndedSession, User, UserSession

# A session ends so long after the sign-in, however busy it is, and so long after somebody last did anything in it.
LIFETIME = timedelta(hours=12)
IDLE = timedelta(hours=2)
# How exactly the last use is known: a write for every click would cost more than it tells.
NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Found:
    """A session that goes on, and whose it is."""

    user: User
    row: UserSession


def begin_session(session: Session, user_id: int, address: str, device: str) -> str:
    """A session that begins, and its name for the cookie. `device` is what the browser calls itself."""
    name, moment = secrets.token_urlsafe(16), clock.now()
    values = {"name": fingerprint(name), "user_id": user_id, "began_at": moment, "used_at": moment}
    session.add(UserSession(**values, address=address[:64], device=_plain(device)[:300]))
    over = select(UserSession.id).where(UserSession.began_at < moment - LIFETIME).limit(100)
    # What others have locked is passed over: waiting for it here could block two sign-ins for good.
    ids = session.scalars(over.with_for_update(skip_locked=True)).all()
    session.execute(delete(UserSession).where(UserSession.id.in_(ids)))
    session.execute(update(User).where(User.id == user_id).values(last_seen_at=moment))
    return name


def find_session(database: Database, key: str, name: str) -> Found | None:
    """The session of a cookie's key (`User.get_id`) and name, while it may go on."""
    if not name:
        return None
    with database.read() as session:
        row = session.scalar(select(UserSession).where(UserSession.name == fingerprint(name)))
        if row is None or _over(row) or session.get(EndedSession, fingerprint(name)) is not None:
            return None
        user = find_user(session, key)
        return Found(user, row) if user is not None and user.id == row.user_id else None


def find_user(session: Session, key: str) -> User | None:
    """The user of a cookie's key, while that version may be signed in."""
    user_id, _, version = key.partition(":")
    if not (user_id.isascii() and user_id.isdigit() and len(user_id) < 19):
        return None
    user = session.get(User, int(user_id))
    return user if user is not None and user.active and str(user.session_version) == version else None


def used(database: Database, row: UserSession) -> None:
    """Somebody does something in it: polls must not come here, or no session would ever be idle."""
    moment = clock.now()
    if row.used_at > moment - NOTED_EVERY:
        return
    with database.write() as session:
        mine = UserSession.id == row.id, UserSession.used_at <= moment - NOTED_EVERY
        session.execute(update(UserSession).where(*mine).values(used_at=moment))


def end_session(session: Session, name: str) -> None:
    """Ends the session of a cookie for good; the same user's others go on."""
    session.execute(delete(UserSession).where(UserSession.name == fingerprint(name)))
    _remember(session, fingerprint(name))


def end_one(session: Session, user: User, session_id: int) -> UserSession | None:
    """Ends one of the user's sessions by its number. None when there is no such."""
    row = session.scalar(select(UserSession).where(UserSession.id == session_id, UserSession.user_id == user.id))
    if row is not None:
        session.delete(row)
        _remember(session, row.name)
    return row


def end_all(session: Session, user: User) -> None:
    """Ends every session of a user of the caller's transaction; whoever is to go on needs a new one."""
    user.session_version += 1
    session.execute(delete(UserSession).where(UserSession.user_id == user.id))


def of_user(session: Session, user: User) -> Sequence[UserSession]:
    """The user's sessions that go on, the last used first."""
    moment = clock.now()
    alive = UserSession.began_at > moment - LIFETIME, UserSession.used_at > moment - IDLE
    mine = select(UserSession).where(UserSession.user_id == user.id, *alive)
    return session.scalars(mine.order_by(UserSession.used_at.desc(), UserSession.id.desc()).limit(100)).all()


def _over(row: UserSession) -> bool:
    moment = clock.now()
    return row.began_at <= moment - LIFETIME or row.used_at <= moment - IDLE


def _remember(session: Session, kept: str) -> None:
    """Processes of the portal before this one's, in a rolling upgrade, know an ended session by this alone."""
    row = insert(session, EndedSession).values(name=kept, until=clock.now() + LIFETIME)
    session.execute(row.on_conflict_do_nothing())
    over = select(EndedSession.name).where(EndedSession.until < clock.now())
    session.execute(delete(EndedSession).where(EndedSession.name.in_(over.with_for_update(skip_locked=True))))


def _plain(device: str) -> str:
    return device.replace("\x00", "").encode("utf-8", "replace").decode()
