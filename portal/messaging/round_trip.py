"""The whole way round: HighLevel is asked to send a message, and hands it, signed, to our own delivery URL."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.errors import InvalidInput, WrongField
from portal.ghl.client import GhlClient
from portal.http import HttpClient
from portal.installations.tokens import Tokens
from portal.messaging import numbers
from portal.messaging.ghl_thread import provider_of
from portal.models import Location, Message

SOURCE = "Sendero test message"


def begin(tokens: Tokens, settings: Settings, http: HttpClient, place: Location, number: str, text: str) -> str:
    """Asks HighLevel, once; returns its id of the message.

    Raises `WrongField` for a number that is none, `InvalidInput` where no provider is known, `NoToken`, `GhlError`.
    """
    read = numbers.normalise(number, place.country or None)
    if isinstance(read, numbers.Rejection):
        raise WrongField("number", read.sentence)
    provider = provider_of(place, settings.ghl_providers)
    if not provider:
        raise InvalidInput("The portal does not know its conversation provider: set GHL_CONVERSATION_PROVIDER_ID.")
    ghl, token = GhlClient(http, settings.ghl_api_url), tokens.for_location(place.ghl_id)
    contact = ghl.find_contact(token, place.ghl_id, read.e164)
    contact = contact or ghl.create_contact(token, place.ghl_id, read.e164, source=SOURCE)
    kind = "Custom" if settings.ghl_providers.get(provider) == "custom" else "SMS"
    posted = ghl.send_message(token, contact_id=contact.id, message=text, provider_id=provider, type=kind)
    return posted.message_id


def came_back(session: Session, place: Location, message_id: str) -> str:
    """Our own id of the message that HighLevel handed over under this id of its own; "" as long as it has not."""
    own = Message.location_id == place.id, Message.ghl_message_id == message_id
    return session.scalar(select(Message.uuid).where(*own)) or ""
