"""Asking providers for the status of what they accepted, with growing pauses, for 72 hours.

One question for each message, at the pace of its account. Cast's log could answer for many at once, but it gives them
in no documented order, with the texts of everybody who shares the account. The answers of many threads share a commit.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError, Receipt, Scope
from portal.channels.capabilities import last_word
from portal.database import Database, is_away
from portal.group_commit import GroupCommit
from portal.http import HttpClient
from portal.messaging import hints
from portal.messaging.accounts import Accounts
from portal.messaging.forward import Word, carry_forward
from portal.messaging.receipts import RECEIPT_WAIT, lock_part, take_receipt
from portal.models import Part, Sender, Status
from portal.models.base import UtcDateTime
from portal.queue import gates
from portal.queue.jobs import SEND, Due, complete, enqueue, job

log = logging.getLogger(__name__)

# The pauses after the first poll; the last one repeats. Most receipts come within a minute, nearly all in an hour.
# One poll falls right before five minutes are over: what is delivered later counts as slow (`measuring`).
PAUSES = (3, 5, 10, 20, 40, 80, 130, 300, 600, 1200, 1800, 3600, 7200, 14_400)
# A message that its provider does not know may be too new there. After this it will never be known.
UNKNOWN_THERE = timedelta(hours=24)
POLL_PRIORITY = 30
AT_ONCE = 500
OPEN = (Status.ACCEPTED, Status.SENT)


def enqueue_due(session: Session) -> int:
    """Gives every part whose next poll is due its job; returns how many."""
    due = session.execute(
        select(Part.id, Part.sender_id, Sender.account_key)
        .join(Sender, Sender.id == Part.sender_id)
        .where(Part.next_poll_at <= clock.now())
        .order_by(Part.next_poll_at)
        .limit(AT_ONCE)
        .with_for_update(of=Part, skip_locked=True)
    ).all()
    rows = [
        job(
            SEND,
            "check_status",
            row.id,
            f"check:{row.id}",
            gate=gates.poll_gate(row.sender_id, row.account_key),
            priority=POLL_PRIORITY,
        )
        for row in due
    ]
    enqueue(session, rows)
    if due:
        session.execute(update(Part).where(Part.id.in_([row.id for row in due])).values(next_poll_at=None))
    return len(due)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one question: the provider's word, or a fault, or neither. `part` is as it was before."""

    due: Due
    part: Row[*tuple[Any, ...]]
    said: Receipt | None
    fault: ChannelError | None

    @property
    def news(self) -> Word | None:
        """The provider's word, unless it was told before."""
        part, said = self.part, self.said
        if said is None or (said.outcome.value, said.external_id) == (part.status, part.external_id):
            return None
        return Word(part.sender_id, said, f"{part.channel} poll")


