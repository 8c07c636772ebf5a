"""Writing what a provider call came to, many calls in one transaction: status, history, credits, the next jobs.

Every write names its attempt, so that a call that ends after another took its place changes nothing but its own row.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Accepted, ChannelError, Scope
from portal.database import insert as insert_row
from portal.database import padded
from portal.messaging import marketing_pauses, optouts, reading, setbacks, windows
from portal.messaging.accepting import accept_simple, attempt_row, first_poll
from portal.messaging.charges import give_back, move_credits
from portal.messaging.held import hold_conversation, let_go
from portal.messaging.lines import ask_now
from portal.messaging.outbound import push_status
from portal.messaging.outcomes import Result
from portal.messaging.provider_accounts import end_faults, stop, tell_of_fault
from portal.messaging.receipts import has_failed, lock_part, match_by_key, match_early_receipts
from portal.messaging.statuses import FINAL, follow_parts, move_part
from portal.models import Attempt, Message, Part, Status
from portal.queue import gates
from portal.queue.jobs import SEND, Due, complete, drop, enqueue, job, postpone

# A message whose own fault keeps it from going out lets the rest of its conversation pass after this.
STEP_ASIDE = timedelta(seconds=60)
# One that its recipient is written to too fast for lets them pass after so many tries: eleven minutes.
CROWDED_TRIES = 5
# Longer than a lease and a call: a process that was killed in the middle has its call repeated in its place.
DOUBT_ASIDE = timedelta(seconds=120)
CANNOT_SEND = "cannot send, its messages wait"
SANDBOX = "The provider's sandbox key sends nothing and costs nothing: this went nowhere."


def write_results(session: Session, results: Sequence[Result], *, singly: bool = False) -> dict[int, bool]:
    """Writes the results; by job id, whether the lane may go on to its next job.

    Raises `IntegrityError` when they cannot be written together; `singly` then looks at each by itself.
    """
    ordered = sorted(results, key=lambda each: each.passed.message_id)
    if singly or not all(each.simple for each in results):
        _lock(session, ordered)
    simple = [] if singly else [each for each in ordered if each.simple]
    accepted = accept_simple(session, simple) if simple else set()
    go_on = dict.fromkeys((each.due.id for each in simple if each.passed.part_id in accepted), True)
    for each in ordered:
        if each.passed.part_id in accepted:
            continue
        go_on[each.due.id] = _write_one(session, each)
    well = {each.due.gate for each in results if each.due.gate and isinstance(each.outcome, Accepted)}
    if gates.reopen(session, sorted(well)):
        end_faults(session, well)
    return go_on


def _lock(session: Session, results: Sequence[Result]) -> None:
    """What the results will change, in the order that everybody keeps: one by one they would lock it as they come."""
    gates.lock(session, {each.due.gate for each in results if each.due.gate})
    ids = [each.passed.message_id for each in results]
    session.execute(select(Message.id).where(Message.id.in_(padded(ids))).order_by(Message.id).with_for_update()).all()


def _write_one(session: Session, result: Result) -> bool:
    """One result with all its turns; True when the lane may go on."""
    attempt = insert_row(session, Attempt).values(**attempt_row(result, clock.now()))
    session.execute(attempt.on_conflict_do_nothing())
    part = lock_part(session, result.passed.message_id, result.passed.part_id)
    outcome = result.outcome
    if part.attempt != result.passed.attempt:
        return False  # another process has taken over: its result counts
    if isinstance(outcome, Accepted):
        return _accept(session, result, part, outcome)
    if part.status in (Status.QUEUED, Status.HELD):
        complete(session, [result.due.id])  # a person had it sent again meanwhile: that has a job of its own
        return True
    if part.status not in (Status.SENDING, Status.UNKNOWN):
        drop(session, "send", [part.id])  # a receipt was quicker, and knows better
        return True
    if outcome.unknown or (part.in_doubt and not outcome.cached):
        return _leave_unknown(session, result, part, outcome)
    if outcome.stops:
        return _stop_sender(session, result, part, outcome)
    if outcome.retry:
        return _try_later(session, result, part, outcome)
    if outcome.no_marketing:
        marketing_pauses.begin(session, part.message, outcome.no_marketing, outcome.code)
    if outcome.opted_out or outcome.code in optouts.MARKETING_CODES:
        optouts.learn(session, part.message, registry.get(result.passed.channel).name, outcome.code, outcome.message)
    return _give_up(session, part, result.passed.channel, outcome.code, outcome.message)


def _accept(session: Session, result: Result, part: Part, outcome: Accepted) -> bool:
    waits = part.status in (Status.QUEUED, Status.HELD)
    if waits and part.lost and has_failed(session, part, outcome.external_id[:200]):
        complete(session, [result.due.id])  # a receipt was quicker: it came to nothing, and has a new turn
        return True
    taken = session.scalar(
        select(Part.id).where(Part.sender_id == part.sender_id, Part.external_id == outcome.external_id)
    )
    part.external_id = outcome.external_id[:200] if outcome.external_id and taken in (None, part.id) else None
    part.accepted_at = clock.now()
    part.segments = outcome.segments or part.segments
    polls = result.polls and part.external_id and not outcome.sandbox
    part.next_poll_at = first_poll(clock.now()) if polls else None
    detail = "" if part.external_id else "The provider gave no id of its own: receipts cannot be matched."
    detail = SANDBOX if outcome.sandbox else detail
    who = result.passed.channel
    was_held = part.message.status == Status.HELD
    if move_part(session, part, Status.ACCEPTED, who=who, code=outcome.code, detail=detail):
        if outcome.sandbox:
            give_back(session, part, SANDBOX)
        else:
            move_credits(session, part, "")
        moved = follow_parts(session, part.message, who=who, code=outcome.code, detail=detail)
        if moved or result.acceptance_counts:
            push_status(session, part.message)
    complete(session, [result.due.id])
    drop(session, "send", [part.id])
    session.flush()
    reading.answered(session, [(who, part.message_id)])
    if was_held:
        let_go(session, part.message.conversation_id)
    if part.external_id:
        match_early_receipts(session, part, f"{who} receipt")
    else:
        match_by_key(session, part)
    return True


def _leave_unknown(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    who = result.passed.channel
    move_part(session, part, Status.UNKNOWN, who=who, code=outcome.code, detail=outcome.message)
    follow_parts(session, part.message, who=who, code=outcome.code, detail=outcome.message)
    settled = match_by_key(session, part)
    failures = gates.count_fault(session, result.due.gate, outcome.message) if result.due.gate else 0
    if failures >= gates.PROBE_AFTER:
        tell_of_fault(session, part.sender_id, CANNOT_SEND, outcome.message)
    if settled or not result.idempotent:
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


def _queue_again(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    """Back into the queue under a new key; False when the part ends, because another one has failed meanwhile."""
    who = result.passed.channel
    if any(each.status in FINAL for each in part.message.parts):
        _give_up(session, part, who, outcome.code, outcome.message)
        return False
    part.key_round += 1
    move_part(session, part, Status.QUEUED, who=who, code=outcome.code, detail=outcome.message)
    follow_parts(session, part.message, who=who, code=outcome.code, detail=outcome.message)
    return True


def _try_later(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    """A definite refusal that time may cure: a new key, in the same lane, until the time-to-live ends."""
    if not _queue_again(session, result, part, outcome):
        return True
    backoff = min(2.0 ** min(result.due.attempts, 8), 300.0)
    if outcome.crowded:
        backoff = min(setbacks.CROWDED_WAIT * setbacks.GROWTH ** min(result.due.attempts, 8), 300.0)
    if outcome.scope is Scope.SENDER:
        ask_now(session, result.passed.sender_id, result.passed.channel)
    if outcome.scope is Scope.SENDER and result.due.gate:
        limited = outcome.retry_after is not None
        until = gates.block(session, result.due.gate, outcome.message, seconds=outcome.retry_after, count=not limited)
        if not limited and result.due.gate_failures + 1 >= gates.PROBE_AFTER:
            tell_of_fault(session, part.sender_id, CANNOT_SEND, outcome.message)
        # Another message probes first: one that makes the provider stumble must not keep the sender shut.
        nudge = 0 if limited else min(result.due.attempts, 12) * 5
        _repeat(session, result, part, until + timedelta(seconds=nudge), outcome.message)
    else:
        wait = outcome.retry_after if outcome.retry_after is not None else backoff
        _repeat(session, result, part, clock.now() + timedelta(seconds=wait), outcome.message)
    return False


def _stop_sender(session: Session, result: Result, part: Part, outcome: ChannelError) -> bool:
    """The sender is stopped, and what waits for it is held."""
    again = _queue_again(session, result, part, outcome)
    ask_now(session, result.passed.sender_id, result.passed.channel)
    stop(session, part.sender_id, outcome.message)
    if again:
        _repeat(session, result, part, clock.now(), outcome.message)
    return not again


def _repeat(session: Session, result: Result, part: Part, run_at: datetime, note: str) -> None:
    if result.bulk:
        return
    lane = None
    outcome = result.outcome
    refused = outcome if isinstance(outcome, ChannelError) else None
    crowded = refused is not None and refused.crowded
    own_fault = refused is not None and refused.scope is Scope.MESSAGE
    # A repetition keeps its place for a while, so that an answer that got lost does not turn the order round.
    doubtful = part.in_doubt and clock.now() - (part.key_round_at or clock.now()) > DOUBT_ASIDE
    waited = clock.now() - result.due.created_at
    # What comes next in the conversation would be one too many as well: the order is worth the wait.
    own_fault = own_fault and (result.due.attempts >= CROWDED_TRIES if crowded else waited > STEP_ASIDE)
    if doubtful or own_fault:
        lane = f"aside:{result.passed.part_id}"
        note = f"stepped aside: {note}"
    if not postpone(session, result.due, run_at, note, lane=lane):
        # Another process took the job for lost and ended it; the part waits again, so it needs one.
        passed, gate = result.passed, result.due.gate
        where = lane or result.due.lane
        again = job(SEND, "send", passed.part_id, where, gate=gate, priority=result.due.priority, run_at=run_at)
        enqueue(session, [again])


def _give_up(session: Session, part: Part, who: str, code: str, detail: str) -> bool:
    windows.refused(session, part, code)
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
