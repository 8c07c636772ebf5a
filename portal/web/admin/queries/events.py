"""Reading the black box: pages of webhooks, and one as it came in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, defer, joinedload

from portal.models import Agency, Event, EventState, Location, Message, Sender
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope

# What is needed to know whose an event is; the body stays on disk.
_COLUMNS = (Event.id, Event.source, Event.lane, Event.sender_key)
Mine = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a page shows: those of one state and source, or all, below the id `before`."""

    state: str = ""
    before: int | None = None
    source: str = ""


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Event]:
    """Events, newest first, without their bodies."""
    ordered = _ordered(wanted)
    if scope.everything and not wanted.source:
        rows = session.execute(ordered.limit(PAGE + 1)).all()
        return _page(session, rows, PAGE)
    mine = _wanted(session, scope, wanted)
    looked_at = session.execute(ordered.limit(LOOKED_AT)).all()
    found = [row for row in looked_at if mine(row)][: PAGE + 1]
    if len(found) <= PAGE and len(looked_at) == LOOKED_AT:
        return Page(_load(session, found), looked_at[-1].id, gave_up=True)
    return _page(session, found, PAGE)


def parked(session: Session, scope: Scope, wanted: Wanted, most: int) -> tuple[list[int], bool]:
    """The ids of at most `most` events that were set aside and match, the oldest of them first; are there more?"""
    ordered = _ordered(replace(wanted, state=EventState.PARKED))
    mine = _wanted(session, scope, wanted)
    looked_at = session.execute(ordered.limit(LOOKED_AT)).all()
    found = [row.id for row in looked_at if mine(row)]
    return found[:most][::-1], len(found) > most or len(looked_at) == LOOKED_AT


def made(session: Session, scope: Scope, event: Event) -> Sequence[Message]:
    """The messages that the event brought, by their place: it is the event's own."""
    own: Any = select(Location.id)
    if event.sender_key:
        own = own.join(Sender, Sender.location_id == Location.id).where(Sender.key == event.sender_key)
    else:
        own = own.where(Location.ghl_id == location_of(event.lane))
    places = list(session.scalars(scope.narrow(own)))
    load = joinedload(Message.location), joinedload(Message.sender)
    mine = Message.location_id.in_(places), Message.position == event.id
    return session.scalars(select(Message).where(*mine).options(*load).order_by(Message.id).limit(PAGE)).all()


def one(session: Session, scope: Scope, event_id: int) -> Event | None:
    """The event with this number, when it is in scope."""
    event = session.get(Event, event_id)
    if event is None or not owned(session, scope)(event):
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


def _wanted(session: Session, scope: Scope, wanted: Wanted) -> Mine:
    mine = owned(session, scope)
    return lambda event: (not wanted.source or event.source == wanted.source) and mine(event)


def owned(session: Session, scope: Scope) -> Mine:
    """Is the event one of this agency's?

    HighLevel's name the location or the company in their lane, a provider's the sender by its key. One that names
    neither (a forgery, something unreadable) is the operator's.
    """
    if scope.everything:
        return lambda event: True
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
