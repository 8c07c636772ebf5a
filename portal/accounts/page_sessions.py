"""The sessions of the custom page: short, bound to one user, role and location, and over when the app is uninstalled.

The token is 256 random bits that only the page's script has; the database has its hash.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.admission import ADMIN, AGENCY, Admission, is_here
from portal.accounts.permissions import Permission
from portal.crypto import fingerprint
from portal.database import Database
from portal.ghl.sso import SsoUser
from portal.models import Agency, Location, PageSession
from portal.models.tenants import HERE

LIFETIME, IDLE = timedelta(minutes=60), timedelta(minutes=30)
# The last use is written at most so often: a page that polls must not write all the time.
NOTED_EVERY = timedelta(minutes=1)
# More open pages than anybody has: the oldest go.
MOST_OF_ONE = 20
_CLEARED_AT_ONCE = 100
_LONGEST_WORD, _LONGEST_NAME = 32, 200

TALKS = frozenset({Permission.VIEW, Permission.REPLY})
MANAGES = TALKS | {Permission.MANAGE}


def begin(session: Session, user: SsoUser, admission: Admission) -> str:
    """A new session; returns its token. The same user's sessions of another role end."""
    token, moment = secrets.token_urlsafe(32), clock.now()
    role, kind = user.role[:_LONGEST_WORD], user.type[:_LONGEST_WORD]
    _end_others(session, admission.agency_id, user.user_id, role, kind, moment)
    row = PageSession(
        token_hash=fingerprint(token),
        agency_id=admission.agency_id,
        location_id=admission.location_id,
        user_id=user.user_id,
        name=(user.user_name or user.email)[:_LONGEST_NAME],
        role=role,
        kind=kind,
        chooses=admission.location_id is None,
        created_at=moment,
        expires_at=moment + LIFETIME,
        used_at=moment,
    )
    session.add(row)
    _clear_old(session, moment)
    return token


def find(database: Database, token: str) -> tuple[PageSession, Location | None] | None:
    """The session of this token with its location, while it is good. One whose installation is gone ends here."""
    return _checked(database, PageSession.token_hash == fingerprint(token)) if token else None


def by_id(database: Database, session_id: int) -> tuple[PageSession, Location | None] | None:
    """The same for a link that names the session."""
    return _checked(database, PageSession.id == session_id)


def permissions(row: PageSession) -> frozenset[Permission]:
    """An agency's people and a sub-account's admins manage it; its other users look and write."""
    if row.location_id is None:
        return frozenset({Permission.VIEW})
    return MANAGES if row.role == ADMIN or row.kind == AGENCY else TALKS


def choose(session: Session, session_id: int, location_id: int) -> bool:
    """Binds the session of an agency's admin to one of its installed sub-accounts. False when it is none."""
    row = session.get_one(PageSession, session_id)
    location = session.get(Location, location_id)
    if location is None or not row.chooses or location.agency_id != row.agency_id or location.install_state not in HERE:
        return False
    row.location_id = location.id
    return True


def keep(session: Session, session_id: int, data: str) -> None:
    """Keeps what Flask keeps for a session."""
    session.execute(update(PageSession).where(PageSession.id == session_id).values(data=data))


def _checked(database: Database, same: object) -> tuple[PageSession, Location | None] | None:
    moment = clock.now()
    with database.read() as session:
        query = select(PageSession, Location).outerjoin(Location, Location.id == PageSession.location_id)
        found = session.execute(query.where(same)).one_or_none()  # type: ignore[arg-type]
        if found is None or not _is_good(found[0], moment):
            return None
        row, location = found
        here = _location_is_here(row, location) if location is not None else _agency_is_here(session, row)
    if not here or moment - row.used_at >= NOTED_EVERY:
        values = {"used_at": moment} if here else {"ended_at": moment}
        with database.write() as session:
            session.execute(update(PageSession).where(PageSession.id == row.id).values(values))
    return (row, location) if here else None


def _is_good(row: PageSession, moment: datetime) -> bool:
    return row.ended_at is None and moment < row.expires_at and moment - row.used_at < IDLE


def _location_is_here(row: PageSession, location: Location) -> bool:
    left = location.uninstalled_at is not None and location.uninstalled_at > row.created_at
    return location.install_state in HERE and location.agency_id == row.agency_id and not left


def _agency_is_here(session: Session, row: PageSession) -> bool:
    return is_here(session, session.get_one(Agency, row.agency_id))


def _end_others(session: Session, agency_id: int, user_id: str, role: str, kind: str, moment: datetime) -> None:
    own = PageSession.agency_id == agency_id, PageSession.user_id == user_id, PageSession.ended_at.is_(None)
    newest = select(PageSession.id).where(*own).order_by(PageSession.id.desc()).limit(MOST_OF_ONE - 1)
    others = or_(PageSession.role != role, PageSession.kind != kind, PageSession.id.not_in(newest.scalar_subquery()))
    session.execute(
        update(PageSession).where(*own, others).values(ended_at=moment).execution_options(synchronize_session=False)
    )


def _clear_old(session: Session, moment: datetime) -> None:
    old = select(PageSession.id).where(PageSession.expires_at < moment - LIFETIME).limit(_CLEARED_AT_ONCE)
    ids = session.scalars(old.with_for_update(skip_locked=True)).all()
    session.execute(delete(PageSession).where(PageSession.id.in_(ids)))
