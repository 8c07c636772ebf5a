"""`flask events`: the journal of webhooks."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal.cli.answers import say, services
from portal.messaging import replay
from portal.models import Event, EventState

events = AppGroup("events", help="The journal of webhooks.")


@events.command("replay")
@click.argument("event_id", type=int)
def replay_event(event_id: int) -> None:
    """Applies a parked event again."""
    with services().database.write() as session:
        event = replay.replay(session, event_id)
    say({"id": event.id, "state": event.state})


@events.command("list")
@click.option("--state", default=EventState.PARKED.value, type=click.Choice([each.value for each in EventState]))
@click.option("--limit", default=100, type=click.IntRange(1, 100_000))
def list_events(state: str, limit: int) -> None:
    """Prints events of one state, the newest first."""
    with services().database.read() as session:
        wanted = select(Event).where(Event.state == state).order_by(Event.id.desc()).limit(limit)
        for event in session.scalars(wanted):
            say({"id": event.id, "source": event.source, "received": event.received_at, "note": event.note})
