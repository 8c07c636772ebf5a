"""Contacts, their addresses and conversations: found or made, the same under any number of workers."""

from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import AddressKind, Kind
from portal.database import insert_new
from portal.messaging import dnd, windows, wording
from portal.messaging.locks import lock_conversation
from portal.models import Address, Contact, Conversation, ConversationNote, Job, Message, OptOut, Sender

PHONE, SENDER_ID = AddressKind.PHONE, AddressKind.SENDER_ID
LID, GROUP = AddressKind.LID, AddressKind.GROUP
# An address that changes hands while its conversation is waited for is looked up again, so often at most.
MOST_TURNS = 10

# Built once: the applying of every message asks these.
_named = Contact.location_id == bindparam("location"), Contact.ghl_contact_id == bindparam("name")
_SAME_ID = select(Contact).where(*_named)
_SAME_ID_AND_NUMBER = (
    select(Contact, Conversation.sticky_address)
    .outerjoin(Conversation, Conversation.contact_id == Contact.id)
    .where(*_named)
)
_CONVERSATION = (
    select(Conversation)
    .where(Conversation.location_id == bindparam("location"), Conversation.contact_id == bindparam("contact"))
    .with_for_update()
    .execution_options(populate_existing=True)
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


def for_ghl(session: Session, location_id: int, ghl_contact_id: str, phone: str | None) -> Contact:
    """The contact that HighLevel names. One that we met by its number before HighLevel knew it is adopted."""
    named = {"location": location_id, "name": ghl_contact_id}
    found = session.execute(_SAME_ID_AND_NUMBER, named).first()
    contact, last_used = found or (None, None)
    if contact is not None and contact.merged_into_id is not None:
        contact, last_used = follow(session, contact), None
    if contact is not None and (not phone or phone == last_used):
        return contact
    if contact is None and phone:
        contact = _adopt(session, location_id, ghl_contact_id, phone)
    if contact is None:
        values = {"location_id": location_id, "ghl_contact_id": ghl_contact_id}
        insert_new(session, Contact, values | {"name": "", "tags": [], "created_at": clock.now()})
        contact = session.scalars(_SAME_ID, named).one()
    if phone:
        learn_address(session, contact, PHONE, phone)
    return contact


def follow(session: Session, contact: Contact) -> Contact:
    """The contact itself, or the one that it proved to be."""
    while contact.merged_into_id is not None:
        contact = session.get_one(Contact, contact.merged_into_id)
    return contact


def for_address(
    session: Session, location_id: int, kind: str, value: str, name: str = ""
) -> tuple[Contact, int | None]:
    """The contact behind an address, and the conversation that last used the address (None for a new one).

    `name` is given to a contact that is made for it.
    """
    known = select(Address).where(Address.location_id == location_id, Address.kind == kind, Address.value == value)
    address = session.scalar(known)
    if address is None:
        contact = Contact(location_id=location_id, name=name[:200], tags=[], created_at=clock.now())
        session.add(contact)
        session.flush()
        learn_address(session, contact, kind, value)
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


def at_address(session: Session, location_id: int, kind: str, value: str, name: str = "") -> Conversation:
    """The conversation that a message over this address belongs to, its row locked for this transaction."""
    now = select(Address.contact_id, Address.conversation_id)
    now = now.where(Address.location_id == location_id, Address.kind == kind, Address.value == value)
    for _ in range(MOST_TURNS):
        contact, conversation_id = for_address(session, location_id, kind, value, name)
        if conversation_id is None:
            found = conversation(session, location_id, contact.id)
        else:
            found = lock_conversation(session, conversation_id)
        if session.execute(now).one() == (contact.id, conversation_id):
            break
        session.flush()
        session.expire_all()  # contacts were put together or taken apart while the row was waited for
    return found


def conversation(session: Session, location_id: int, contact_id: int) -> Conversation:
    """The one conversation of a contact, its row locked for this transaction.

    Where the contact proved to be another one, that is the other one's.
    """
    wanted = {"location": location_id, "contact": contact_id}
    found = session.scalar(_CONVERSATION, wanted)
    if found is None:
        values = {"location_id": location_id, "contact_id": contact_id, "created_at": clock.now()}
        zeros = {"last_position": 0, "last_text": "", "last_direction": "", "unread": 0, "held_reason": ""}
        zeros["sticky_address"] = ""
        insert_new(session, Conversation, values | zeros)
        found = session.scalars(_CONVERSATION, wanted).one()
        contact = session.get_one(Contact, contact_id, populate_existing=True)
        if contact.merged_into_id is not None:
            return conversation(session, location_id, contact.merged_into_id)
    while found.merged_into_id is not None:
        found = lock_conversation(session, found.merged_into_id)
    return found


def note_message(conversation: Conversation, message: Message, at: datetime) -> None:
    """Carries the newest message on the conversation's row, whatever the order of processing."""
    if message.direction == "in":
        conversation.unread += not message.backfilled
        conversation.last_inbound_at = max(conversation.last_inbound_at or at, at)
    if not message.backfilled or not conversation.last_position:
        carry(conversation, message, at)


def carry(conversation: Conversation, message: Message, at: datetime) -> None:
    """Puts the message on the conversation's row, unless a newer one stands there."""
    if message.position >= conversation.last_position:
        conversation.last_position = message.position
        conversation.last_text = wording.brief(message.kind or Kind.TEXT, message.body, message.details or {}, 200)
        conversation.last_direction = message.direction
        conversation.last_message_at = at


def remember_route(session: Session, conversation: Conversation, sender: Sender, kind: str, value: str) -> None:
    """A reply to this address belongs in this conversation, and the conversation stays with this sender."""
    if conversation.sticky_sender_id == sender.id and conversation.sticky_address == value:
        return
    conversation.sticky_sender_id, conversation.sticky_address = sender.id, value
    remember_address(session, conversation, kind, value)


def remember_address(session: Session, conversation: Conversation, kind: str, value: str) -> None:
    """A reply to this address belongs in this conversation."""
    used = {"b_location": conversation.location_id, "b_kind": kind, "b_value": value, "b_conversation": conversation.id}
    session.connection().execute(_USED_HERE, used)


def identify(session: Session, contact: Contact, ghl_contact_id: str) -> Contact:
    """HighLevel has told the contact's id. A row that has it already takes over the addresses and messages."""
    named = session.scalar(_SAME_ID, {"location": contact.location_id, "name": ghl_contact_id})
    other = follow(session, named) if named is not None else None
    if other is not None and other.id != contact.id:
        join(session, contact, other)
        dnd.identified(session, other)
        return other
    if named is not None and named.id != contact.id:
        named.ghl_contact_id = None  # one row has the id at a time, and the other is only a trace by now
        session.flush()
    if not _call(session, contact, ghl_contact_id):
        return identify(session, contact, ghl_contact_id)
    dnd.identified(session, contact)
    return contact


def _call(session: Session, contact: Contact, ghl_contact_id: str) -> bool:
    """Gives the contact its id; False when another worker has just written a row that has it."""
    try:
        with session.begin_nested():
            contact.ghl_contact_id = ghl_contact_id
    except IntegrityError:
        return False
    return True


def join(session: Session, from_: Contact, into: Contact) -> tuple[Conversation, Conversation]:
    """All that is one contact's becomes the other's, for both are one person; returns their conversations.

    The caller has locked the contacts.
    """
    for each in sorted((from_, into), key=lambda contact: contact.id):
        conversation(session, each.location_id, each.id)
    old, kept = (conversation(session, each.location_id, each.id) for each in (from_, into))
    for owned in (Address, OptOut):
        session.execute(update(owned).where(owned.contact_id == from_.id).values(contact_id=into.id))
    session.execute(update(Message).where(Message.conversation_id == old.id).values(conversation_id=kept.id))
    session.execute(update(Address).where(Address.conversation_id == old.id).values(conversation_id=kept.id))
    notes = update(ConversationNote).where(ConversationNote.conversation_id == old.id)
    session.execute(notes.values(conversation_id=kept.id))
    for way in ("out", "in"):
        # What waits goes on waiting behind what waits in the conversation that is kept.
        moved = update(Job).where(Job.lane == f"{way}:{old.id}").values(lane=f"{way}:{kept.id}")
        session.execute(moved.execution_options(synchronize_session=False))
    kept.held_reason = kept.held_reason or old.held_reason
    kept.unread += old.unread
    if kept.sticky_sender_id is None:
        kept.sticky_sender_id, kept.sticky_address = old.sticky_sender_id, old.sticky_address
    kept.last_inbound_at = max(filter(None, (kept.last_inbound_at, old.last_inbound_at)), default=None)
    if old.last_position > kept.last_position:
        kept.last_position, kept.last_text = old.last_position, old.last_text
        kept.last_direction, kept.last_message_at = old.last_direction, old.last_message_at
    old.unread, old.last_position, old.held_reason = 0, 0, ""
    old.merged_into_id, from_.merged_into_id = kept.id, into.id
    session.flush()
    windows.joined(session, into.id)
    return old, kept


def _adopt(session: Session, location_id: int, ghl_contact_id: str, phone: str) -> Contact | None:
    contact = session.scalar(
        select(Contact)
        .join(Address, Address.contact_id == Contact.id)
        .where(Address.location_id == location_id, Address.kind == PHONE, Address.value == phone)
        .where(Contact.ghl_contact_id.is_(None))
        .with_for_update(of=Contact)
    )
    if contact is None or not _call(session, contact, ghl_contact_id):
        return None
    dnd.identified(session, contact)
    return contact


def learn_address(session: Session, contact: Contact, kind: str, value: str) -> None:
    """Writes down that the contact has this address, unless somebody has it already."""
    values = {"location_id": contact.location_id, "contact_id": contact.id, "kind": kind, "value": value}
    insert_new(session, Address, values | {"created_at": clock.now()})
