"""Reading people: those whom somebody may see, and the sub-accounts that may be given to them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.models import Agency, Location, User, UserLocation
from portal.web.pages.queries.pages import PAGE, Page
from portal.web.pages.queries.scope import Scope, locations

ACTIVE, INVITED, OFF = "active", "invited", "off"
STATES = (ACTIVE, INVITED, OFF)
MOST_AGENCIES = 500
MOST_PLACES = 2000
MOST_NAMES = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which people a page shows."""

    text: str = ""
    role: str = ""
    state: str = ""
    agency: Agency | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A user, and the sub-accounts that were chosen for them."""

    user: User
    places: Sequence[Location]


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Line]:
    """People, the last added first."""
    found = select(User).where(*_seen(scope)).order_by(User.id.desc()).limit(PAGE + 1)
    if wanted.before is not None:
        found = found.where(User.id < wanted.before)
    if wanted.text:
        found = found.where(User.email.contains(wanted.text.lower(), autoescape=True))
    if wanted.role:
        found = found.where(User.role == wanted.role, User.agency_id.is_not(None))
    if wanted.agency is not None:
        found = found.where(User.agency_id == wanted.agency.id)
    if wanted.state:
        found = found.where(*_of_state(wanted.state))
    rows = session.scalars(found).all()
    return Page(_lines(session, rows[:PAGE]), rows[PAGE - 1].id if len(rows) > PAGE else None)


def one(session: Session, scope: Scope, user_id: int) -> Line | None:
    """One user, when they are somebody's to see."""
    rows = session.scalars(select(User).where(User.id == user_id, *_seen(scope))).all()
    return next(iter(_lines(session, rows)), None)


def agencies(session: Session, scope: Scope) -> Sequence[Agency]:
    """The agencies by name: to the operator all, as far as they can be chosen from."""
    wanted = select(Agency).order_by(Agency.name, Agency.id).limit(MOST_AGENCIES)
    if scope.agency_id is not None:
        wanted = wanted.where(Agency.id == scope.agency_id)
    return session.scalars(wanted).all()


def agency(session: Session, scope: Scope, agency_id: int) -> Agency | None:
    """One agency, when it is somebody's own, or the operator asks."""
    return session.get(Agency, agency_id) if scope.agency_id in (None, agency_id) else None


def places(session: Session, scope: Scope, agency_id: int) -> Sequence[Location]:
    """The sub-accounts of an agency that somebody may give to others."""
    return locations(session, Scope(agency_id, scope.location_ids), MOST_PLACES)


def names(session: Session, location_ids: frozenset[int]) -> list[str]:
    """What these sub-accounts are called, as far as a log needs them."""
    wanted = (
        select(Location).where(Location.id.in_(location_ids)).order_by(Location.name, Location.id).limit(MOST_NAMES)
    )
    return [place.name or place.ghl_id for place in session.scalars(wanted)]


def _seen(scope: Scope) -> list[ColumnElement[bool]]:
    """An agency's people; to somebody with chosen sub-accounts, those who have no others."""
    seen: list[ColumnElement[bool]] = []
    if scope.agency_id is not None:
        seen.append(User.agency_id == scope.agency_id)
    if scope.location_ids is not None:
        beyond = UserLocation.user_id == User.id, UserLocation.location_id.not_in(scope.location_ids)
        seen += [User.all_locations.is_(False), ~select(UserLocation.user_id).where(*beyond).exists()]
    return seen


def _of_state(state: str) -> list[ColumnElement[bool]]:
    if state == OFF:
        return [User.active.is_(False)]
    return [User.active.is_(True), User.invited.is_(state == INVITED)]


def _lines(session: Session, rows: Sequence[User]) -> list[Line]:
    named = {place.location_id for row in rows for place in row.places}
    known = {place.id: place for place in session.scalars(select(Location).where(Location.id.in_(named)))}
    return [Line(row, [known[each.location_id] for each in row.places]) for row in rows]
