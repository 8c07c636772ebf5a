"""When HighLevel was last heard of, by sub-account: read off the lanes of its events."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from portal.database import insert_unless_there
from portal.models import Event, Location, PlaceStanding

SOURCE = "ghl"
# Of a journal that was never looked at so many of the newest are.
LOOKED_BACK = 20_000


def begin(newest: int) -> int:
    """The id after which the first look begins."""
    return max(newest - LOOKED_BACK, 0)


def take(session: Session, after: int, last: int) -> None:
    """Takes the events between two ids."""
    of_time = Event.id > after, Event.id <= last, Event.source == SOURCE
    latest: dict[str, datetime] = {}
    for lane, moment in session.execute(select(Event.lane, Event.received_at).where(*of_time)):
        name = lane.split(":")[1] if ":" in lane else ""
        if name and (name not in latest or latest[name] < moment):
            latest[name] = moment
    if not latest:
        return
    places = dict(session.execute(select(Location.ghl_id, Location.id).where(Location.ghl_id.in_(latest))).all())
    for name, location_id in sorted(places.items(), key=lambda each: each[1]):
        ensure(session, location_id)
        older = or_(PlaceStanding.ghl_at.is_(None), PlaceStanding.ghl_at < latest[name])
        mine = PlaceStanding.location_id == location_id, older
        session.execute(update(PlaceStanding).where(*mine).values(ghl_at=latest[name]))


def ensure(session: Session, location_id: int) -> None:
    """Makes the sub-account's row, where it is not there."""
    new = insert_unless_there(session, PlaceStanding, "location_id")
    session.execute(new, [{"location_id": location_id}])
