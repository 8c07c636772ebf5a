"""Messages that wait for a sender which does not answer, or which was switched away from, are led to another one.

Only what no call has taken: an outcome that nobody knows stays where it is, and so does a message of which a part is
out. Each message is held for a moment and released, so that it is routed, checked, cut and priced anew like any other.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select, union
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

AT_ONCE = 200


def lead_away(database: Database) -> int:
    """Looks for such messages and has them routed again; returns in how many conversations."""
    with database.read() as session:
        left = _left(session)
        waiting = _waiting(session, left) if left else []
    moved = 0
    for conversation_id in waiting:
        with database.write() as session:
            moved += _lead(session, conversation_id, {each.id for each in left})
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


def _waiting(session: Session, left: Sequence[Sender]) -> Sequence[int]:
    """Conversations with messages in the queues of these senders, as far as their gates tell: the queue is short
    where messages flow, and holds everything that waits where they do not."""
    gates = {sender_gate(each.id, each.account_key) for each in left}
    due = Job.pool == "send", Job.gate.in_(gates)
    single = select(Job.subject).where(*due, Job.kind == "send")
    bulk = select(Part.id).join(Job, Job.subject == Part.bulk_call_id).where(*due, Job.kind == "send_bulk")
    parts = union(single, bulk).subquery()
    found = (
        select(Message.conversation_id)
        .join(Part, Part.message_id == Message.id)
        .where(Part.id.in_(select(parts.c[0])), *_may_move(), Message.sender_id.in_([each.id for each in left]))
        .distinct()
        .limit(AT_ONCE)
    )
    return session.scalars(found).all()


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
