"""What only a person decides about a message."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import InvalidInput, NotFound
from portal.messaging.outbound import push_status
from portal.messaging.receipts import move_credits
from portal.messaging.statuses import SENTENCES, move_message, move_part
from portal.models import Conversation, Direction, EntryKind, LedgerEntry, Message, Part, Status
from portal.queue.jobs import drop

CANCELLABLE = (Status.QUEUED, Status.HELD)
DETAIL = "It was cancelled in the portal before it went out."


def may_cancel(message: Message) -> bool:
    """Is the message still here, so that it can be taken back?"""
    return message.direction == Direction.OUT and message.status in CANCELLABLE


def cancel(session: Session, message_id: int, who: str) -> Message:
    """Takes a message back that has not gone out: its credits are free again, and HighLevel is told.

    The fence locks the same row before a provider is called, so either this or the call comes first, never both.
    Raises `NotFound`, or `InvalidInput` when it is too late.
    """
    locked = select(Message).where(Message.id == message_id).with_for_update(of=Message)
    message = session.scalar(locked.execution_options(populate_existing=True))
    if message is None:
        raise NotFound("There is no such message.")
    own = select(Part).where(Part.message_id == message_id).execution_options(populate_existing=True)
    parts = session.scalars(own.order_by(Part.number)).all()
    if not may_cancel(message) or any(part.status not in CANCELLABLE for part in parts):
        raise InvalidInput(f"It is too late to cancel this message. {SENTENCES[Status(message.status)]}")
    paid = session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == f"{EntryKind.HOLD}:{message.id}")) is not None
    for part in parts:
        move_part(session, part, Status.CANCELLED, who=who, detail=DETAIL)
        if paid:  # a message that was held for want of credits has none to give back
            move_credits(session, part, DETAIL)
    drop(session, "send", [part.id for part in parts])
    move_message(session, message, Status.CANCELLED, who=who, code="cancelled", detail=DETAIL)
    push_status(session, message)
    session.flush()
    _let_go(session, message.conversation_id)
    return message


def _let_go(session: Session, conversation_id: int) -> None:
    """A conversation with nothing held any more must not hold what comes next."""
    held = select(Message.id).where(Message.conversation_id == conversation_id, Message.status == Status.HELD)
    if session.scalar(held.limit(1)) is None:
        session.get_one(Conversation, conversation_id, with_for_update=True).held_reason = ""
