"""Contacts, their addresses and conversations: found or made, the same under any number of workers."""

from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import AddressKind
from portal.database import insert_new
from portal.messaging import dnd
from portal.models import Address, Contact, Conversation, Job, Message, OptOut, Sender

PHONE, SENDER_ID = AddressKind.PHONE, AddressKind.SENDER_ID

# Built once: the applying of every message asks these.
_SAME_ID = select(Contact).where(
    Contact.location_id == bindparam("location"), Contact.ghl_contact_id == bindparam("name")
)
_CONVERSATION = (
    select(Conversation)
    .where(Conversation.location_id == bindparam("location"), Conversation.contact_id == bindparam("contact"))
    .with_for_update()
)
_USED_HERE = (
    update(Address.__table__)  # type: ignore[arg-type]
    .where(
        Address.location_id == bindparam("b_location"),
        Address.kind == bindparam("b_kind"),
        Address.value == bindparam("b_value"),
    )
    .values(conversation_id=bindparam("b_conversation"))
)
_LAST_USED = select(Conversation.sticky_address).where(Conversation.contact_id == bindparam("contact"))


def for_ghl(session: Session, location_id: int, ghl_contact_id: str, phone: str | None) -> Contact:
    """The contact that HighLevel names. One that we met by its number before HighLevel knew it is adopted."""
    named = {"location": location_id, "name": ghl_contact_id}
    contact = session.scalar(_SAME_ID, named)
    if contact is not None and (not phone or phone == _last_used(session, contact.id)):
        return contact
    if contact is None and phone:
        contact = _adopt(session, location_id, ghl_contact_id, phone)
    if contact is None:
        values = {"location_id": location_id, "ghl_contact_id": ghl_contact_id}
        insert_new(session, Contact, values | {"name": "", "tags": [], "created_at": clock.now()})
        contact = session.scalars(_SAME_ID, named).one()
    if phone:
        _learn_address(session, contact, PHONE, phone)
    return contact


def for_address(session: Session, location_id: int, kind: str, value: str) -> tuple[Contact, int | None]:
    """The contact behind an address, and the conversation that last used the address (None for a new one)."""
    known = select(Address).where(Address.location_id == location_id, Address.kind == kind, Address.value == value)
    address = session.scalar(known)
    if address is None:
        contact = Contact(location_id=location_id, name="", tags=[], created_at=clock.now())
        session.add(contact)
        session.flush()
        _learn_address(session, contact, kind, value)
        address = session.scalars(known).one()
        if address.contact_id != contact.id:
            session.delete(contact)  # another worker met the same address at the same moment
    return session.get_one(Contact, address.contact_id), address.conversation_id


def address_of(session: Session, contact_id: int, kind: str) -> str | None:
    """The contact's own address of a kind, the newest first."""
    return session.scalar(
        select(Address.value)
        .where(Address.contact_id == contact_id, Address.kind == kind)
        .order_by(Address.id.desc())
        .limit(1)
    )


def conversation(session: Session, location_id: int, contact_id: int) -> Conversation:
    """The one conversation of a contact, its row locked for this transaction."""
    wanted = {"location": location_id, "contact": contact_id}
    found = session.scalar(_CONVERSATION, wanted)
    if found is None:
        values = {"location_id": location_id, "contact_id": contact_id, "created_at": clock.now()}
        zeros = {"last_position": 0, "last_text": "", "last_direction": "", "unread": 0, "held_reason": ""}
        zeros["sticky_address"] = ""
        insert_new(session, Conversation, values | zeros)
        found = session.scalars(_CONVERSATION, wanted).one()
    return found


def note_message(conversation: Conversation, message: Message, at: datetime) -> None:
    """Carries the newest message on the conversation's row, whatever the order of processing."""
    if message.direction == "in":
        conversation.unread += 1
        conversation.last_inbound_at = max(conversation.last_inbound_at or at, at)
    if message.position >= conversation.last_position:
        conversation.last_position = message.position
        conversation.last_text = message.body[:200]
        conversation.last_direction = message.direction
        conversation.last_message_at = at


def remember_route(session: Session, conversation: Conversation, sender: Sender, kind: str, value: str) -> None:
    """A reply to this address belongs in this conversation, and the conversation stays with this sender."""
    if conversation.sticky_sender_id == sender.id and conversation.sticky_address == value:
        return
    conversation.sticky_sender_id, conversation.sticky_address = sender.id, value
    used = {"b_location": conversation.location_id, "b_kind": kind, "b_value": value, "b_conversation": conversation.id}
    session.connection().execute(_USED_HERE, used)


def identify(session: Session, contact: Contact, ghl_contact_id: str) -> Contact:
    """HighLevel has told the contact's id. A row that has it already takes over the addresses and messages."""
    other = session.scalar(
        select(Contact).where(Contact.location_id == contact.location_id, Contact.ghl_contact_id == ghl_contact_id)
    )
    if other is None or other.id == contact.id:
        contact.ghl_contact_id = ghl_contact_id
        dnd.identified(session, contact)
        return contact
    _merge(session, contact, other)
    dnd.identified(session, other)
    return other


def _merge(session: Session, from_: Contact, into: Contact) -> None:
    for owned in (Address, OptOut):
        session.execute(update(owned).where(owned.contact_id == from_.id).values(contact_id=into.id))
    old = session.scalar(select(Conversation).where(Conversation.contact_id == from_.id).with_for_update())
    if old is None:
        return
    kept = conversation(session, into.location_id, into.id)
    session.execute(update(Message).where(Message.conversation_id == old.id).values(conversation_id=kept.id))
    session.execute(update(Address).where(Address.conversation_id == old.id).values(conversation_id=kept.id))
    for way in ("out", "in"):
        # What waits goes on waiting behind what waits in the conversation that is kept.
        moved = update(Job).where(Job.lane == f"{way}:{old.id}").values(lane=f"{way}:{kept.id}")
        session.execute(moved.execution_options(synchronize_session=False))
    kept.held_reason = kept.held_reason or old.held_reason
    kept.unread += old.unread
    kept.sticky_sender_id = kept.sticky_sender_id or old.sticky_sender_id
    kept.last_inbound_at = max(filter(None, (kept.last_inbound_at, old.last_inbound_at)), default=None)
    if old.last_position > kept.last_position:
        kept.last_position, kept.last_text = old.last_position, old.last_text
        kept.last_direction, kept.last_message_at = old.last_direction, old.last_message_at
    old.unread, old.last_position, old.held_reason = 0, 0, ""


def _last_used(session: Session, contact_id: int) -> str | None:
    return session.connection().scalar(_LAST_USED, {"contact": contact_id})


def _adopt(session: Session, location_id: int, ghl_contact_id: str, phone: str) -> Contact | None:
    contact = session.scalar(
        select(Contact)
        .join(Address, Address.contact_id == Contact.id)
        .where(Address.location_id == location_id, Address.kind == PHONE, Address.value == phone)
        .where(Contact.ghl_contact_id.is_(None))
        .with_for_update(of=Contact)
    )
    if contact is not None:
        contact.ghl_contact_id = ghl_contact_id
        session.flush()
        dnd.identified(session, contact)
    return contact


def _learn_address(session: Session, contact: Contact, kind: str, value: str) -> None:
    values = {"location_id": contact.location_id, "contact_id": contact.id, "kind": kind, "value": value}
    insert_new(session, Address, values | {"created_at": clock.now()})