class Poller:
    """Carries out `check_status` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._group: GroupCommit[_Answer, SQLAlchemyError | None] = GroupCommit(self._commit)

    def check(self, due: Due) -> bool:
        """Asks for one part's status and applies the answer."""
        with self._database.read() as session:
            part = session.connection().execute(_PART, {"id": due.subject}).first()
        if part is None or not part.external_id or part.status not in OPEN:
            with self._database.write() as session:
                complete(session, [due.id])
            return True
        failed = self._group.submit(self._ask(due, part))
        if failed is not None:
            raise failed
        return True

    def _ask(self, due: Due, part: Row[*tuple[Any, ...]]) -> _Answer:
        try:
            account = self._accounts.get(part.sender_id).account
            said = registry.get(part.channel).status(self._http, account, part.external_id or "")
        except ChannelError as error:
            log.warning("status not learnt", extra={"part": part.id, "reason": error.message, "code": error.code})
            return _Answer(due, part, None, error)
        return _Answer(due, part, said, None)

    def _commit(self, answers: Sequence[_Answer]) -> Sequence[SQLAlchemyError | None]:
        try:
            with self._database.write() as session:
                self._apply(session, answers)
        except SQLAlchemyError as error:
            if is_away(error) or len(answers) == 1:
                return [error] * len(answers)
            # One item that the database refuses must not take the others with it.
            log.warning("answers are committed one by one", extra={"error": type(error).__name__})
            return [self._commit([answer])[0] for answer in answers]
        return [None] * len(answers)

    def _apply(self, session: Session, answers: Sequence[_Answer]) -> None:
        for answer in answers:
            if answer.said is not None and hints.are_given_by(answer.part.channel):
                hints.answered(session, answer.part.sender_id, answer.part.external_id, answer.said.outcome)
        # In one order, as everybody locks messages.
        ordered = sorted(answers, key=lambda each: each.part.message_id)
        words = [word for answer in ordered if (word := answer.news) is not None]
        for word, moved in zip(words, carry_forward(session, words), strict=True):
            if not moved:
                sender = session.get_one(Sender, word.sender_id)
                take_receipt(session, sender, word.receipt, None, who=word.who)
        moment = clock.now()
        quiet: list[_Answer] = []
        for answer in ordered:
            if _is_quiet(answer, moment):
                quiet.append(answer)
            else:
                self._plan_next(session, answer)
        if quiet:
            rows = [_later(answer, moment) for answer in sorted(quiet, key=lambda each: each.part.id)]
            session.connection().execute(_LATER, rows)
        complete(session, [answer.due.id for answer in answers])

    def _plan_next(self, session: Session, answer: _Answer) -> None:
        due, fault = answer.due, answer.fault
        ill = fault is not None and fault.scope is Scope.SENDER
        if fault is not None and ill:
            limited = fault.retry_after is not None
            gates.block(session, due.gate, fault.message, seconds=fault.retry_after, count=not limited)
        elif due.gate_failures:
            gates.reopen(session, [due.gate])
        part = lock_part(session, answer.part.message_id, due.subject)
        if part.status not in OPEN:
            part.next_poll_at = None
            return
        moment = clock.now()
        asked_since = part.accepted_at or moment
        if fault is not None and not ill and moment - asked_since > UNKNOWN_THERE:
            _give_up(part, f"{fault.message} No receipt will come.")
        elif moment - asked_since >= RECEIPT_WAIT:
            _give_up(part, "The provider gave no receipt within 72 hours.")
        else:
            part.next_poll_at = _next_poll(answer, moment, asked_since, part.polls)
            part.polls += 0 if ill else 1  # an account that cannot be asked makes no message older


def _is_quiet(answer: _Answer, moment: datetime) -> bool:
    """Is nothing to be done but to ask again, or nothing at all?"""
    asked_since = answer.part.accepted_at or moment
    return answer.fault is None and not answer.due.gate_failures and moment - asked_since < RECEIPT_WAIT


def _later(answer: _Answer, moment: datetime) -> dict[str, object]:
    part = answer.part
    return {"b_id": part.id, "b_at": _next_poll(answer, moment, part.accepted_at or moment, part.polls)}


def _next_poll(answer: _Answer, moment: datetime, asked_since: datetime, polls: int) -> datetime:
    """After the longest pause at once where the provider has said the best that it ever says."""
    said = answer.said.outcome.value if answer.said is not None else answer.part.status
    settled = said == last_word(registry.get(answer.part.channel))
    pause = timedelta(seconds=PAUSES[-1] if settled else PAUSES[min(polls, len(PAUSES) - 1)])
    return min(moment + pause, max(asked_since + RECEIPT_WAIT, moment))


_PART = (
    select(
        Part.id,
        Part.message_id,
        Part.status,
        Part.external_id,
        Part.accepted_at,
        Part.polls,
        Part.sender_id,
        Sender.channel,
    )
    .join(Sender, Sender.id == Part.sender_id)
    .where(Part.id == bindparam("id"))
)
# Without the message's lock: what has been delivered meanwhile is not open, and stays as it is.
_LATER = (
    update(Part.__table__)  # type: ignore[arg-type]
    .where(Part.id == bindparam("b_id"), Part.status.in_(OPEN))
    .values(next_poll_at=bindparam("b_at", type_=UtcDateTime()), polls=Part.polls + 1)
)


def _give_up(part: Part, reason: str) -> None:
    """The message stays as it is, and says why nothing more will be known of it."""
    part.next_poll_at = None
    if part.message.status in OPEN:
        part.message.reason = reason
