"""Sessions: which cookie is still good. Signed out means signed out, also for a copy of the cookie."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, select

from portal import clock
from portal.database import Database, insert
from portal.models import EndedSession, User

# A cookie is good for so long after it was last signed; so long an ended session is remembered.
LIFETIME = timedelta(hours=12)


def new_session() -> str:
    """The name of a session that begins, for its cookie."""
    return secrets.token_urlsafe(16)


def find_session(database: Database, key: str, name: str) -> User | None:
    """The user of a session's key (`User.get_id`), while that version may be signed in and the session is not ended."""
    user_id, _, version = key.partition(":")
    if not name or not (user_id.isascii() and user_id.isdigit() and len(user_id) < 19):
        return None
    with database.read() as session:
        user = session.get(User, int(user_id))
        if user is None or not user.active or str(user.session_version) != version:
            return None
        return None if session.get(EndedSession, _kept(name)) else user


def end_session(database: Database, name: str) -> None:
    """Ends one session for good; the same user's others go on."""
    with database.write() as session:
        row = insert(session, EndedSession).values(name=_kept(name), until=clock.now() + LIFETIME)
        session.execute(row.on_conflict_do_nothing())
        over = select(EndedSession.name).where(EndedSession.until < clock.now())
        session.execute(delete(EndedSession).where(EndedSession.name.in_(over.with_for_update(skip_locked=True))))


def _kept(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
