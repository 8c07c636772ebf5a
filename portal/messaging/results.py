"""Writing what a provider call came to, many calls in one transaction: status, history, credits, the next jobs.

Every write names its attempt, so that a call that ends after another took its place changes nothing but its own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Accepted, ChannelError, Scope
from portal.credits import ledger
from portal.messaging.fence import Pass
from portal.messaging.outbound import hold_conversation, push_status
from portal.messaging.receipts import lock_part, match_early_receipts, move_credits
from portal.messaging.statuses import follow_parts, move_part
from portal.models import Attempt, Message, Part, ReceiptRow, Status, StatusChange, Wallet
from portal.queue import gates
from portal.queue.jobs import Due, complete, drop, postpone

# A message whose own fault keeps it from going out lets the rest of its conversation pass after this.
STEP_ASIDE = timedelta(seconds=60)
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


def write_results(session: Session, results: Sequence[Result]) -> dict[int, bool]:
    """Writes the results; by job id, whether the lane may go on to its next job."""
    simple = sorted((each for each in results if each.simple), key=lambda each: each.passed.message_id)
    rest = sorted((each for each in results if not each.simple), key=lambda each: each.passed.message_id)
    go_on = dict.fromkeys((each.due.id for each in simple), True)
    if simple:
        late = _accept_simple(session, simple)
        rest = [*rest, *late]
    for each in rest:
        go_on[each.due.id] = _write_one(session, each)
    reopened = {each.due.gate for each in results if each.due.gate_failures and isinstance(each.outcome, Accepted)}
    gates.reopen(session, sorted(reopened))
    return go_on


def _accept_simple(session: Session, results: Sequence[Result]) -> list[Result]:
    """Accepts one-part messages in a few statements for all; returns those whose row was not as expected."""
    moment = clock.now()
    connection = session.connection()
    try:
        with session.begin_nested():
            moved = _accept_parts(session, results, moment)
    except IntegrityError:
        return list(results)  # a provider gave one id twice: each is looked at by itself
    done = [each for each in results if each.passed.part_id in moved]
    if not done:
        return list(results)
    session.execute(
        update(Message)
        .where(Message.id.in_([each.passed.message_id for each in done]), Message.status == Status.SENDING)
        .values(status=Status.ACCEPTED, status_at=moment, reason="", error_code="")
        .execution_options(synchronize_session=False)
    )
    connection.execute(insert(StatusChange), [_change(each, moment) for each in done])
    _end_attempts(session, done, moment)
    _settle(session, done)
    complete(session, [each.due.id for each in done])
    _match_early(session, done)
    return [each for each in results if each.passed.part_id not in moved]


def _accept_parts(session: Session, results: Sequence[Result], moment: datetime) -> set[int]:
    rows = [
        {
            "b_id": each.passed.part_id,
            "b_attempt": each.passed.attempt,
            "b_external": _accepted(each).external_id[:200] or None,
            "b_code": _accepted(each).code[:64],
            "b_segments": _accepted(each).segments or each.passed.segments,
            "b_poll": moment + FIRST_POLL if each.polls else None,
            "b_now": moment,
        }
        for each in results
    ]
    session.connection().execute(_ACCEPT, rows)
    ours = {(each.passed.part_id, each.passed.attempt) for each in results}
    taken = select(Part.id, Part.attempt).where(
        Part.id.in_([each.passed.part_id for each in results]), Part.accepted_at == moment
    )
    return {row.id for row in session.execute(taken) if (row.id, row.attempt) in ours}


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


def _accepted(result: Result) -> Accepted:
    assert isinstance(result.outcome, Accepted)  # noqa: S101 - the caller has sorted by it
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


def _end_attempts(session: Session, results: Sequence[Result], moment: datetime) -> None:
    rows = [
        {
            "b_part": each.passed.part_id,
            "b_number": each.passed.attempt,
            "b_ended": moment,
            "b_outcome": _outcome_word(each.outcome),
            "b_code": each.outcome.code[:64],
            "b_detail": "" if isinstance(each.outcome, Accepted) else each.outcome.message[:500],
        }
        for each in results
    ]
    session.connection().execute(_END, rows)


_END = (
    update(Attempt.__table__)  # type: ignore[arg-type]
    .where(Attempt.part_id == bindparam("b_part"), Attempt.number == bindparam("b_number"))
    .values(
        ended_at=bindparam("b_ended"),
        outcome=bindparam("b_outcome"),
        code=bindparam("b_code"),
        detail=bindparam("b_detail"),
    )
)


def _outcome_word(outcome: Accepted | ChannelError) -> str:
    if isinstance(outcome, Accepted):
        return "accepted"
    return "unknown" if outcome.unknown else "refused"


def _settle(session: Session, results: Sequence[Result]) -> None:
    locations = {each.passed.location_id for each in results}
    rows = session.execute(select(Wallet.location_id, Wallet.id).where(Wallet.location_id.in_(locations)))
    wallets = {row.location_id: row.id for row in rows}
    ledger.write(
        session,
        [
            ledger.settle(wallets[passed.location_id], passed.message_id, passed.number, passed.price)
            for passed in (each.passed for each in results)
            if passed.location_id in wallets
        ],
    )


def _match_early(session: Session, results: Sequence[Result]) -> None:
    ids = [_accepted(each).external_id[:200] for each in results]
    early = set(
        session.scalars(
            select(ReceiptRow.external_id).where(ReceiptRow.external_id.in_(ids), ReceiptRow.part_id.is_(None))
        )
    )
    for each in results:
        if _accepted(each).external_id[:200] in early:
            part = lock_part(session, each.passed.message_id, each.passed.part_id)
            match_early_receipts(session, part, f"{each.passed.channel} receipt")


def _write_one(session: Session, result: Result) -> bool:
    """One result with all its turns; True when the lane may go on."""
    _end_attempts(session, [result], clock.now())
    part = lock_part(session, result.passed.message_id, result.passed.part_id)
    outcome = result.outcome
    if part.attempt != result.passed.attempt:
        return False  # another process has taken over: its result counts
    if isinstance(outcome, Accepted):
        return _accept(session, result, part, outcome)
    if part.status not in (Status.SENDING, Status.UNKNOWN):
        drop(session, "send", [part.id])  # a receipt was quicker, and knows better
        return True
    if outcome.unknown and not (result.idempotent and outcome.cached):
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
        follow_parts(session, part.message, who=who, code=outcome.code, detail=detail)
    if result.acceptance_counts:
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
    if not result.idempotent:
        complete(session, [result.due.id])
        return True
    # The same key again: the provider answers with what it did the first time, or does it now.
    delay = min(2.0 ** min(result.due.attempts, 6), 60.0) if failures < gates.PROBE_AFTER else 5.0
    _repeat(session, result, clock.now() + timedelta(seconds=delay), outcome.message)
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
        until = gates.block(
            session, result.due.gate, outcome.message, seconds=outcome.retry_after, count=not limited
        )
        # Another message probes first: one that makes the provider stumble must not keep the sender shut.
        nudge = 0 if limited else min(result.due.attempts, 12) * 5
        _repeat(session, result, until + timedelta(seconds=nudge), outcome.message)
    else:
        wait = outcome.retry_after if outcome.retry_after is not None else backoff
        _repeat(session, result, clock.now() + timedelta(seconds=wait), outcome.message)
    return False


def _repeat(session: Session, result: Result, run_at: datetime, note: str) -> None:
    lane = None
    own_fault = not isinstance(result.outcome, Accepted) and result.outcome.scope is Scope.MESSAGE
    waited = clock.now() - result.due.created_at
    if own_fault and waited > STEP_ASIDE:
        lane = f"aside:{result.passed.part_id}"
        note = f"stepped aside: {note}"
    postpone(session, result.due, run_at, note, lane=lane)


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
