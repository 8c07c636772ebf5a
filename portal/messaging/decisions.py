"""What only a person decides about a message."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.credits import ledger
from portal.errors import InvalidInput
from portal.messaging.charges import move_credits
from portal.messaging.held import let_go
from portal.messaging.locks import lock_whole
from portal.messaging.outbound import enqueue_parts, place, push_status
from portal.messaging.receipts import match_early_receipts
from portal.messaging.statuses import FINAL, RESTORED, SENTENCES, follow_parts, move_message, move_part
from portal.models import Conversation, Direction, Message, Part, Sender, Status, StatusChange
from portal.queue.jobs import drop

CANCELLABLE = (Status.QUEUED, Status.HELD)
AGAIN = "A person had it sent again, although the provider may have it."
GIVEN_UP = "A person decided that it did not go out."
WENT_OUT = "A person saw that it went out."
DETAIL = "It was cancelled in the portal before it went out."


def may_cancel(message: Message) -> bool:
    """Is the message still here, so that it can be taken back?"""
    return message.direction == Direction.OUT and message.status in CANCELLABLE


def cancel(session: Session, message_id: int, who: str, detail: str = DETAIL) -> Message:
    """Takes a message back that has not gone out: its credits are free again, and HighLevel is told.

    The fence locks the same row before a provider is called, so either this or the call comes first, never both.
    Raises `NotFound`, or `InvalidInput` when it is too late.
    """
    _, message = lock_whole(session, message_id)
    parts = message.parts
    if not may_cancel(message) or any(part.status not in CANCELLABLE for part in parts):
        raise InvalidInput(f"It is too late to cancel this message. {SENTENCES[Status(message.status)]}")
    for part in parts:
        move_part(session, part, Status.CANCELLED, who=who, detail=detail)
        move_credits(session, part, detail)
    drop(session, "send", [part.id for part in parts])
    move_message(session, message, Status.CANCELLED, who=who, code="cancelled", detail=detail)
    push_status(session, message)
    session.flush()
    let_go(session, message.conversation_id)
    return message


def may_decide(message: Message) -> bool:
    """Does a person have to say what becomes of the message?"""
    return message.direction == Direction.OUT and message.status == Status.UNKNOWN


def send_again(session: Session, message_id: int, who: str) -> Message:
    """A person takes the risk of a second copy: what the provider may have is sent again, under a new key.

    Raises `NotFound`, or `InvalidInput` when nothing about the message is unknown, or a part has failed for good.
    """
    conversation, message = _unknown(session, message_id)
    if any(part.status in FINAL for part in message.parts):
        raise InvalidInput("A part of it has failed for good, and the rest would be half a message: give it up.")
    for part in message.parts:
        if part.status == Status.UNKNOWN:
            if not ledger.hold_again(session, message.location_id, message.id, part.number, part.price, message.bulk):
                raise InvalidInput("There are not enough credits to send it again: top up first.")
            if part.code != RESTORED or not _keeps_keys(session, part):
                # Else the key of the restored backup may be the one it went out under: the provider may still know it.
                # One that keeps no keys names them in its reports: two calls under one key would be told apart by none.
                part.key_round += 1
            part.in_doubt = False
            move_part(session, part, Status.QUEUED, who=who, detail=AGAIN)
            part.code = ""
    follow_parts(session, message, who=who, detail=AGAIN)
    start = max(filter(None, (clock.now(), message.scheduled_at)))
    message.expires_at = start + timedelta(seconds=message.location.ttl_seconds)
    session.flush()
    drop(session, "send", [part.id for part in message.parts])
    if message.status == Status.QUEUED:
        place(session, message.location, conversation, message)
    else:
        # Some of it is out: the rest goes the same way, and waits there for a sender that is paused.
        enqueue_parts(session, conversation, message, session.get_one(Sender, message.sender_id))
    return message


def _keeps_keys(session: Session, part: Part) -> bool:
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    return sender is not None and registry.get(sender.channel).idempotent


def give_up(session: Session, message_id: int, who: str) -> Message:
    """A person decides that the message did not go out: it fails, its credits are free, HighLevel is told.

    A receipt that comes all the same is kept, and says so. Raises like `send_again`.
    """
    _, message = _unknown(session, message_id)
    for part in message.parts:
        if part.status in (Status.UNKNOWN, Status.QUEUED):
            move_part(session, part, Status.FAILED if part.status == Status.UNKNOWN else Status.CANCELLED, who=who)
            move_credits(session, part, GIVEN_UP)
    drop(session, "send", [part.id for part in message.parts])
    if not message.parts:  # it was restored from a backup as one that had no sender yet
        moved = move_message(session, message, Status.FAILED, who=who, code="given_up", detail=GIVEN_UP)
    else:
        moved = follow_parts(session, message, who=who, code="given_up", detail=GIVEN_UP)
    if moved:
        push_status(session, message)
    return message


def confirm(session: Session, message_id: int, who: str) -> Message:
    """A person knows that it went out, from the phone or the provider: it counts as accepted and is never sent again.

    Where the provider has reported just one message that it may be, that one's id is taken, so that receipts follow.
    Raises like `send_again`.
    """
    _, message = _unknown(session, message_id)
    unknown = [part for part in message.parts if part.status == Status.UNKNOWN]
    for part in unknown:
        part.external_id = part.external_id or _reported(session, part)
        part.accepted_at = part.accepted_at or clock.now()
        part.in_doubt, part.next_poll_at = False, None
        move_part(session, part, Status.ACCEPTED, who=who, detail=WENT_OUT)
        move_credits(session, part, WENT_OUT)
        session.flush()
    drop(session, "send", [part.id for part in unknown])
    if follow_parts(session, message, who=who, detail=WENT_OUT):
        push_status(session, message)
    for part in unknown:
        if part.external_id:
            match_early_receipts(session, part, "late match")
    return message


def _reported(session: Session, part: Part) -> str | None:
    """The id of the one message that the provider has reported to the chat (`mirroring`), if nobody else has it."""
    told = select(StatusChange.code).where(
        StatusChange.part_id == part.id, StatusChange.before == StatusChange.after, StatusChange.code != ""
    )
    ids = set(session.scalars(told))
    if len(ids) != 1:
        return None
    taken = select(Part.id).where(Part.sender_id == part.sender_id, Part.external_id.in_(ids))
    return None if session.scalar(taken.limit(1)) is not None else ids.pop()


def _unknown(session: Session, message_id: int) -> tuple[Conversation, Message]:
    conversation, message = lock_whole(session, message_id)
    if any(part.bulk_call_id is not None for part in message.parts):
        raise InvalidInput("The provider is still being asked about the bulk call that it was part of: wait for that.")
    if not may_decide(message):
        raise InvalidInput(f"There is nothing to decide about this message. {SENTENCES[Status(message.status)]}")
    return conversation, message
