"""The path that nearly every result takes: one-part messages that were accepted, many of them in few statements."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox
from portal.channels.base import Accepted, ChannelError, Scope
from portal.credits import charging, ledger, totals
from portal.database import padded
from portal.messaging import at_once, reading
from portal.messaging.charges import settles_when_accepted
from portal.messaging.outcomes import Result
from portal.messaging.receipts import lock_part, match_early_receipts
from portal.models import Attempt, EntryKind, Job, Message, Part, ReceiptRow, Status, StatusChange
from portal.models.base import UtcDateTime

FIRST_POLL = timedelta(seconds=2)


def first_poll(moment: datetime) -> datetime:
    """When a part that was accepted at `moment` is asked about for the first time."""
    return moment + FIRST_POLL


def accept_simple(session: Session, results: Sequence[Result]) -> set[int]:
    """Accepts one-part messages in few statements; returns the parts whose rows were as expected.

    The others had a receipt that was quicker, or another process that took over: each is looked at by itself.
    """
    moment = clock.now()
    if session.get_bind().dialect.name == "postgresql":
        rows = [_row(session, each, moment) for each in results]
        accepted = at_once.accept(session, rows, moment)
        paid = [row for row in rows if row["part"] in accepted and row["price"]]
        for row in paid:
            totals.move(session, row["wallet"], held=-row["price"], spent=row["price"])
        charging.follow(session, [_entry(row, moment) for row in paid])
    else:
        accepted = _accept_in_turn(session, results, moment)
    mine = [each for each in results if each.passed.part_id in accepted]
    reading.answered(session, [(each.passed.channel, each.passed.message_id) for each in mine])
    outbox.note(session, *(_fact(each, moment) for each in mine))
    _match_early(session, mine)
    return accepted


def _fact(result: Result, moment: datetime) -> outbox.Fact:
    passed, status = result.passed, Status.ACCEPTED.value
    code = _accepted(result).code[:64]
    return outbox.Fact(f"message.{status}", passed.location_id, moment, passed.message_id, status, code)


def _accept_in_turn(session: Session, results: Sequence[Result], moment: datetime) -> set[int]:
    connection = session.connection()
    moved = [each for each in results if connection.execute(_ACCEPT, _acceptance(each, moment)).rowcount]
    if moved:
        ids = padded([each.passed.message_id for each in moved])
        connection.execute(_ACCEPT_MESSAGES, {"ids": ids, "moment": moment})
        connection.execute(_CHANGES, [_change(each, moment) for each in moved])
        connection.execute(_ATTEMPTS, [attempt_row(each, moment) for each in moved])
        due = [each for each in moved if _is_due(session, each)]
        ledger.settle_new(session, [(each.passed.location_id, _settlement(each)) for each in due])
        connection.execute(_DONE, {"ids": padded([each.due.id for each in moved])})
    return {each.passed.part_id for each in moved}


def _row(session: Session, result: Result, moment: datetime) -> dict[str, Any]:
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
        "request": result.heard.request if result.heard else None,
        "response": result.heard.response if result.heard else None,
        "wallet": settled.wallet_id,
        "ledger_key": settled.key,
        "price": passed.price if _is_due(session, result) else 0,
    }


def _entry(row: dict[str, Any], moment: datetime) -> dict[str, object]:
    """The entry of the ledger that `at_once` wrote."""
    what = {"wallet_id": row["wallet"], "message_id": row["message"], "key": row["ledger_key"]}
    return {**what, "kind": EntryKind.SETTLE.value, "spent": row["price"], "at": moment}


def _is_due(session: Session, result: Result) -> bool:
    """Is it paid for now?"""
    return settles_when_accepted(session, result.passed.location_id, result.acceptance_counts)


def _acceptance(result: Result, moment: datetime) -> dict[str, object]:
    accepted = _accepted(result)
    return {
        "b_id": result.passed.part_id,
        "b_attempt": result.passed.attempt,
        "b_external": accepted.external_id[:200] or None,
        "b_code": accepted.code[:64],
        "b_segments": accepted.segments or result.passed.segments,
        "b_poll": first_poll(moment) if result.polls and accepted.external_id else None,
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


def attempt_row(result: Result, moment: datetime) -> dict[str, object]:
    outcome, passed = result.outcome, result.passed
    return {
        "part_id": passed.part_id,
        "number": passed.attempt,
        "sender_id": passed.sender_id,
        "idempotency_key": passed.idempotency_key,
        "started_at": passed.started_at,
        "ended_at": moment,
        "outcome": _outcome_word(outcome),
        "fault": _is_fault(outcome),
        "code": outcome.code[:64],
        "detail": "" if isinstance(outcome, Accepted) else outcome.message[:500],
        "request": result.heard.request if result.heard else None,
        "response": result.heard.response if result.heard else None,
    }


def _outcome_word(outcome: Accepted | ChannelError) -> str:
    if isinstance(outcome, Accepted):
        return "accepted"
    return "unknown" if outcome.unknown else "refused"


def _is_fault(outcome: Accepted | ChannelError) -> bool:
    """Refused for the sender's sake. That it is to wait a named time (429) is no sign of illness."""
    if isinstance(outcome, Accepted) or outcome.unknown or outcome.retry_after is not None:
        return False
    return outcome.scope is Scope.SENDER or outcome.stops


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
