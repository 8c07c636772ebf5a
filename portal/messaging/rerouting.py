"""Messages that wait for a sender which does not answer, or which was switched away from, are led to another one.

Only what no call has taken: an outcome that nobody knows stays where it is, and so does a message of which a part is
out. Each message is held for a moment and released, so that it is routed, checked, cut and priced anew like any other.
"""

from collections.abc import Sequence
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from portal import clock
from portal.database import Database
from portal.messaging import choosing, routing
from portal.messaging.held import hold_conversation
from portal.messaging.locks import lock_conversation
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
from portal.queue.jobs import SEND

AT_ONCE, ROUNDS = 200, 10
Place = tuple[int, datetime, int]
# How far a queue was looked through: what cannot move must not keep what stands behind it from being looked at.
_left_off: WeakKeyDictionary[Database, dict[str, Place]] = WeakKeyDictionary()


def lead_away(database: Database) -> int:
    """Looks for such messages and has them routed again; returns in how many conversations."""
    with database.read() as session:
        left = [each for each in _left(session) if _has_other(session, each)]
        gates = {sender_gate(each.id, each.account_key) for each in left}
    places, ids = _left_off.setdefault(database, {}), {each.id for each in left}
    for gone in set(places) - gates:
        del places[gone]
    # The first of each queue every time, for they are the most urgent; then where it was left off.
    return sum(_lead_queue(database, gate, ids, places) for gate in sorted(gates))


def _lead_queue(database: Database, gate: str, left: set[int], places: dict[str, Place]) -> int:
    moved, tried = 0, set[int]()
    begin, going_on = None, places.pop(gate, None)
    for _ in range(ROUNDS):
        before = len(tried)
        led, end = _lead_some(database, gate, left, begin, tried)
        moved += led
        if end is None:
            return moved  # that was all of it
        begin, going_on, first = max(end, going_on or end), None, going_on is not None
        if not led and not first and len(tried) > before:
            break  # else all of these are other sub-accounts'
    if begin is not None:
        places[gate] = begin
    return moved


def _lead_some(
    database: Database, gate: str, left: set[int], begin: Place | None, tried: set[int]
) -> tuple[int, Place | None]:
    """In how many conversations, and where the queue goes on; None at its end."""
    with database.read() as session:
        waiting, end = _waiting(session, gate, left, begin)
    led = 0
    for conversation_id in waiting:
        if conversation_id in tried:
            continue
        tried.add(conversation_id)
        with database.write() as session:
            led += _lead(session, conversation_id, left)
    return led, end


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


def _waiting(session: Session, gate: str, left: set[int], begin: Place | None) -> tuple[Sequence[int], Place | None]:
    """Conversations with messages among the next in the gate's queue, and where it goes on: the queue is short where
    messages flow, and holds everything that waits where they do not."""
    order = Job.priority, Job.run_at, Job.id  # that of its index: no more than these are looked at
    due = select(Job.kind, Job.subject, *order).where(Job.pool == SEND, Job.gate == gate)
    if begin is not None:
        known = [literal(each, column.type) for each, column in zip(begin, order, strict=True)]
        due = due.where(tuple_(*order) > tuple_(*known))
    jobs = session.execute(due.order_by(*order).limit(AT_ONCE)).all()
    single = [row.subject for row in jobs if row.kind == "send"]
    calls = [row.subject for row in jobs if row.kind == "send_bulk"]
    theirs = Message.sender_id.in_(left), *_may_move()
    wanted = select(Message.conversation_id).join(Part, Part.message_id == Message.id).where(*theirs)
    # One after the other: each has its index.
    ids = (Part.id.in_(single), single), (Part.bulk_call_id.in_(calls), calls)
    found = [each for which, any_ in ids if any_ for each in session.scalars(wanted.where(which))]
    end = (jobs[-1].priority, jobs[-1].run_at, jobs[-1].id) if len(jobs) == AT_ONCE else None
    return list(dict.fromkeys(found)), end


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
    # Also back to its own sender, that is well again, from a stand-in that is not.
    return f"{choice.reason}." if choice.instead_of is not None else f"It goes another way: {choice.reason}."
