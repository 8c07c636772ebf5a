"""Reading installations: agencies with their locations, each with the grant that speaks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager

from portal.installations import standing
from portal.installations.standing import Standing
from portal.messaging.releasing import HELD
from portal.models import Agency, Alert, Grant, GrantKind, GrantState, InstallState, Location, Message
from portal.models.tenants import HERE, PRESENT
from portal.web.pages.queries.pages import PAGE, Page
from portal.web.pages.queries.scope import Scope

# A person cannot read more; the filter finds the others.
MOST_AGENCIES = 200
ATTENTION = "attention"
STATES = (ATTENTION, *InstallState)

MOST_HELD = 100_000
_Company = aliased(Grant)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which locations a page shows: of one state (or `attention`), with a text in name or id, after the id `before`."""

    state: str = ""
    text: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One location. Its agency is proven, or None."""

    location: Location
    agency: Agency | None
    grant: Grant | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class House:
    """One agency with its own permission, and how many locations it has in which state."""

    agency: Agency
    grant: Grant | None
    standing: Standing
    counts: dict[str, int]


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Line]:
    """Locations, agency by agency, those without one last."""
    rows = session.execute(scope.narrow(_filtered(session, wanted)).limit(PAGE + 1)).all()
    lines = [_line(row) for row in rows[:PAGE]]
    return Page(lines, lines[-1].location.id if len(rows) > PAGE else None)


def one(session: Session, scope: Scope, location_id: int) -> Line | None:
    """One location, when it is in scope."""
    row = session.execute(scope.narrow(_lines().where(Location.id == location_id))).first()
    return _line(row) if row is not None else None


def agency(session: Session, scope: Scope, agency_id: int) -> House | None:
    """One agency, when it is in scope."""
    return next(iter(_houses(session, scope, Agency.id == agency_id)), None)


def agencies(session: Session, scope: Scope) -> list[House]:
    """The agencies by name, at most so many as a person can read."""
    return _houses(session, scope)


def alerts(session: Session, location_id: int) -> Sequence[Alert]:
    """What is open about a location, the latest first."""
    mine = Alert.location_id == location_id, Alert.closed_at.is_(None)
    return session.scalars(select(Alert).where(*mine).order_by(Alert.last_at.desc()).limit(20)).all()


def held(session: Session, location_id: int) -> int:
    """How many messages of a location wait for a person or a setting, as far as it is worth counting."""
    waiting = select(Message.id).where(HELD, Message.location_id == location_id).limit(MOST_HELD).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def _lines() -> Any:
    return (
        select(Location, Grant, _Company)
        .outerjoin(Agency, Agency.id == Location.agency_id)
        .outerjoin(Grant, and_(Grant.kind == GrantKind.LOCATION, Grant.ghl_id == Location.ghl_id))
        .outerjoin(_Company, and_(_Company.kind == GrantKind.COMPANY, _Company.ghl_id == Agency.company_id))
        .options(contains_eager(Location.agency))
    )


def _filtered(session: Session, wanted: Wanted) -> Any:
    # Agencies without a name, and locations without an agency, are last on both databases.
    ordered = _lines().order_by(Location.agency_id.is_(None), Location.agency_id, Location.id)
    if wanted.state == ATTENTION:
        ordered = ordered.where(_needs_attention())
    elif wanted.state:
        ordered = ordered.where(Location.install_state == wanted.state)
    if wanted.text:
        ordered = ordered.where(
            or_(Location.name.icontains(wanted.text, autoescape=True), Location.ghl_id == wanted.text)
        )
    last = session.get(Location, wanted.before) if wanted.before is not None else None
    if last is None:
        return ordered
    if last.agency_id is None:
        return ordered.where(Location.agency_id.is_(None), Location.id > last.id)
    later = or_(Location.agency_id > last.agency_id, and_(Location.agency_id == last.agency_id, Location.id > last.id))
    return ordered.where(or_(later, Location.agency_id.is_(None)))


def _needs_attention() -> Any:
    here = Location.install_state.in_(HERE)
    waiting = and_(Location.install_state == InstallState.NOT_INSTALLED, Location.install_event.in_(PRESENT))
    open_alert = exists().where(Alert.location_id == Location.id, Alert.closed_at.is_(None))
    ill = or_(
        Grant.id.is_(None), Grant.state != GrantState.ACTIVE, Grant.failures > 0, Location.unlisted_at.is_not(None)
    )
    paused = Location.install_state == InstallState.INACTIVE
    return or_(waiting, paused, and_(here, ill), open_alert)


def _line(row: Any) -> Line:
    location, grant, company = row
    return Line(location, location.agency, grant, standing.of_location(location, grant, company))


def _houses(session: Session, scope: Scope, *conditions: Any) -> list[House]:
    wanted = (
        select(Agency, Grant)
        .outerjoin(Grant, and_(Grant.kind == GrantKind.COMPANY, Grant.ghl_id == Agency.company_id))
        .where(*conditions)
        .order_by(Agency.id)
        .limit(MOST_AGENCIES)
    )
    if not scope.whole_agency:
        return []
    if not scope.everything:
        wanted = wanted.where(Agency.id == scope.agency_id)
    rows = session.execute(wanted).all()
    counts = _counts(session, [row[0].id for row in rows])
    return [
        House(agency, grant, standing.of_agency(agency, grant), counts.get(agency.id, {})) for agency, grant in rows
    ]


def _counts(session: Session, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    counted = select(Location.agency_id, Location.install_state, func.count()).where(Location.agency_id.in_(ids))
    for agency_id, state, count in session.execute(counted.group_by(Location.agency_id, Location.install_state)):
        found.setdefault(int(agency_id or 0), {})[state] = count
    return found
