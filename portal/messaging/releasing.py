"""Letting held messages go: conversation by conversation and in order, each in a transaction of its own.

Whoever changes what held them (a default, a sender, an installation) leaves one job for the location in the same
transaction, and has nothing to wait for. That job leaves one for each conversation. Both take themselves out of the
queue before they look at anything: what is asked for while they look becomes a job of its own.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, true, update
from sqlalchemy.orm import Session

from portal.alerts import notices
from portal.credits import refusals
from portal.messaging import routing
from portal.messaging.choosing import route
from portal.messaging.held import release_gate
from portal.messaging.locks import lock_conversation
from portal.messaging.outbound import place
from portal.models import Conversation, InstallState, Location, Message, Status
from portal.queue.jobs import GHL, SEND, Due, complete, job, request

# So many messages of one conversation share a transaction.
AT_ONCE = 100
# Spelled out for the partial index: a parameter would hide it from the planner.
HELD = Message.held == true()


def release_held(session: Session, location_id: int) -> int:
    """Has what is held in a location tried again; returns how many messages that is."""
    request(session, [job(GHL, "release_held", location_id, f"release:location:{location_id}", priority=0)])
    held = select(func.count()).select_from(Message).where(HELD, Message.location_id == location_id)
    return session.scalar(held) or 0


def release_location(session: Session, due: Due) -> int:
    """Gives every conversation of the location that holds messages a job; returns how many."""
    complete(session, [due.id])
    held = (
        select(Message.conversation_id)
        .where(HELD, Message.location_id == due.subject)
        .group_by(Message.conversation_id)
        .order_by(func.min(Message.position))
    )
    found = session.scalars(held).all()
    release_conversations(session, due.subject, found)
    return len(found)


def release_conversations(session: Session, location_id: int, ids: Sequence[int]) -> None:
    """Has conversations of one location tried again."""
    gate = release_gate(location_id)
    request(session, [job(SEND, "release", id_, f"release:{id_}", gate=gate, priority=0) for id_ in ids])


def release_conversation(session: Session, due: Due) -> int:
    """Places the held messages of a conversation again, in order, up to the first that has to stay.

    Returns how many are on their way.
    """
    complete(session, [due.id])
    conversation = lock_conversation(session, due.subject)
    while conversation.merged_into_id is not None:  # what was held in it is held there
        conversation = lock_conversation(session, conversation.merged_into_id)
    location = session.get_one(Location, conversation.location_id)
    held = (
        select(Message).where(HELD, Message.conversation_id == conversation.id).order_by(Message.position, Message.id)
    )
    messages = session.scalars(held.limit(AT_ONCE + 1).with_for_update()).all()
    before, conversation.held_reason = conversation.held_reason, ""
    for message in messages[:AT_ONCE]:
        place(session, location, conversation, message)
        if message.status == Status.HELD:
            break
    session.flush()
    if len(messages) > AT_ONCE and not conversation.held_reason:
        conversation.held_reason = before  # what comes in meanwhile stays behind
        release_conversations(session, location.id, [conversation.id])
    _same_reason(session, conversation)
    _close_alert(session, location, before)
    return sum(message.status == Status.QUEUED for message in messages)


def look_again(session: Session, due: Due) -> int | None:
    """Has a conversation tried again whose message was held while what holds it went away; its id when it was so."""
    complete(session, [due.id])
    message = session.get(Message, due.subject)
    if message is None or message.status != Status.HELD or not may_go(session, message.conversation_id):
        return None
    release_conversations(session, message.location_id, [message.conversation_id])
    return message.conversation_id


def may_go(session: Session, conversation_id: int) -> bool:
    """Is what holds the conversation's first held message gone? Only looks, and locks nothing."""
    held = select(Message).where(HELD, Message.conversation_id == conversation_id)
    message = session.scalar(held.order_by(Message.position, Message.id).limit(1))
    if message is None or message.held_by or message.location.install_state != InstallState.INSTALLED:
        return False
    if route(session, message.location, message.conversation, message).verdict is routing.Verdict.HOLD:
        return False
    if message.reason not in refusals.ALL or message.funded:
        return True
    return not refusals.why(session, message.location_id, message.credits, message.bulk)


def _same_reason(session: Session, conversation: Conversation) -> None:
    """What waits behind a held message waits for the same reason."""
    if conversation.held_reason:
        behind = update(Message).where(HELD, Message.conversation_id == conversation.id)
        session.execute(behind.values(reason=conversation.held_reason))


def _close_alert(session: Session, location: Location, before: str) -> None:
    if before != routing.CHOOSE_DEFAULT:
        return
    same = select(Message.id).where(HELD, Message.location_id == location.id, Message.reason == before)
    if session.scalar(same.limit(1)) is None:
        notices.close_alert(session, notices.CHOOSE_DEFAULT, location.ghl_id)
