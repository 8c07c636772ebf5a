"""What a person holds back stays here, whatever else would let it go, until a person lets it go or its time is over."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.errors import InvalidInput
from portal.messaging.held import held_by, hold_conversation
from portal.messaging.locks import lock_whole
from portal.messaging.releasing import release_conversations
from portal.messaging.statuses import SENTENCES
from portal.models import Direction, Message, Status, StatusChange

HERE = (Status.QUEUED, Status.HELD)
HELD, RELEASED = "held back", "let go"


def why_not_held(message: Message) -> str:
    """Why a person cannot hold the message back, in a sentence; "" when they can."""
    if message.direction != Direction.OUT:
        return "Only what is to go out can be held back."
    if message.status not in HERE or any(part.status not in HERE for part in message.parts):
        return f"It is too late to hold this message back. {SENTENCES[Status(message.status)]}"
    return f"{message.held_by} holds it back already." if message.held_by else ""


def hold(session: Session, message_id: int, who: str) -> Message:
    """Holds a message back, and with it what comes later in its conversation. Its time goes on.

    The fence locks the same rows before a provider is called. Raises `NotFound`, or `InvalidInput` when it is too late.
    """
    conversation, message = lock_whole(session, message_id)
    if why := why_not_held(message):
        raise InvalidInput(why)
    message.held_by = who[:128]
    if message.status == Status.HELD:
        message.reason = held_by(message)
        conversation.held_reason = conversation.held_reason or message.reason
        _note(session, message, who, HELD, message.reason)
    else:
        hold_conversation(session, message, held_by(message))
    session.flush()
    return message


def why_not_released(message: Message) -> str:
    """Why there is nothing to let go, in a sentence; "" when there is."""
    if message.direction == Direction.OUT and message.status == Status.HELD:
        return ""
    return f"It is not held. {SENTENCES[Status(message.status)]}"


def release(session: Session, message_id: int, who: str) -> Message:
    """Lets a held message go, as far as nothing else holds it; its conversation is tried in order.

    Raises `NotFound`, or `InvalidInput` when it is not held.
    """
    place = session.execute(
        select(Message.location_id, Message.conversation_id).where(Message.id == message_id)
    ).first()
    if place is not None:
        # The job before the conversation: a conversation that is being released takes them in this order too.
        release_conversations(session, place.location_id, [place.conversation_id])
    _, message = lock_whole(session, message_id)
    if why := why_not_released(message):
        raise InvalidInput(why)
    if message.held_by:
        message.held_by = ""
        _note(session, message, who, RELEASED, "Nobody holds it back any more.")
    session.flush()
    return message


def _note(session: Session, message: Message, who: str, code: str, detail: str) -> None:
    """A word of a person's in the history, which moves nothing."""
    same = {"before": message.status, "after": message.status}
    session.add(StatusChange(message_id=message.id, **same, who=who[:80], code=code, detail=detail, at=clock.now()))
