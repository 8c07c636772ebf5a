"""Row locks of the domain, in the one order that keeps two transactions from waiting for each other.

Conversation, then its messages by id, then the wallet. A step may be left out, never taken back. What an ORM session
has read before it had the lock may be old, so everything here is read afresh.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import Conversation, Message, Part

_FRESH = {"populate_existing": True}


def lock_conversation(session: Session, conversation_id: int) -> Conversation:
    """The conversation's row, locked for this transaction."""
    wanted = select(Conversation).where(Conversation.id == conversation_id).with_for_update()
    return session.scalars(wanted.execution_options(**_FRESH)).one()


def lock_whole(session: Session, message_id: int) -> tuple[Conversation, Message]:
    """A message with its parts, and before it its conversation. Raises `NotFound`."""
    where = select(Message.conversation_id).where(Message.id == message_id)
    while (conversation_id := session.scalar(where)) is not None:
        conversation = lock_conversation(session, conversation_id)
        message = lock_message(session, message_id)
        if message.conversation_id == conversation.id:
            return conversation, message
        # Two rows of one contact became one between the two statements.
    raise NotFound("There is no such message.")


def lock_message(session: Session, message_id: int) -> Message:
    """A message with its parts; for what touches no conversation."""
    wanted = select(Message).where(Message.id == message_id).with_for_update(of=Message)
    message = session.scalars(wanted.execution_options(**_FRESH)).one()
    parts = select(Part).where(Part.message_id == message_id).order_by(Part.number)
    session.scalars(parts.execution_options(**_FRESH)).all()
    session.refresh(message, ["parts"])
    return message
