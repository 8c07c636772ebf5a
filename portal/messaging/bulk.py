"""Bulk calls: one text for many recipients in one call, at most once like every other.

A bulk call has one idempotency key for all its recipients. While its outcome is unknown it is made again with exactly
the same recipients under the same key, and no part of it can go out by itself: the fence asks for the call it belongs
to. What the call refuses for certain goes its own way afterwards.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Accepted, ChannelError, Scope
from portal.channels.capabilities import SendsBulk, bulk_limit
from portal.channels.content import AddressKind, Kind
from portal.crypto import Vault
from portal.database import Database, is_away
from portal.http import HttpClient
from portal.messaging.accounts import Accounts
from portal.messaging.fence import KEY_LIFE, Pass, open_fence
from portal.messaging.outbound import enqueue_parts
from portal.messaging.outcomes import Result, clean_outcome
from portal.messaging.receipts import lock_part
from portal.messaging.results import write_results
from portal.messaging.statuses import follow_parts, move_part
from portal.models import BulkCall, Conversation, Gate, Message, Part, Sender, SenderState, Status
from portal.models.base import new_uuid
from portal.queue.gates import sender_gate
from portal.queue.jobs import SEND, Due, complete, enqueue, job, postpone
from portal.writer_lock import Door

log = logging.getLogger(__name__)

KIND = "send_bulk"
# Results are written so many at a time: on SQLite webhooks wait for each transaction.
WRITTEN_AT_ONCE = 25
LONGEST_WAIT = 60.0
WAIT = timedelta(seconds=10)
WHO = "portal"
INTERRUPTED = "The provider did not say what became of the bulk call: it may have gone out."


def plan(session: Session, vault: Vault, messages: Sequence[Message]) -> None:
    """Gives queued messages of one text their jobs: one for each bulk call, and one each where there is no bulk."""
    by_sender: dict[int, list[Message]] = {}
    for message in messages:
        if message.status == Status.QUEUED and message.sender_id is not None:
            by_sender.setdefault(message.sender_id, []).append(message)
    for sender_id, wanted in by_sender.items():
        sender = session.get_one(Sender, sender_id)
        most = bulk_limit(registry.get(sender.channel), vault.open_fields(sender.credentials))
        fit = [each for each in wanted if most > 1 and _fits(each)]
        calls = [fit[place : place + most] for place in range(0, len(fit), most)] if len(fit) > 1 else []
        for members in calls:
            _plan_call(session, sender, members)
        planned = {each.id for members in calls for each in members}
        _send_singly(session, [each for each in wanted if each.id not in planned])


def _fits(message: Message) -> bool:
    later = message.scheduled_at is not None and message.scheduled_at > clock.now()
    plain = len(message.parts) == 1 and message.parts[0].kind == Kind.TEXT and message.address_kind == AddressKind.PHONE
    return plain and not message.attachments and not message.about_external_id and not later


def _plan_call(session: Session, sender: Sender, members: Sequence[Message]) -> None:
    parts = [message.parts[0] for message in members]
    call = BulkCall(
        key=new_uuid(), sender_id=sender.id, members=sorted(part.id for part in parts), created_at=clock.now()
    )
    session.add(call)
    session.flush()
    for part in parts:
        part.bulk_call_id = call.id
    session.flush()
    row = job(
        SEND,
        KIND,
        call.id,
        f"bulk:{call.id}",
        gate=sender_gate(sender.id, sender.account_key),
        priority=members[0].priority,
    )
    enqueue(session, [row])


def _send_singly(session: Session, messages: Sequence[Message]) -> None:
    for message in messages:
        conversation = session.get_one(Conversation, message.conversation_id)
        enqueue_parts(session, conversation, message, session.get_one(Sender, message.sender_id))


class BulkOutbox:
    """Carries out `send_bulk` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts

    def send(self, due: Due) -> bool:
        """Makes one bulk call, or makes it again; True when nothing of it is in doubt any more."""
        with self._database.write(door=Door.CALL) as session:
            begun = _begin(session, due)
        if isinstance(begun, bool):
            return begun
        fault, results = self._call(due, begun)
        for place in range(0, len(results), WRITTEN_AT_ONCE):
            self._persist(partial(_write, results=results[place : place + WRITTEN_AT_ONCE]))
        return self._persist(partial(_end, due=due, fault=fault))

    def _call(self, due: Due, begun: "_Begun") -> tuple[ChannelError | None, list[Result]]:
        """The fault of the call as a whole, if it has one, and what it comes to for each recipient."""
        first = begun.passes[0]
        channel = registry.get(first.channel)
        counts, fault = False, None
        outcomes: dict[str, Accepted | ChannelError] = {}
        try:
            known = self._accounts.get(first.sender_id)
            counts = known.acceptance_counts
            assert isinstance(channel, SendsBulk)
            key = first.idempotency_key
            said = channel.send_bulk(self._http, known.account, begun.recipients, first.body, key)
            outcomes = {each.to: each.outcome for each in said}
        except ChannelError as error:
            log.warning("bulk call not accepted", extra={"code": error.code, "reason": error.message})
            fault = error
        except Exception as error:
            log.exception("bulk call failed")
            fault = ChannelError(f"The portal failed during the call: {type(error).__name__}.", unknown=True)
        results = []
        for passed in begun.passes:
            outcome = clean_outcome(outcomes.get(passed.to) or _for_one(fault))
            # A fault is counted once, however many recipients the call has.
            gate = due.gate if isinstance(outcome, Accepted) or passed is first else ""
            own = replace(due, id=0, subject=passed.part_id, gate=gate)
            results.append(Result(own, passed, outcome, False, channel.polls, counts, bulk=True))
        return fault, results

    def _persist(self, write: Callable[[Session], bool]) -> bool:
        """The call was made: what it came to must reach the disk, however long the database is away."""
        while True:
            try:
                with self._database.write(door=Door.CALL) as session:
                    return write(session)
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error):
                    raise
                log.warning("database away, results of a bulk call wait")
            time.sleep(1)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A call that may be made now. `recipients` are all of the call, also those whose outcome is known already."""

    passes: Sequence[Pass]
    recipients: Sequence[str]


def _write(session: Session, results: Sequence[Result]) -> bool:
    return bool(write_results(session, results, singly=True))


def _for_one(fault: ChannelError | None) -> ChannelError:
    if fault is None:
        return ChannelError("The provider's answer does not speak of this number.", code="silent", unknown=True)
    if fault.unknown or _whole_again(fault):
        return fault
    # Refused as a whole, for one number's sake perhaps: each is asked for by itself, and gets its own verdict.
    return ChannelError(fault.message, code=fault.code, retry=True)


def _whole_again(fault: ChannelError) -> bool:
    return fault.retry and fault.scope is Scope.SENDER and not fault.stops


def _begin(session: Session, due: Due) -> _Begun | bool:
    """Opens the fence for the call; else what the lane may do: True when there is nothing to call, False to wait."""
    call = session.get(BulkCall, due.subject, with_for_update=True, populate_existing=True)
    if call is None or not call.members:
        complete(session, [due.id])
        return True
    passes = _first(session, call) if call.begun_at is None else _again(session, call)
    if passes is None:
        postpone(session, due, clock.now() + WAIT, "a recipient or the sender is held back")
        return False
    if not passes:
        complete(session, [due.id])
        return True
    addresses = {row.id: row.address for row in session.execute(_ADDRESSES, {"ids": call.members})}
    return _Begun(passes, [addresses[part_id] for part_id in call.members])


def _first(session: Session, call: BulkCall) -> list[Pass]:
    """Whoever the fence lets through belongs to the call from now on; the others go their own way."""
    passes = open_fence(session, call.members, call)
    _part_from(session, call, [part_id for part_id in call.members if part_id not in passes])
    call.members = [part_id for part_id in call.members if part_id in passes]
    call.begun_at = clock.now()
    return list(passes.values())


def _again(session: Session, call: BulkCall) -> list[Pass] | None:
    """Those whose outcome is unknown; None to wait. All of them or none: the same key means the same recipients."""
    asked = select(Part.id).where(Part.bulk_call_id == call.id, Part.status.in_((Status.SENDING, Status.UNKNOWN)))
    wanted = session.scalars(asked.order_by(Part.id)).all()
    sender = session.get_one(Sender, call.sender_id)
    if not wanted or not registry.get(sender.channel).idempotent or _too_old(call) or not _there(sender):
        _part_from(session, call, call.members)
        return []
    attempt = session.begin_nested()
    passes = open_fence(session, wanted, call)
    if len(passes) < len(wanted):
        attempt.rollback()
        return None
    return list(passes.values())


def _too_old(call: BulkCall) -> bool:
    return call.begun_at is None or call.begun_at < clock.now() - KEY_LIFE


def _there(sender: Sender) -> bool:
    return sender.state != SenderState.REMOVED


def _part_from(session: Session, call: BulkCall, part_ids: Sequence[int]) -> None:
    """These parts stand alone from now on: those that wait get a job each, those in doubt wait for a person."""
    for part_id in part_ids:
        message_id = session.scalar(select(Part.message_id).where(Part.id == part_id))
        if message_id is None:
            continue
        part = lock_part(session, message_id, part_id)
        part.bulk_call_id = None
        if part.status == Status.SENDING and move_part(session, part, Status.UNKNOWN, who=WHO, detail=INTERRUPTED):
            follow_parts(session, part.message, who=WHO, detail=INTERRUPTED)
        session.flush()
        if part.status == Status.QUEUED and part.message.status == Status.QUEUED:
            _send_singly(session, [part.message])


def _end(session: Session, due: Due, fault: ChannelError | None) -> bool:
    """After the results are written: is the call over, is it made again as it was, or anew?"""
    call = session.get_one(BulkCall, due.subject, with_for_update=True, populate_existing=True)
    states = dict(session.execute(_STATES, {"ids": call.members}).all())
    if fault is not None and any(state in (Status.SENDING, Status.UNKNOWN) for state in states.values()):
        delay = fault.retry_after or min(2.0 ** min(due.attempts + 1, 6), LONGEST_WAIT)
        postpone(session, due, clock.now() + timedelta(seconds=delay), fault.message)
        return False
    if fault is not None and _whole_again(fault):
        gone = [part_id for part_id in call.members if states.get(part_id) != Status.QUEUED]
        _part_from(session, call, gone)
        call.members = [part_id for part_id in call.members if part_id not in gone]
        call.round, call.begun_at = call.round + 1, None
        gate = session.get(Gate, due.gate, populate_existing=True)
        until = (gate.blocked_until if gate else None) or clock.now() + timedelta(seconds=2)
        postpone(session, due, until, fault.message)
        return False
    _part_from(session, call, call.members)
    complete(session, [due.id])
    return True


_ids: BindParameter[list[int]] = bindparam("ids", expanding=True)
_ADDRESSES = select(Part.id, Message.address).join(Message, Message.id == Part.message_id).where(Part.id.in_(_ids))
_STATES = select(Part.id, Part.status).where(Part.id.in_(_ids))
