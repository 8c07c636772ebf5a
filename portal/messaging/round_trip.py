"""The whole way round: HighLevel is asked to send a message, and hands it, signed, to our own delivery URL."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.config import Settings
from portal.database import Database, insert_unless_there
from portal.errors import InvalidInput, WrongField
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.http import HttpClient
from portal.installations.tokens import Tokens
from portal.messaging import numbers
from portal.messaging.composing import SOURCE
from portal.messaging.ghl_thread import provider_of
from portal.models import Event, EventState, Location, Message
from portal.models.base import new_uuid

NAME = "Sendero test message"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants sent to a number of their own. One `key` is asked for once."""

    number: str
    text: str
    by: str
    key: str


@dataclass(frozen=True, slots=True)
class Way:
    """What the way begins with: HighLevel's API, asked by `http`, which is as patient as whoever waits."""

    database: Database
    tokens: Tokens
    settings: Settings
    http: HttpClient


def begin(way: Way, place: Location, wanted: Wanted) -> str:
    """Asks HighLevel, once; returns its id of the message.

    Raises `WrongField` for a number that is none, `InvalidInput` where no provider is known or the same was asked
    before without an answer, `NoToken`, `GhlError`.
    """
    read = numbers.normalise(wanted.number, place.country or None)
    if isinstance(read, numbers.Rejection):
        raise WrongField("number", read.sentence)
    provider = provider_of(place, way.settings.ghl_providers)
    if not provider:
        raise InvalidInput("The portal does not know its conversation provider: set GHL_CONVERSATION_PROVIDER_ID.")
    token = way.tokens.for_location(place.ghl_id)
    event_id, before = _claim(way.database, place, wanted)
    if before:
        return before
    try:
        asked = _ask(way, token, place, read.e164, wanted.text, provider)
    except GhlError as error:
        if error.kind not in (Kind.UNKNOWN, Kind.SERVER):  # it has not taken effect: the same may be asked again
            _note(way.database, event_id, "HighLevel refused it.", None)
        raise
    _note(way.database, event_id, "HighLevel was asked to send it.", asked)
    return asked


def _ask(way: Way, token: str, place: Location, number: str, text: str, provider: str) -> str:
    ghl = GhlClient(way.http, way.settings.ghl_api_url)
    contact = ghl.find_contact(token, place.ghl_id, number)
    contact = contact or ghl.create_contact(token, place.ghl_id, number, source=NAME)
    kind = "Custom" if way.settings.ghl_providers.get(provider) == "custom" else "SMS"
    return ghl.send_message(token, contact_id=contact.id, message=text, provider_id=provider, type=kind).message_id


def _claim(database: Database, place: Location, wanted: Wanted) -> tuple[int, str]:
    """The event of this one asking, and HighLevel's id where it was asked before."""
    key = f"{SOURCE}:{place.id}:round:{wanted.key}"
    with database.write() as session:
        moment = clock.now()
        values = {
            "uuid": new_uuid(),
            "source": SOURCE,
            "action": "round",
            "sender_key": "",
            "dedupe_key": key,
            "lane": f"{SOURCE}:{place.ghl_id}",
            "received_at": moment,
            "verified": True,
            "headers": {},
            "query": "",
            "body": msgspec.json.encode({"by": wanted.by}),
            "state": EventState.IGNORED,
            "note": "HighLevel is being asked to send it.",
            "applied_at": moment,
        }
        written = insert_unless_there(session, Event, "dedupe_key").returning(Event.id)
        made = session.connection().scalar(written, values)
        event = session.scalars(select(Event).where(Event.dedupe_key == key)).one()
        before = str(msgspec.json.decode(event.body or b"{}").get("asked", ""))
    if made is None and not before:
        raise InvalidInput(
            "HighLevel was asked for this already, and may have taken it: look at the conversation there."
        )
    return event.id, before


def _note(database: Database, event_id: int, note: str, asked: str | None) -> None:
    with database.write() as session:
        event = session.get_one(Event, event_id)
        event.note = note
        if asked is None:
            event.dedupe_key = None
        else:
            event.body = msgspec.json.encode({**msgspec.json.decode(event.body or b"{}"), "asked": asked})


def came_back(session: Session, place: Location, message_id: str) -> str:
    """Our own id of the message that HighLevel handed over under this id of its own; "" as long as it has not."""
    own = Message.location_id == place.id, Message.ghl_message_id == message_id
    return session.scalar(select(Message.uuid).where(*own)) or ""
