"""Asking providers for the status of what they accepted, with growing pauses, for 72 hours.

One question for each message, at the pace of its account. Cast's log could answer for many at once, but it gives them
in no documented order, with the texts of everybody who shares the account.
"""

import logging
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError, Receipt, Scope
from portal.database import Database
from portal.http import HttpClient
from portal.messaging.accounts import Accounts
from portal.messaging.receipts import RECEIPT_WAIT, lock_part, take_receipt
from portal.models import Part, Sender, Status
from portal.queue import gates
from portal.queue.jobs import SEND, Due, complete, enqueue, job

log = logging.getLogger(__name__)

# The pauses after the first poll; the last one repeats. Most receipts come within a minute, nearly all in an hour.
PAUSES = (3, 5, 10, 20, 40, 80, 160, 300, 600, 1200, 1800, 3600, 7200, 14_400)
# A message that its provider does not know may be too new there. After this it will never be known.
UNKNOWN_THERE = timedelta(hours=24)
POLL_PRIORITY = 30
AT_ONCE = 500


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


class Poller:
    """Carries out `check_status` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts

    def check(self, due: Due) -> bool:
        """Asks for one part's status and applies the answer."""
        with self._database.read() as session:
            part = session.get(Part, due.subject)
            sender = session.get(Sender, part.sender_id) if part and part.sender_id else None
        if part is None or sender is None or not part.external_id or not _open(part):
            with self._database.write() as session:
                complete(session, [due.id])
            return True
        receipt: Receipt | None = None
        fault: ChannelError | None = None
        try:
            account = self._accounts.get(sender.id).account
            receipt = registry.get(sender.channel).status(self._http, account, part.external_id)
        except ChannelError as error:
            fault = error
            log.warning("status not learnt", extra={"part": part.id, "reason": error.message, "code": error.code})
        with self._database.write() as session:
            if receipt is not None:
                take_receipt(session, sender, receipt, None, who=f"{sender.channel} poll")
            self._plan_next(session, due, fault)
            complete(session, [due.id])
        return True

    def _plan_next(self, session: Session, due: Due, fault: ChannelError | None) -> None:
        message_id = session.scalars(select(Part.message_id).where(Part.id == due.subject)).one()
        part = lock_part(session, message_id, due.subject)
        ill = fault is not None and fault.scope is Scope.SENDER
        if fault is not None and ill:
            limited = fault.retry_after is not None
            gates.block(session, due.gate, fault.message, seconds=fault.retry_after, count=not limited)
        elif due.gate_failures:
            gates.reopen(session, [due.gate])
        if not _open(part):
            part.next_poll_at = None
            return
        moment = clock.now()
        asked_since = part.accepted_at or moment
        if fault is not None and not ill and moment - asked_since > UNKNOWN_THERE:
            _give_up(part, f"{fault.message} No receipt will come.")
        elif moment - asked_since >= RECEIPT_WAIT:
            _give_up(part, "The provider gave no receipt within 72 hours.")
        else:
            pause = timedelta(seconds=PAUSES[min(part.polls, len(PAUSES) - 1)])
            part.next_poll_at = min(moment + pause, max(asked_since + RECEIPT_WAIT, moment))
            part.polls += 0 if ill else 1  # an account that cannot be asked makes no message older


def _give_up(part: Part, reason: str) -> None:
    """The message stays as it is, and says why nothing more will be known of it."""
    part.next_poll_at = None
    if part.message.status in (Status.ACCEPTED, Status.SENT):
        part.message.reason = reason


def _open(part: Part) -> bool:
    return part.status in (Status.ACCEPTED, Status.SENT)
