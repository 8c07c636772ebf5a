"""Messages and what they refer to: linked as soon as both are known, in whatever order they came."""

from datetime import timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import Relation
from portal.messaging import telling
from portal.models import Message, Part

AT_ONCE = 200
# What refers to a message that is not known by then refers to one from before the line was ours.
LOOK_BACK = timedelta(hours=72)


def link(session: Session, message: Message) -> None:
    """Finds what a new message refers to, and what has been waiting for the message itself.

    The caller has locked the conversation.
    """
    if message.about_external_id and message.about_id is None:
        target_id = by_external_id(session, message.sender_id, message.about_external_id)
        if target_id is not None and target_id != message.id:
            _attach(session, message, target_id)
    if message.external_id:
        for row in session.scalars(_waiting_for(message)).all():
            _attach(session, row, message.id)


def by_external_id(session: Session, sender_id: int | None, external_id: str) -> int | None:
    """The message that a sender's provider knows under this id, ours or the customer's."""
    own = select(Message.id).where(Message.sender_id == sender_id, Message.external_id == external_id)
    found = session.scalar(own)
    if found is not None:
        return found
    part = select(Part.message_id).where(Part.sender_id == sender_id, Part.external_id == external_id)
    return session.scalar(part)


def link_orphans(session: Session) -> int:
    """Links what referred to a message that got its id at the same moment, or later; returns how many."""
    recent = clock.now() - LOOK_BACK
    waiting = (
        select(Message, Part.message_id)
        .join(Part, (Part.sender_id == Message.sender_id) & (Part.external_id == Message.about_external_id))
        .where(Message.about_id.is_(None), Message.about_external_id.is_not(None), Message.created_at > recent)
        .order_by(Message.id)
        .limit(AT_ONCE)
    )
    found = session.execute(waiting).all()
    for message, target_id in found:
        _attach(session, message, target_id)
    return len(found)


def _waiting_for(message: Message) -> Select[Message]:
    return select(Message).where(
        Message.sender_id == message.sender_id,
        Message.about_external_id == message.external_id,
        Message.about_id.is_(None),
        Message.id != message.id,
    )


def _attach(session: Session, message: Message, target_id: int) -> None:
    message.about_id = target_id
    changes = message.about_relation in (Relation.EDIT, Relation.DELETION)
    wanted = select(Message).where(Message.id == target_id).execution_options(populate_existing=True)
    target = session.scalars(wanted.with_for_update(of=Message) if changes else wanted).one()
    message.about_text = message.about_text or telling.brief(target)
    if not changes:
        return
    at = message.provider_at or message.created_at
    # The latest word, in whatever order they are heard.
    if message.about_relation == Relation.EDIT:
        target.edited_at = max(filter(None, (target.edited_at, at)))
    else:
        target.deleted_at = max(filter(None, (target.deleted_at, at)))
    session.flush()
