"""A draft that is put on its way in the caller's own transaction: who asked is told at once what became of it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.crypto import Vault
from portal.database import insert
from portal.journal.entry import Entry
from portal.journal.store import store
from portal.messaging import composing
from portal.models import Event, EventState, Location

# Events of one sub-account that are looked through for a message that is not there yet.
MOST_PENDING = 400


def apply_now(session: Session, vault: Vault, entry: Entry) -> None:
    """Keeps a draft's event and applies it: its messages are queued, held or failed when the caller commits."""
    new = insert(session, Event).values(**entry.row(EventState.PENDING)).returning(Event.id)
    event = session.get_one(Event, session.scalars(new).one())
    event.note = composing.apply(session, vault, event)
    event.state, event.applied_at = EventState.APPLIED, clock.now()


def keep(session: Session, entries: Sequence[Entry]) -> None:
    """Keeps the events of many recipients in the caller's transaction; a worker applies them, 50 at a time."""
    store(session, entries)


def on_its_way(session: Session, locations: Sequence[Location], uuid: str) -> bool:
    """Has a message of these locations been taken that no worker has come to yet?"""
    lanes = [f"{composing.SOURCE}:{location.ghl_id}" for location in locations]
    pending = select(Event.body).where(Event.state == EventState.PENDING, Event.lane.in_(lanes))
    wanted = uuid.encode()
    bodies = session.scalars(pending.order_by(Event.id).limit(MOST_PENDING))
    return any(wanted in (body or b"") for body in bodies)
