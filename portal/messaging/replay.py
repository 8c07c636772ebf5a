"""Replay: a person has an event that was set aside applied again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.alerts.notices import PARKED, close_alert
from portal.errors import InvalidInput, NotFound
from portal.messaging import app_webhooks
from portal.models import Event, EventState
from portal.queue.jobs import APPLY, enqueue, job


def replay(session: Session, event_id: int) -> Event:
    """Puts a parked event back into its lane, ahead of what is new there, or one that no sender was there for.

    Raises `NotFound` when there is none, and `InvalidInput` when it is none of these.
    """
    locked = select(Event).where(Event.id == event_id).with_for_update()
    event = session.scalar(locked.execution_options(populate_existing=True))
    if event is None:
        raise NotFound(f"There is no event {event_id}.")
    if event.state != EventState.PARKED and not app_webhooks.may_be_replayed(event):
        raise InvalidInput(f"Event {event_id} is {event.state}: only parked events are replayed.")
    event.state = EventState.PENDING
    session.flush()
    enqueue(session, [job(APPLY, "apply", event.id, event.lane, priority=0)])
    others = select(Event.id).where(Event.state == EventState.PARKED, Event.source == event.source)
    if session.scalar(others.limit(1)) is None:
        close_alert(session, PARKED, event.source)
    return event
