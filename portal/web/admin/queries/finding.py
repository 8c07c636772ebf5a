"""Anything by one of its ids: ours, HighLevel's, a provider's, a number. Every question is answered by an index.

An id of HighLevel's or of a provider's is unique within a sub-account or a sender, and so are the indexes: each of
those in scope is asked for it, which is one look-up for each and no scan, however many messages there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, cast, literal, select
from sqlalchemy.orm import Session, defer, joinedload

from portal.messaging import numbers
from portal.models import Address, Contact, Conversation, Event, Location, Message, Part, ReceiptRow, Sender
from portal.web.admin.queries import events
from portal.web.pages.queries.scope import Scope

LONGEST, MOST = 400, 50
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with the conversation that leads to all else of theirs."""

    contact: Contact
    location: Location
    conversation_id: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What an id leads to, each newest first."""

    events: Sequence[Event] = ()
    messages: Sequence[Message] = ()
    people: Sequence[Person] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.messages or self.people)


def find(session: Session, scope: Scope, text: str) -> Found:
    """What is in scope under this id; a message brings its webhooks along, an address or contact its last messages."""
    wanted = text.strip()[:LONGEST]
    if not wanted:
        return Found()
    people = _people(session, scope, wanted)
    messages = _messages(session, scope, wanted)
    if not messages:
        messages = _last(session, [each.conversation_id for each in people if each.conversation_id is not None])
    return Found(_events(session, scope, wanted, messages), messages, people)


def _messages(session: Session, scope: Scope, wanted: str) -> list[Message]:
    ids: set[int] = set()
    if (own := _uuid(wanted)) is not None:
        ids |= _scalars(session, select(Message.id).where(Message.uuid == own))
    for some in _in_turn(session, scope.narrow(select(Location.id))):
        theirs = Message.location_id.in_(some), Message.ghl_message_id == wanted
        ids |= _scalars(session, select(Message.id).where(*theirs))
    senders = scope.narrow(select(Sender.id).join(Location, Location.id == Sender.location_id))
    for some in _in_turn(session, senders):
        ids |= _scalars(session, select(Part.message_id).where(Part.sender_id.in_(some), Part.external_id == wanted))
        ids |= _scalars(session, select(Message.id).where(Message.sender_id.in_(some), Message.external_id == wanted))
    return _load(session, scope, ids)


def _load(session: Session, scope: Scope, ids: Iterable[int]) -> list[Message]:
    found = select(Message).join(Location, Location.id == Message.location_id).where(Message.id.in_(sorted(ids)))
    load = joinedload(Message.location), joinedload(Message.sender)
    return list(session.scalars(scope.narrow(found).options(*load).order_by(Message.id.desc()).limit(MOST)))


def _last(session: Session, conversations: Sequence[int]) -> list[Message]:
    found: list[Message] = []
    load = joinedload(Message.location), joinedload(Message.sender)
    for id_ in conversations[:MOST]:
        last = select(Message).where(Message.conversation_id == id_).options(*load)
        found += session.scalars(last.order_by(Message.position.desc(), Message.id.desc()).limit(MOST))
    return sorted(found, key=lambda each: -each.id)[:MOST]


def _events(session: Session, scope: Scope, wanted: str, messages: Sequence[Message]) -> list[Event]:
    ids = {message.event_id for message in messages if message.event_id is not None}
    if wanted.isascii() and wanted.isdigit() and int(wanted) <= _LARGEST:
        ids.add(int(wanted))
    if (own := _uuid(wanted)) is not None:
        ids |= _scalars(session, select(Event.id).where(Event.uuid == own))
    ids |= _scalars(session, select(Event.id).where(Event.dedupe_key.in_((wanted, f"event:{wanted}"))))
    # A delivery that was set aside has no message yet.
    key = literal("delivery:") + Location.ghl_id + literal(":") + cast(literal(wanted), String)
    deliveries = select(Event.id).join(Location, Event.dedupe_key == key)
    ids |= _scalars(session, scope.narrow(deliveries))
    ids |= _of_receipts(session, messages)
    rows = select(Event).where(Event.id.in_(sorted(ids))).options(defer(Event.body), defer(Event.headers))
    mine = events.owned(session, scope)
    return [row for row in session.scalars(rows.order_by(Event.id.desc()).limit(10 * MOST)) if mine(row)][:MOST]


def _of_receipts(session: Session, messages: Sequence[Message]) -> set[int]:
    """The webhooks that told what became of the messages."""
    found: set[int] = set()
    parts = select(Part.sender_id, Part.external_id).where(Part.message_id.in_([each.id for each in messages]))
    for sender_id, external_id in session.execute(parts.where(Part.external_id.is_not(None))).all():
        same = ReceiptRow.sender_id == sender_id, ReceiptRow.external_id == external_id
        found |= _scalars(session, select(ReceiptRow.event_id).where(*same))
    return found


def _people(session: Session, scope: Scope, wanted: str) -> list[Person]:
    ids: set[int] = set()
    for some in _in_turn(session, scope.narrow(select(Location.id))):
        named = Contact.location_id.in_(some), Contact.ghl_contact_id == wanted
        ids |= _scalars(session, select(Contact.id).where(*named))
    reached = select(Address.contact_id).join(Location, Location.id == Address.location_id)
    ids |= _scalars(session, scope.narrow(reached).where(Address.value.in_(_addresses(wanted))))
    rows: Any = select(Contact, Location, Conversation.id).join(Location, Location.id == Contact.location_id)
    same = (Conversation.location_id == Contact.location_id) & (Conversation.contact_id == Contact.id)
    rows = rows.outerjoin(Conversation, same).where(Contact.id.in_(sorted(ids))).order_by(Contact.id.desc())
    return [Person(row[0], row[1], row[2]) for row in session.execute(scope.narrow(rows).limit(MOST))]


def _addresses(wanted: str) -> list[str]:
    digits = "".join(filter(str.isdigit, wanted))
    values = {wanted}
    if digits and set(wanted) <= set("+0123456789 ()-./"):
        values |= {digits, f"+{digits}"}
    known = numbers.normalise(wanted, None)
    if not isinstance(known, numbers.Rejection):
        values.add(known.e164)
    return sorted(values)


def _uuid(wanted: str) -> str | None:
    try:
        return str(UUID(wanted))
    except ValueError:
        return None


def _in_turn(session: Session, wanted: Select[Any]) -> Iterator[list[int]]:
    """The ids, so many at a time. A join in their place is one that SQLite begins with the large table."""
    ids = list(session.scalars(wanted))
    for place in range(0, len(ids), 500):
        yield ids[place : place + 500]


def _scalars(session: Session, wanted: Select[Any]) -> set[int]:
    return {id_ for id_ in session.scalars(wanted.limit(10 * MOST)) if id_ is not None}
