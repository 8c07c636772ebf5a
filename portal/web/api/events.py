"""The journal: what came in for a location, and having what was set aside tried again."""

from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.messaging import replay
from portal.models import Event as Row
from portal.web.api import answers
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page
from portal.web.api.shapes.things import Event, EventsWanted

TAG = "Events"


@operation("GET", "/events", TAG, Scope.READ, answer=Page[Event], query=EventsWanted)
def list_events(call: Call) -> Page[Event]:
    """Lists the webhooks that came in for a location, newest first.

    With what became of each. What they held is not shown.
    """
    wanted: EventsWanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.events(session, location, wanted.state, wanted.cursor, wanted.limit)
    return Page([answers.event(row) for row in rows], after or None)


@operation("GET", "/events/<int:event_id>", TAG, Scope.READ, answer=Event)
def get_event(call: Call, event_id: int) -> Event:
    """Shows a webhook that came in."""
    with call.caller.parts.database.read() as session:
        return answers.event(_one(session, call.caller, event_id))


@operation("POST", "/events/<int:event_id>/replay", TAG, Scope.ADMIN, answer=Event, status=202, live_only=True)
def replay_event(call: Call, event_id: int) -> Effect:
    """Has a webhook that was set aside applied again."""

    def again(session: Session) -> Event:
        return answers.event(replay.replay(session, _one(session, call.caller, event_id).id))

    return again


def _one(session: Session, caller: Caller, event_id: int) -> Row:
    found = queries.event(session, caller.reach, event_id)
    if found is None:
        raise NotFound("There is no such event, or this key does not reach it.")
    return found
