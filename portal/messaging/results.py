"""Writing what a provider call came to, many calls in one transaction: status, history, credits, the next jobs.

Every write names its attempt, so that a call that ends after another took its place changes nothing but its own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import SENDER_FAULT, close_alert, raise_alert
from portal.channels.base import Accepted, ChannelError, Scope
from portal.credits import ledger
from portal.database import insert as insert_row
from portal.database import padded
from portal.messaging import at_once
from portal.messaging.charges import move_credits
from portal.messaging.fence import Pass
from portal.messaging.outbound import hold_conversation, push_status
from portal.messaging.receipts import lock_part, match_early_receipts
from portal.messaging.statuses import follow_parts, move_part
from portal.models import Attempt, Job, Message, Part, ReceiptRow, Sender, Status, StatusChange
from portal.models.base import UtcDateTime
from portal.queue import gates
from portal.queue.jobs import SEND, Due, complete, drop, enqueue, job, postpone

# A message whose own fault keeps it from going out lets the rest of its conversation pass after this.
STEP_ASIDE = timedelta(seconds=60)
# Longer than a lease and a call: a process that was killed in the middle has its call repeated in its place.
DOUBT_ASIDE = timedelta(seconds=120)
FIRST_POLL = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Result:
    """One ended call: what came back, or the error, and the job that made it."""

    due: Due
    passed: Pass
    outcome: Accepted | ChannelError
    idempotent: bool
    polls: bool
    acceptance_counts: bool

    @property
    def simple(self) -> bool:
        """A one-part message that was accepted: the path that nearly every message takes."""
        return isinstance(self.outcome, Accepted) and self.passed.parts == 1 and not self.acceptance_counts


def write_results(session: Session, results: Sequence[Result], *, singly: bool = False) -> dict[int, bool]:
    """Writes the results; by job id, whether the lane may go on to its next job.

    Raises `IntegrityError` when they cannot be written together; `singly` then looks at each by itself.
    """
    ordered = sorted(results, key=lambda each: each.passed.message_id)
    if singly or not all(each.simple for each in results):
        _lock(session, ordered)
    simple = [] if singly else [each for each in ordered if each.simple]
    accepted = _accept_simple(session, simple) if simple else set()
    go_on = dict.fromkeys((each.due.id for each in simple if each.passed.part_id in accepted), True)
    for each in ordered:
        if each.passed.part_id in accepted:
            continue
        go_on[each.due.id] = _write_one(session, each)
    well = {each.due.gate for each in results if each.due.gate and isinstance(each.outcome, Accepted)}
    if gates.reopen(session, sorted(well)):
        for gate in well:
            close_alert(session, SENDER_FAULT, gate)
    return go_on


def _lock(session: Session, results: Sequence[Result]) -> None:
    """What the results will change, in the order that everybody keeps: one by one they would lock it as they come."""
    gates.lock(session, {each.due.gate for each in results if each.due.gate})
    ids = [each.passed.message_id for each in results]
    session.execute(select(Message.id).where(Message.id.in_(padded(ids))).order_by(Message.id).with_for_update()).all()
    ledger.lock(session, {each.passed.location_id for each in results})


def _accept_simple(session: Session, results: Sequence[Result]) -> set[int]:
    """Accepts one-part messages in few statements; returns the parts whose rows were as expected.

    The others had a receipt that was quicker, or another process that took over: each is looked at by itself.
    """
    moment = clock.now()
    if session.get_bind().dialect.name == "postgresql":
        accepted = at_once.accept(session, [_row(session, each, moment) for each in results], moment)
    else:
        accepted = _accept_in_turn(session, results, moment)
    _match_early(session, [each for each in results if each.passed.part_id in accepted])
    return accepted


def _accept_in_turn(session: Session, results: Sequence[Result], moment: datetime) -> set[int]:
    connection = session.connection()
    moved = [each for each in results if connection.execute(_ACCEPT, _acceptance(each, moment)).rowcount]
    if moved:
        ids = padded([each.passed.message_id for each in moved])
        connection.execute(_ACCEPT_MESSAGES, {"ids": ids, "moment": moment})
        connection.execute(_CHANGES, [_change(each, moment) for each in moved])
        connection.execute(_ATTEMPTS, [_attempt(each, moment) for each in moved])
        ledger.settle_new(session, [(each.passed.location_id, _settlement(each)) for each in moved])
        connection.execute(_DONE, {"ids": padded([each.due.id for each in moved])})
    return {each.passed.part_id for each in moved}


def _row(session: Session, result: Result, moment: datetime) -> dict[str, object]:
    """The result as `at_once.accept` wants it."""
    passed, values = result.passed, _acceptance(result, moment)
    settled = ledger.settle(
        ledger.known_wallet(session, passed.location_id), passed.message_id, passed.number, passed.price
    )
    return {
        "part": passed.part_id,
        "message": passed.message_id,
        "job": result.due.id,
        "attempt": passed.attempt,
        "external_id": values["b_external"],
        "code": values["b_code"],
        "segments": values["b_segments"],
        "next_poll_at": values["b_poll"],
        "who": passed.channel,
        "sender": passed.sender_id,
        "idempotency_key": passed.idempotency_key,
        "started_at": passed.started_at,
        "wallet": settled.wallet_id,
        "ledger_key": settled.key,
        "price": passed.price,
    }


def _acceptance(result: Result, moment: datetime) -> dict[str, object]:
    accepted = _accepted(result)
    return {
        "b_id": result.passed.part_id,
        "b_attempt": result.passed.attempt,
        "b_external": accepted.external_id[:200] or None,
        "b_code": accepted.code[:64],
        "b_segments": accepted.segments or result.passed.segments,
        "b_poll": moment + FIRST_POLL if result.polls and accepted.external_id else None,
        "b_now": moment,
    }


_ACCEPT = (
    update(Part.__table__)  # type: ignore[arg-type]
    .where(
        Part.id == bindparam("b_id"),
        Part.attempt == bindparam("b_attempt"),
        Part.status == Status.SENDING,
    )
    .values(
        status=Status.ACCEPTED,
        external_id=bindparam("b_external"),
        accepted_at=bindparam("b_now"),
        code=bindparam("b_code"),
        segments=bindparam("b_segments"),
        next_poll_at=bindparam("b_poll"),
        detail="",
    )
)
_ACCEPT_MESSAGES = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(Message.id.in_(bindparam("ids", expanding=True)))
    .values(
        status=Status.ACCEPTED,
        status_at=bindparam("moment", type_=UtcDateTime()),
        reason="",
        error_code="",
    )
)
_CHANGES = insert(StatusChange.__table__)  # type: ignore[arg-type]
_ATTEMPTS = insert(Attempt.__table__)  # type: ignore[arg-type]
_DONE = delete(Job.__table__).where(Job.id.in_(bindparam("ids", expanding=True)))  # type: ignore[arg-type]


def _settlement(result: Result) -> ledger.Settlement:
    passed = result.passed
    return ledger.Settlement(passed.message_id, passed.number, passed.price)


def _accepted(result: Result) -> Accepted:
    assert isinstance(result.outcome, Accepted)
    return result.outcome


def _change(result: Result, moment: datetime) -> dict[str, object]:
    return {
        "message_id": result.passed.message_id,
        "before": Status.SENDING.value,
        "after": Status.ACCEPTED.value,
        "who": result.passed.channel,
        "code": _accepted(result).code[:64],
        "detail": "",
        "at": moment,
    }


def _attempt(result: Result, moment: datetime) -> dict[str, object]:
    outcome, passed = result.outcome, result.passed
    return {
        "part_id": passed.part_id,
        "number": passed.attempt,
        "sender_id": passed.sender_id,
        "idempotency_key": passed.idempotency_key,
        "started_at": passed.started_at,
        "ended_at": moment,
        "outcome": _outcome_word(outcome),
        "code": outcome.code[:64],
        "detail": "" if isinstance(outcome, Accepted) else outcome.message[:500],
    }


def _outcome_word(outcome: Accepted | ChannelError) -> str:
    if isinstance(outcome, Accepted):
        return "accepted"
    return "unknown" if outcome.unknown else "refused"


def _match_early(session: Session, results: Sequence[Result]) -> None:
    if not results:
        return
    ids = [_accepted(each).external_id[:200] for each in results]
    early = set(session.connection().scalars(_EARLY, {"ids": padded(ids)}))
    for each in results:
        if _accepted(each).external_id[:200] in early:
            part = lock_part(session, each.passed.message_id, each.passed.part_id)
            match_early_receipts(session, part, f"{each.passed.channel} receipt")


_EARLY = select(ReceiptRow.external_id).where(
    ReceiptRow.external_id.in_(bindparam("ids", expanding=True)), ReceiptRow.part_id.is_(None)
)


def _write_one(session: Session, result: Result) -> bool:
    """One result with all its turns; True when the lane may go on."""
    attempt = insert_row(session, Attempt).values(**_attempt(result, clock.now()))
    session.execute(attempt.on_conflict_do_nothing())
    part = lock_part(session, result.passed.message_id, result.passed.part_id)
    outcome = result.outcome
    if part.attempt != result.passed.attempt:
        return False  # another process has taken over: its result counts
    if isinstance(outcome, Accepted):
        return _accept(session, result, part, outcome)
    if part.status not in (Status.SENDING, Status.UNKNOWN):
        drop(session, "send", [part.id])  # a receipt was quicker, and knows better
        return True
    if outcome.unknown or (part.in_doubt and not outcome.cached):
        return _leave_unknown(session, result, part, outcome)
    if outcome.retry:
        return _try_later(session, result, part, outcome)
    return _give_up(session, part, result.passed.channel, outcome.code, outcome.message)


def _accept(session: Session, result: Result, part: Part, outcome: Accepted) -> bool:
    taken = session.scalar(
        select(Part.id).where(Part.sender_id == part.sender_id, Part.external_id == outcome.external_id)
    )
    part.external_id = outcome.external_id[:200] if outcome.external_id and taken in (None, part.id) else None
    part.accepted_at = clock.now()
    part.segments = outcome.segments or part.segments
    part.next_poll_at = clock.now() + FIRST_POLL if result.polls and part.external_id else None
    detail = "" if part.external_id else "The provider gave no id of its own: receipts cannot be matched."
    who = result.passed.channel
    if move_part(session, part, Status.ACCEPTED, who=who, code=outcome.code, detail=detail):
        move_credits(session, part, "")
        moved = follow_parts(session, part.message, who=who, code=outcome.code, detail=detail)
        if moved or result.acceptance_counts:
            push_status(session, part.message)
    complete(session, [result.due.id])
    drop(session, "send", [part.id])
    session.flush()
    if part.external_id:
        match_early_receipts(session, part, f"{who} receipt")
    return True


def _leave_unknown(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    who = result.passed.channel
    move_part(session, part, Status.UNKNOWN, who=who, code=outcome.code, detail=outcome.message)
    follow_parts(session, part.message, who=who, code=outcome.code, detail=outcome.message)
    failures = gates.count_fault(session, result.due.gate, outcome.message) if result.due.gate else 0
    if failures >= gates.PROBE_AFTER:
        _tell_of_fault(session, part, outcome)
    if not result.idempotent:
        complete(session, [result.due.id])
        return True
    part.in_doubt = True
    if outcome.retry_after is not None and result.due.gate:
        until = gates.block(session, result.due.gate, outcome.message, seconds=outcome.retry_after, count=False)
        _repeat(session, result, part, until, outcome.message)
        return False
    # The same key again: the provider answers with what it did the first time, or does it now.
    delay = min(2.0 ** min(result.due.attempts, 6), 60.0) if failures < gates.PROBE_AFTER else 5.0
    _repeat(session, result, part, clock.now() + timedelta(seconds=delay), outcome.message)
    return False


def _try_later(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    """A definite refusal that time may cure: a new key, in the same lane, until the time-to-live ends."""
    part.key_round += 1
    who = result.passed.channel
    move_part(session, part, Status.QUEUED, who=who, code=outcome.code, detail=outcome.message)
    follow_parts(session, part.message, who=who, code=outcome.code, detail=outcome.message)
    backoff = min(2.0 ** min(result.due.attempts, 8), 300.0)
    if outcome.scope is Scope.SENDER and result.due.gate:
        limited = outcome.retry_after is not None
        until = gates.block(session, result.due.gate, outcome.message, seconds=outcome.retry_after, count=not limited)
        if not limited and result.due.gate_failures + 1 >= gates.PROBE_AFTER:
            _tell_of_fault(session, part, outcome)
        # Another message probes first: one that makes the provider stumble must not keep the sender shut.
        nudge = 0 if limited else min(result.due.attempts, 12) * 5
        _repeat(session, result, part, until + timedelta(seconds=nudge), outcome.message)
    else:
        wait = outcome.retry_after if outcome.retry_after is not None else backoff
        _repeat(session, result, part, clock.now() + timedelta(seconds=wait), outcome.message)
    return False


def _tell_of_fault(session: Session, part: Part, outcome: ChannelError) -> None:
    """A sender that cannot send keeps its messages waiting until they expire: a person has to know."""
    sender = session.get_one(Sender, part.sender_id)
    text = f"{sender.name} cannot send, its messages wait. {outcome.message}"
    raise_alert(session, SENDER_FAULT, gates.sender_gate(sender.id), text, sender.location_id)


def _repeat(session: Session, result: Result, part: Part, run_at: datetime, note: str) -> None:
    lane = None
    outcome = result.outcome
    own_fault = not isinstance(outcome, Accepted) and outcome.scope is Scope.MESSAGE
    # A repetition keeps its place for a while, so that an answer that got lost does not turn the order round.
    doubtful = part.in_doubt and clock.now() - (part.key_round_at or clock.now()) > DOUBT_ASIDE
    waited = clock.now() - result.due.created_at
    if doubtful or (own_fault and waited > STEP_ASIDE):
        lane = f"aside:{result.passed.part_id}"
        note = f"stepped aside: {note}"
    if not postpone(session, result.due, run_at, note, lane=lane):
        # Another process took the job for lost and ended it; the part waits again, so it needs one.
        passed, gate = result.passed, result.due.gate
        where = lane or result.due.lane
        again = job(SEND, "send", passed.part_id, where, gate=gate, priority=result.due.priority, run_at=run_at)
        enqueue(session, [again])


def _give_up(session: Session, part: Part, who: str, code: str, detail: str) -> bool:
    move_part(session, part, Status.FAILED, who=who, code=code, detail=detail)
    end_message(session, part, Status.FAILED, who, code, detail)
    return True


def end_message(session: Session, part: Part, after: Status, who: str, code: str, detail: str) -> None:
    """Ends a message with this part: what has not gone out is taken back, credits are freed, HighLevel is told."""
    message = part.message
    for each in message.parts:
        if each.status in (Status.QUEUED, Status.HELD):
            move_part(session, each, Status.CANCELLED if each is not part else after, who=who, detail=detail)
        if each.status in (Status.FAILED, Status.EXPIRED, Status.CANCELLED):
            move_credits(session, each, detail)
    drop(session, "send", [each.id for each in message.parts if each.status != Status.UNKNOWN])
    if follow_parts(session, message, who=who, code=code, detail=detail):
        push_status(session, message)


def hold_back(session: Session, due: Due, part: Part, reason: str) -> None:
    """Holds the message of a part, and what is queued behind it, under one reason."""
    if part.message.status != Status.QUEUED:
        postpone(session, due, clock.now() + STEP_ASIDE, reason)  # some of its parts are out: it waits as it is
        return
    hold_conversation(session, part.message, reason)
    complete(session, [due.id])
