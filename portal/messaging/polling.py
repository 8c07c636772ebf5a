"""Asking providers for the status of what they accepted, with growing pauses, for 72 hours."""

import logging
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError, Receipt
from portal.database import Database
from portal.http import HttpClient
from portal.messaging.accounts import Accounts
from portal.messaging.receipts import RECEIPT_WAIT, lock_part, take_receipt
from portal.models import Part, Sender, Status
from portal.queue import gates
from portal.queue.jobs import SEND, Due, complete, enqueue, job

log = logging.getLogger(__name__)

# The pauses after the first poll; the last one repeats.
PAUSES = (3, 5, 10, 20, 40, 80, 160, 300, 600, 1200, 1800, 3600)
POLL_PRIORITY = 30
AT_ONCE = 500


def enqueue_due(session: Session) -> int:
    """Gives every part whose next poll is due its job; returns how many."""
    due = session.execute(
        select(Part.id, Part.sender_id)
        .where(Part.next_poll_at <= clock.now())
        .order_by(Part.next_poll_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    rows = [
        job(
            SEND,
            "check_status",
            row.id,
            f"check:{row.id}",
            gate=gates.poll_gate(row.sender_id),
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
        if fault is not None and fault.retry_after is not None:
            gates.block(session, due.gate, fault.message, seconds=fault.retry_after, count=False)
        if not _open(part):
            part.next_poll_at = None
            return
        asked_since = part.accepted_at or clock.now()
        if clock.now() - asked_since > RECEIPT_WAIT:
            part.next_poll_at = None
            if part.message.status in (Status.ACCEPTED, Status.SENT):
                part.message.reason = "The provider gave no receipt within 72 hours."
            return
        part.next_poll_at = clock.now() + timedelta(seconds=PAUSES[min(part.polls, len(PAUSES) - 1)])
        part.polls += 1


def _open(part: Part) -> bool:
    return part.status in (Status.ACCEPTED, Status.SENT)
