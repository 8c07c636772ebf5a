"""Reading the black box: pages of webhooks, and one as it came in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, defer

from portal.models import Agency, Event, Location, Sender
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope

# What is needed to know whose an event is; the body stays on disk.
_COLUMNS = (Event.id, Event.source, Event.lane, Event.sender_key)
Mine = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a page shows: those of one state, or all, below the id `before`."""

    state: str = ""
    before: int | None = None


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Event]:
    """Events, newest first, without their bodies."""
    ordered = _ordered(wanted)
    if scope.everything:
        rows = session.execute(ordered.limit(PAGE + 1)).all()
        return _page(session, rows, PAGE)
    mine = _mine(session, scope)
    looked_at = session.execute(ordered.limit(LOOKED_AT)).all()
    found = [row for row in looked_at if mine(row)][: PAGE + 1]
    if len(found) <= PAGE and len(looked_at) == LOOKED_AT:
        return Page(_load(session, found), looked_at[-1].id, gave_up=True)
    return _page(session, found, PAGE)


def one(session: Session, scope: Scope, event_id: int) -> Event | None:
    """The event with this number, when it is in scope."""
    event = session.get(Event, event_id)
    if event is None or (not scope.everything and not _mine(session, scope)(event)):
        return None
    return event


def _ordered(wanted: Wanted) -> Any:
    """A select of the four columns."""
    ordered = select(*_COLUMNS).order_by(Event.id.desc())
    if wanted.state:
        ordered = ordered.where(Event.state == wanted.state)
    return ordered if wanted.before is None else ordered.where(Event.id < wanted.before)


def _page(session: Session, rows: Sequence[Row[Any]], limit: int) -> Page[Event]:
    return Page(_load(session, rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)


def _mine(session: Session, scope: Scope) -> Mine:
    """Is the event one of this agency's?

    HighLevel's name the location or the company in their lane, a provider's the sender by its key. One that names
    neither (a forgery, something unreadable) is the operator's.
    """
    places = set(session.scalars(scope.narrow(select(Location.ghl_id))))
    if scope.whole_agency:
        places.update(session.scalars(select(Agency.company_id).where(Agency.id == scope.agency_id)))
    keys = frozenset(session.scalars(scope.narrow(select(Sender.key).join(Location))))

    def mine(event: Any) -> bool:
        if event.source == "ghl":
            return location_of(event.lane) in places
        return event.sender_key in keys

    return mine


def location_of(lane: str) -> str:
    """The location (or company) in the lane `ghl:<location>:<contact>`, "" when there is none."""
    place = lane.split(":")[1:2]
    return place[0] if place else ""


def _load(session: Session, rows: Sequence[Any]) -> list[Event]:
    ids = [row.id for row in rows]
    found = session.scalars(
        select(Event)
        .where(Event.id.in_(ids))
        .order_by(Event.id.desc())
        .options(defer(Event.body), defer(Event.headers))
    )
    return list(found)
