"""Messages that wait for a sender which does not answer, or which was switched away from, are led to another one.

Only what no call has taken: an outcome that nobody knows stays where it is, and so does a message of which a part is
out. Each message is held for a moment and released, so that it is routed, checked, cut and priced anew like any other.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.database import Database
from portal.messaging import choosing, routing
from portal.messaging.locks import lock_conversation
from portal.messaging.outbound import hold_conversation
from portal.messaging.releasing import release_conversations
from portal.models import (
    Conversation,
    FailoverPolicy,
    Gate,
    Job,
    Location,
    Message,
    Part,
    Sender,
    SenderState,
    SenderSwitch,
    Status,
)
from portal.queue.gates import PROBE_AFTER, sender_gate

AT_ONCE, ROUNDS = 200, 10


def lead_away(database: Database) -> int:
    """Looks for such messages and has them routed again; returns in how many conversations."""
    moved = 0
    for _ in range(ROUNDS):
        with database.read() as session:
            left = [each for each in _left(session) if _has_other(session, each)]
            waiting = _waiting(session, left) if left else []
        led = 0
        for conversation_id in waiting:
            with database.write() as session:
                led += _lead(session, conversation_id, {each.id for each in left})
        moved += led
        if not led or len(waiting) < AT_ONCE // 2:
            break
    return moved


def _left(session: Session) -> Sequence[Sender]:
    """Senders that others may stand in for, now: shut by faults under such a policy, or switched away from."""
    moment = clock.now()
    shut = set(session.scalars(select(Gate.key).where(Gate.failures >= PROBE_AFTER, Gate.blocked_until > moment)))
    found: list[Sender] = []
    if shut:
        accounts = [key.removeprefix("account:") for key in shut if key.startswith("account:")]
        own = [int(key.removeprefix("sender:")) for key in shut if key.startswith("sender:")]
        ill = select(Sender).join(Location, Location.id == Sender.location_id)
        ill = ill.where(or_(Sender.account_key.in_(accounts), Sender.id.in_(own)))
        ill = ill.where(Location.failover == FailoverPolicy.SAME_CHANNEL, Sender.state != SenderState.REMOVED)
        found += [each for each in session.scalars(ill) if sender_gate(each.id, each.account_key) in shut]
    standing = SenderSwitch.ended_at.is_(None), or_(SenderSwitch.until.is_(None), SenderSwitch.until > moment)
    switched = select(Sender).join(SenderSwitch, SenderSwitch.from_id == Sender.id).where(*standing)
    known = {each.id for each in found}
    return found + [each for each in session.scalars(switched) if each.id not in known]


def _has_other(session: Session, sender: Sender) -> bool:
    """Is there anybody who is well and may stand in? Else nothing needs to be looked at, message by message."""
    place = sender.location
    wide = place.family_stands_in or sender.id in choosing.switches(session, place.id)
    for each in choosing.candidates(session, place):
        near = each.family == sender.family and (wide or each.channel == sender.channel)
        if near and each.well and each.id != sender.id:
            return True
    return False


def _waiting(session: Session, left: Sequence[Sender]) -> Sequence[int]:
    """Conversations with messages in the queues of these senders, as far as their gates tell: the queue is short
    where messages flow, and holds everything that waits where they do not."""
    gates = {sender_gate(each.id, each.account_key) for each in left}
    due = Job.pool == "send", Job.gate.in_(gates)
    named = *_may_move(), Message.sender_id.in_([each.id for each in left])
    waiting = select(Message.conversation_id).join(Part, Part.message_id == Message.id).where(*named)
    single = waiting.join(Job, Job.subject == Part.id).where(*due, Job.kind == "send").limit(AT_ONCE)
    bulk = waiting.join(Job, Job.subject == Part.bulk_call_id).where(*due, Job.kind == "send_bulk").limit(AT_ONCE)
    # No order and no DISTINCT: they would make the database look at all that waits.
    found = [*session.scalars(single), *session.scalars(bulk)]
    return list(dict.fromkeys(found))


def _may_move() -> tuple[ColumnElement[bool], ...]:
    later = or_(Message.scheduled_at.is_(None), Message.scheduled_at <= clock.now())
    return Message.status == Status.QUEUED, later


def _lead(session: Session, conversation_id: int, left: set[int]) -> bool:
    conversation = lock_conversation(session, conversation_id)
    wanted = select(Message).where(
        Message.conversation_id == conversation.id, Message.sender_id.in_(left), *_may_move()
    )
    messages = session.scalars(wanted.order_by(Message.position, Message.id).with_for_update()).all()
    for message in messages:
        if not _untouched(message):
            continue
        reason = _better(session, conversation, message)
        if reason:
            hold_conversation(session, message, reason)
            release_conversations(session, conversation.location_id, [conversation.id])
            return True
    return False


def _untouched(message: Message) -> bool:
    """No part of it is out, or may be."""
    return all(part.status == Status.QUEUED and part.external_id is None for part in message.parts)


def _better(session: Session, conversation: Conversation, message: Message) -> str:
    """Why another sender is to take it, in words; "" when it had best stay."""
    location = session.get_one(Location, message.location_id)
    choice = choosing.route(session, location, conversation, message)
    if choice.verdict is not routing.Verdict.SEND or choice.sender_id == message.sender_id:
        return ""
    return f"{choice.reason}." if choice.instead_of is not None else ""
