"""Messages that are held here, and with the first of them what comes later in its conversation."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.messaging.locks import lock_conversation
from portal.messaging.statuses import move_message
from portal.models import Conversation, Direction, Message, Status
from portal.queue.jobs import SEND, drop, enqueue, job

LOOK_AGAIN = "look_again"


def hold(session: Session, conversation: Conversation, message: Message, reason: str) -> None:
    """Holds a message, and with it what comes later in the conversation.

    Whoever takes the reason away at this very moment does not see this message yet, so it would never be tried again:
    the first that a conversation holds is looked at once more when all can see it.
    """
    first, conversation.held_reason = not conversation.held_reason, reason
    if message.status == Status.HELD:
        message.reason = reason
        return
    move_message(session, message, Status.HELD, who="portal", detail=reason)
    if first:
        gate = release_gate(message.location_id)
        enqueue(session, [job(SEND, LOOK_AGAIN, message.id, f"look:{message.id}", gate=gate, priority=0)])


def release_gate(location_id: int) -> str:
    """What lets held messages of a location go is done one at a time: no location keeps all threads busy."""
    return f"release:{location_id}"


def held_by(message: Message) -> str:
    """That a person holds it back, in a sentence."""
    return f"{message.held_by} holds it back."


def let_go(session: Session, conversation_id: int) -> None:
    """A conversation with nothing held any more must not hold what comes next."""
    held = select(Message.id).where(Message.conversation_id == conversation_id, Message.status == Status.HELD)
    conversation = lock_conversation(session, conversation_id)
    if session.scalar(held.limit(1)) is None:
        conversation.held_reason = ""


def hold_conversation(session: Session, message: Message, reason: str) -> None:
    """Holds a message that was about to go out, and all that is queued behind it, under the same reason."""
    conversation = lock_conversation(session, message.conversation_id)
    waiting = session.scalars(
        select(Message)
        .where(
            Message.conversation_id == message.conversation_id,
            Message.direction == Direction.OUT,
            Message.status == Status.QUEUED,
            Message.position >= message.position,
        )
        .order_by(Message.position)
        .with_for_update()
    ).all()
    for each in waiting:
        hold(session, conversation, each, reason)
        drop(session, "send", [part.id for part in each.parts])
