"""A conversation's thread in HighLevel: adding to it, and finding what a call of unknown outcome may have added."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from portal.database import Database
from portal.ghl.client import GhlClient
from portal.messaging.ghl_files import Place, Told
from portal.messaging.media import known_here
from portal.models import Direction, Location, Message

# HighLevel's clock and ours may differ so much.
YOUNG = timedelta(minutes=5)


def provider_of(location: Location, providers: Mapping[str, str]) -> str:
    """The conversation provider that a location's messages come through: its own, else the app's first."""
    return location.provider_id or next(iter(providers), "")


def add(
    ghl: GhlClient,
    place: Place,
    message: Message,
    told: Told,
    *,
    provider_id: str,
    providers: Mapping[str, str],
    alt_id: str,
) -> str:
    """Adds what is told of the message; returns HighLevel's id for it. Raises `GhlError`."""
    posted = ghl.add_inbound(
        place.token,
        contact_id=place.contact_id,
        conversation_id=place.conversation_id,
        message=told.text,
        attachments=told.attachments,
        provider_id=provider_id,
        type="Custom" if providers.get(provider_id, "sms") == "custom" else "SMS",
        direction=_direction(message),
        alt_id=alt_id,
        date=message.provider_at or message.created_at,
    )
    return posted.message_id


def find(
    ghl: GhlClient,
    database: Database,
    place: Place,
    message: Message,
    told: Told,
    *,
    alt_id: str,
    since: datetime,
    files_too: bool = False,
) -> str:
    """The id under which an earlier call may have added it, "" when it is not there. Raises `GhlError`.

    By our own id where HighLevel tells it, else by its words (with `files_too` by its files as well), not before
    `since`, and never one that is known as something else.
    """
    for there in ghl.get_messages(place.token, place.conversation_id, limit=50):
        if there.direction != _direction(message):
            continue
        with database.read() as session:
            if session.scalar(select(known_here(message.location_id, there.id))):
                continue
        if there.alt_id == alt_id:
            return there.id
        young = there.date_added is None or there.date_added > since - YOUNG
        same = there.body == told.text and (not files_too or list(there.attachments) == list(told.attachments))
        if not there.alt_id and young and same:
            return there.id
    return ""


def _direction(message: Message) -> str:
    return "inbound" if message.direction == Direction.IN else "outbound"
