"""What would become of a message, by queueing it and taking all of it back: the same code, and nothing is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.database import Database
from portal.errors import NotFound
from portal.messaging import choosing, contacts, routing
from portal.messaging.outbound import Request, queue_message
from portal.models import Contact, Event, Location, Status

TEXT = "Hello"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message as HighLevel would hand it over: to a contact that is known, else to a number, E.164."""

    contact_id: int | None = None
    number: str = ""
    user_id: str = ""
    text: str = TEXT


@dataclass(frozen=True, slots=True)
class Trial:
    """What would have become of it, in plain values: no row outlives the transaction.

    `conversation_id` is None when nobody has talked to the contact yet, `contact_id` when there is none as yet.
    `questions` are all that routing asks; the first that picks a sender decides. Without `sender_id` it would not go.
    """

    contact_id: int | None
    name: str
    tags: Sequence[str]
    conversation_id: int | None
    own_sender_id: int | None
    questions: Sequence[routing.Question]
    senders: Sequence[routing.Candidate]
    sender_id: int | None
    sender_reason: str
    status: str
    reason: str
    address: str
    parts: int
    credits: int


class _TakenBack(Exception):
    """Ends the transaction without a trace."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial


def run(database: Database, location_id: int, wanted: Wanted) -> Trial:
    """Tries it. Raises `NotFound` when the contact is not the location's."""
    try:
        with database.write() as session:
            location = session.get_one(Location, location_id)
            raise _TakenBack(_tried(session, location, wanted))
    except _TakenBack as told:
        return told.trial


def _tried(session: Session, location: Location, wanted: Wanted) -> Trial:
    contact = _contact(session, location.id, wanted)
    phone = wanted.number or contacts.address_of(session, contact.id, contacts.PHONE) or ""
    conversation = contacts.conversation(session, location.id, contact.id)
    known, own = conversation.last_message_at is not None, conversation.sticky_sender_id
    place = (session.scalar(select(func.max(Event.id))) or 0) + 1
    message = queue_message(
        session,
        location,
        Request(contact, phone, wanted.text, place, clock.now(), user_id=wanted.user_id),
    )
    conversation.sticky_sender_id = own
    given = choosing.given(session, location, conversation, message)
    out = message.status == Status.QUEUED
    return Trial(
        contact_id=contact.id if known else wanted.contact_id,
        name=contact.name,
        tags=[str(tag) for tag in contact.tags],
        conversation_id=conversation.id if known else None,
        own_sender_id=own,
        questions=list(routing.questions(given.senders, given.rules, given.wish)),
        senders=given.senders,
        sender_id=message.sender_id if out else None,
        sender_reason=message.sender_reason,
        status=message.status,
        reason=message.reason,
        address=message.address,
        parts=len(message.parts) if out else 0,
        credits=message.credits if out else 0,
    )


def _contact(session: Session, location_id: int, wanted: Wanted) -> Contact:
    if wanted.contact_id is None:
        return contacts.follow(session, contacts.for_address(session, location_id, contacts.PHONE, wanted.number)[0])
    own = Contact.id == wanted.contact_id, Contact.location_id == location_id
    found = session.scalar(select(Contact).where(*own))
    if found is None:
        raise NotFound("There is no such contact in this sub-account.")
    return contacts.follow(session, found)
