"""What HighLevel says of a contact: changed, tagged, not to be disturbed, deleted. An older word changes nothing."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import InvalidInput
from portal.ghl.dnd import read
from portal.ghl.fields import text, texts
from portal.ghl.payloads import AppEvent
from portal.installations.lifecycle import IGNORED, moment_of
from portal.messaging import contacts, dnd, dnd_heard, numbers
from portal.messaging.decisions import cancel
from portal.models import Contact, Conversation, Direction, Location, Message, Status

KINDS = ("ContactCreate", "ContactUpdate", "ContactTagUpdate", "ContactDndUpdate", "ContactDelete")
WHO = "HighLevel"
DELETED = "The contact was deleted in HighLevel before this went out."
MOST_TAGS = 100
_WAITING = (Status.QUEUED, Status.HELD)


def apply(session: Session, event: AppEvent, received_at: datetime) -> str:
    """Applies one event of a contact that we know; others are none of our business. Nothing is ever sent for it."""
    at = moment_of(event, received_at)
    contact = session.scalar(
        select(Contact)
        .join(Location, Location.id == Contact.location_id)
        .where(Location.ghl_id == event.location_id, Contact.ghl_contact_id == event.contact_id)
        .with_for_update(of=Contact, key_share=True)
    )
    if contact is None:
        contact = _undisturbed(session, event)
    if contact is None:
        return f"{IGNORED}the contact is not known"
    if contact.ghl_at is not None and at < contact.ghl_at:
        return f"{IGNORED}older than what is known of the contact"
    contact.ghl_at = at
    if event.type == "ContactDelete":
        return _delete(session, contact)
    _mirror(contact, event.raw, at)
    return ", ".join(["contact updated", *dnd_heard.hear(session, contact, read(event.raw), at)])


def _undisturbed(session: Session, event: AppEvent) -> Contact | None:
    """Who must not be written to is kept before we meet them: a list of numbers may hold theirs."""
    said = read(event.raw)
    on = said.everything or any(said.channels.values())
    location = session.scalar(select(Location).where(Location.ghl_id == event.location_id)) if on else None
    if location is None or event.type == "ContactDelete" or not event.contact_id:
        return None
    number = numbers.normalise(text(event.raw.get("phone")), location.country or None, mobile_only=False)
    phone = number.e164 if isinstance(number, numbers.Number) else None
    return contacts.for_ghl(session, location.id, event.contact_id, phone)


def _mirror(contact: Contact, said: Any, at: datetime) -> None:
    names = (text(said.get("firstName")), text(said.get("lastName")))
    name = text(said.get("name")).strip() or " ".join(filter(None, names)).strip()
    contact.name = name[:200] or contact.name
    if isinstance(said.get("tags"), list):
        contact.tags, contact.tags_at = list(texts(said["tags"]))[:MOST_TAGS], at


def _delete(session: Session, contact: Contact) -> str:
    """Takes back what has not gone out. The next message of the person finds or makes a contact anew."""
    contact.ghl_contact_id = None
    dnd.forget(session, contact)
    conversation = session.scalar(select(Conversation).where(Conversation.contact_id == contact.id))
    if conversation is None:
        return "contact deleted"
    conversation.ghl_conversation_id = None
    waiting = select(Message.id).where(
        Message.conversation_id == conversation.id, Message.direction == Direction.OUT, Message.status.in_(_WAITING)
    )
    taken_back = sum(_take_back(session, message_id) for message_id in session.scalars(waiting).all())
    return f"contact deleted, {taken_back} messages taken back"


def _take_back(session: Session, message_id: int) -> bool:
    try:
        cancel(session, message_id, WHO, DELETED)
    except InvalidInput:
        return False  # it went out meanwhile
    return True
