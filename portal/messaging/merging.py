"""Contacts that prove to be one person: put together on a provider's word, on record, and taken apart by a person."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import AddressKind, Peer
from portal.errors import InvalidInput, NotFound
from portal.messaging import contacts, dnd_heard, marketing_pauses, windows
from portal.messaging.releasing import release_conversations
from portal.models import (
    Address,
    Contact,
    ContactMerge,
    Conversation,
    Direction,
    Job,
    Message,
    OptOut,
    Part,
    Sender,
    Status,
)

_AT_ONCE = 500


def learn(session: Session, sender: Sender, chat: Peer, others: Sequence[Peer], event_id: int | None) -> None:
    """The addresses are one person's, says the sender's provider: their contacts become one.

    What a person has taken apart stays apart.
    """
    for other in others:
        if not _one_already(session, sender.location_id, chat, other):
            _put_together(session, sender, chat, other, event_id)


def went_back(session: Session, sender: Sender, chat: Peer, other: Peer, event_id: int | None) -> None:
    """One contact has both addresses, and `other` took the place of `chat`, which had taken its place before."""
    newest = select(func.max(ContactMerge.id)).where(
        ContactMerge.location_id == sender.location_id, ContactMerge.undone_at.is_(None)
    )
    there = session.scalar(newest.where(_pair(chat, other)))
    again = session.scalar(newest.where(_pair(other, chat)))
    address = _address(session, sender.location_id, other)
    if there is None or address is None or (again is not None and again > there):
        return
    merge = _record(sender, chat, other, event_id)
    merge.into_id = address.contact_id
    session.add(merge)
    session.flush()


def _record(sender: Sender, by: Peer, learnt: Peer, event_id: int | None) -> ContactMerge:
    return ContactMerge(
        location_id=sender.location_id,
        kind=learnt.kind,
        value=learnt.value,
        by_kind=by.kind,
        by_value=by.value,
        who=f"{sender.channel} (sender {sender.id})",
        event_id=event_id,
        at=clock.now(),
    )


def _one_already(session: Session, location_id: int, chat: Peer, other: Peer) -> bool:
    found = [_address(session, location_id, each) for each in (chat, other)]
    if None not in found and len({each.contact_id for each in found if each is not None}) == 1:
        return True
    undone = select(ContactMerge.id).where(
        ContactMerge.location_id == location_id,
        ContactMerge.undone_at.is_not(None),
        or_(_pair(chat, other), _pair(other, chat)),
    )
    return session.scalar(undone.limit(1)) is not None


def _pair(one: Peer, other: Peer) -> ColumnElement[bool]:
    return and_(
        ContactMerge.kind == one.kind,
        ContactMerge.value == one.value,
        ContactMerge.by_kind == other.kind,
        ContactMerge.by_value == other.value,
    )


def _put_together(session: Session, sender: Sender, chat: Peer, other: Peer, event_id: int | None) -> None:
    """The phone is what a contact is known by; the other address is learnt."""
    by, learnt = sorted((chat, other), key=lambda each: each.kind != AddressKind.PHONE)
    location_id, name = sender.location_id, chat.name or other.name
    if _address(session, location_id, by) is None and _address(session, location_id, learnt) is not None:
        by, learnt = learnt, by
    contact, _ = contacts.for_address(session, location_id, by.kind, by.value, name)
    _lock(session, [contact.id])
    contacts.learn_address(session, contact, learnt.kind, learnt.value)
    address = _address(session, location_id, learnt)
    assert address is not None  # written just now, or somebody else's
    merge = _record(sender, by, learnt, event_id)
    merge.into_id = contact.id
    if address.contact_id != contact.id:
        _merge(session, merge, session.get_one(Contact, address.contact_id), contact, by)
    session.add(merge)
    session.flush()
    windows.joined(session, merge.into_id)
    marketing_pauses.joined(session, merge.into_id)


def _merge(session: Session, merge: ContactMerge, one: Contact, other: Contact, by: Peer) -> None:
    """`other` is the contact of the address `by`."""
    _lock(session, [one.id, other.id])
    # HighLevel's contact with all its history is kept, and of two of them the one that is known by its number.
    from_, into = (one, other) if other.ghl_contact_id or not one.ghl_contact_id else (other, one)
    if from_ is other:
        merge.kind, merge.value, merge.by_kind, merge.by_value = by.kind, by.value, merge.kind, merge.value
    merge.from_id, merge.into_id = from_.id, into.id
    mine = select(Address.id).where(Address.contact_id == from_.id)
    merge.moved_addresses = list(session.scalars(mine.order_by(Address.id)))
    old = contacts.conversation(session, from_.location_id, from_.id)
    kept = contacts.conversation(session, into.location_id, into.id)
    merge.moved_messages = list(session.scalars(select(Message.id).where(Message.conversation_id == old.id)))
    merge.unread = old.unread
    if old.id != kept.id:
        contacts.join(session, from_, into)


def undo(session: Session, merge_id: int, who: str) -> ContactMerge:
    """A person says that they are two: the address, its messages and what waits for them go back.

    Raises `NotFound`, or `InvalidInput` when it was undone before.
    """
    locked = select(ContactMerge).where(ContactMerge.id == merge_id).with_for_update()
    merge = session.scalar(locked.execution_options(populate_existing=True))
    if merge is None:
        raise NotFound(f"There is no merge {merge_id}.")
    if merge.undone_at is not None:
        raise InvalidInput(f"Merge {merge_id} has been undone already, by {merge.undone_by}.")
    into = contacts.follow(session, session.get_one(Contact, merge.into_id))
    back = _restored(session, merge)
    _lock(session, [into.id, back.id])
    back.merged_into_id = None
    session.flush()
    kept = contacts.conversation(session, into.location_id, into.id)
    old = _own_conversation(session, back)
    values = _return_addresses(session, merge, back, into, old)
    since = _return_messages(session, merge, kept, old, values)
    old.unread = min(merge.unread + since, kept.unread)
    kept.unread -= old.unread
    for each in (old, kept):
        _sum_up(session, each)
    merge.undone_at, merge.undone_by = clock.now(), who[:200]
    session.flush()
    dnd_heard.taken_apart(session, back, into)
    release_conversations(session, merge.location_id, [old.id, kept.id])
    return merge


def _restored(session: Session, merge: ContactMerge) -> Contact:
    """The contact that the address had before; a new one where it had none."""
    if merge.from_id is not None:
        return session.get_one(Contact, merge.from_id)
    contact = Contact(location_id=merge.location_id, name="", tags=[], created_at=clock.now())
    session.add(contact)
    session.flush()
    return contact


def _own_conversation(session: Session, contact: Contact) -> Conversation:
    own = select(Conversation).where(Conversation.contact_id == contact.id).with_for_update()
    found = session.scalar(own.execution_options(populate_existing=True))
    if found is None:
        return contacts.conversation(session, contact.location_id, contact.id)
    found.merged_into_id = None
    return found


def _return_addresses(
    session: Session, merge: ContactMerge, back: Contact, into: Contact, old: Conversation
) -> Sequence[str]:
    """Gives the contact those of its addresses back that nobody took meanwhile, with their opt-outs; their values."""
    learnt = and_(Address.kind == merge.kind, Address.value == merge.value)
    mine = or_(learnt, Address.id.in_(merge.moved_addresses))
    rows = session.scalars(
        select(Address).where(Address.location_id == merge.location_id, Address.contact_id == into.id, mine)
    ).all()
    for row in rows:
        row.contact_id = back.id
        row.conversation_id = old.id if row.conversation_id is not None else None
    session.flush()
    values = [row.value for row in rows]
    # Else the other person's START would lift it.
    silence = update(OptOut).where(OptOut.contact_id == into.id, OptOut.address.in_(values))
    session.execute(silence.values(contact_id=back.id))
    return values


def _return_messages(
    session: Session, merge: ContactMerge, kept: Conversation, old: Conversation, values: Sequence[str]
) -> int:
    """What was moved goes back, and with it what has come or gone over these addresses since.

    Returns how many messages have come in since.
    """
    ids = set(
        session.scalars(select(Message.id).where(Message.conversation_id == kept.id, Message.address.in_(values)))
    )
    for some in _chunks(merge.moved_messages):
        there = select(Message.id).where(Message.conversation_id == kept.id, Message.id.in_(some))
        ids.update(session.scalars(there))
    new = ids - set(merge.moved_messages)
    for some in _chunks(sorted(ids)):
        session.execute(update(Message).where(Message.id.in_(some)).values(conversation_id=old.id))
        parts = session.scalars(select(Part.id).where(Part.message_id.in_(some))).all()
        _move_jobs(session, f"in:{kept.id}", f"in:{old.id}", "post_message", some)
        _move_jobs(session, f"out:{kept.id}", f"out:{old.id}", "send", parts)
    came = select(func.count()).select_from(Message).where(Message.direction == Direction.IN, ~Message.backfilled)
    return sum(session.scalar(came.where(Message.id.in_(some))) or 0 for some in _chunks(sorted(new)))


def _move_jobs(session: Session, before: str, after: str, kind: str, subjects: Sequence[int]) -> None:
    moved = update(Job).where(Job.lane == before, Job.kind == kind, Job.subject.in_(subjects)).values(lane=after)
    session.execute(moved.execution_options(synchronize_session=False))


def _sum_up(session: Session, conversation: Conversation) -> None:
    """What the conversation's row carries of its messages, read anew."""
    session.flush()
    mine = Message.conversation_id == conversation.id
    newest = session.scalars(select(Message).where(mine).order_by(Message.position.desc()).limit(1)).first()
    came = select(Message.created_at).where(mine, Message.direction == Direction.IN)
    held = select(Message.reason).where(mine, Message.status == Status.HELD).order_by(Message.position)
    conversation.held_reason = session.scalar(held.limit(1)) or ""
    conversation.last_inbound_at = session.scalar(came.order_by(Message.position.desc()).limit(1))
    conversation.last_position, conversation.last_text, conversation.last_direction = 0, "", ""
    conversation.sticky_sender_id, conversation.sticky_address = None, ""
    if newest is not None:
        contacts.carry(conversation, newest, newest.created_at)
        conversation.sticky_sender_id, conversation.sticky_address = newest.sender_id, newest.address


def _address(session: Session, location_id: int, peer: Peer) -> Address | None:
    wanted = select(Address).where(
        Address.location_id == location_id, Address.kind == peer.kind, Address.value == peer.value
    )
    return session.scalar(wanted.execution_options(populate_existing=True))


def _lock(session: Session, ids: Iterable[int]) -> None:
    wanted = select(Contact).where(Contact.id.in_(list(ids))).order_by(Contact.id).with_for_update()
    session.scalars(wanted.execution_options(populate_existing=True)).all()


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[place : place + _AT_ONCE] for place in range(0, len(ids), _AT_ONCE))
