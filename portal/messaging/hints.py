"""Last words that nothing proves: the provider is asked before they count (`channels.capabilities.ReceiptsAreHints`).

A hint is kept without its part. An answer that says the same applies it, one that says otherwise removes it. Where the
provider cannot be asked, or knows nothing, the hint is believed after `PATIENCE`: its address is unguessable anyway.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Outcome, Receipt
from portal.channels.capabilities import ReceiptsAreHints
from portal.errors import InvalidInput
from portal.models import Part, ReceiptRow, Sender, Status

PATIENCE = timedelta(seconds=30)
_LAST = (Outcome.DELIVERED, Outcome.READ, Outcome.FAILED, Outcome.EXPIRED)
_OPEN = (Status.ACCEPTED, Status.SENT)


def ask_first(session: Session, sender: Sender, part: Part, receipt: Receipt) -> bool:
    """Has the provider asked, at once and then with the pauses of a new message; False when the receipt counts now."""
    if receipt.outcome not in _LAST or part.status not in _OPEN or not are_given_by(sender.channel):
        return False
    part.next_poll_at, part.polls = clock.now(), 0
    session.flush()
    return True


def answered(session: Session, sender_id: int, external_id: str, outcome: Outcome) -> None:
    """The provider has said how it is: hints that say otherwise were wrong, or too early."""
    last = [each.value for each in _LAST if each is not outcome]
    mine = ReceiptRow.sender_id == sender_id, ReceiptRow.external_id == external_id
    session.execute(delete(ReceiptRow).where(*mine, ReceiptRow.part_id.is_(None), ReceiptRow.outcome.in_(last)))


def are_fresh(session: Session, part: Part) -> bool:
    """May the provider still say whether what waits for this part is so?"""
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    if sender is None or part.status not in _OPEN or not are_given_by(sender.channel):
        return False
    mine = ReceiptRow.sender_id == sender.id, ReceiptRow.external_id == part.external_id
    # From the first one on: whoever posts ever more of them must not keep the others from counting.
    first = session.scalar(select(func.min(ReceiptRow.received_at)).where(*mine, ReceiptRow.part_id.is_(None)))
    return first is not None and first > clock.now() - PATIENCE


def are_given_by(kind: str) -> bool:
    """Are this channel's receipts hints?"""
    try:
        channel = registry.get(kind)
    except InvalidInput:
        return False  # of a portal that knew more channels
    return isinstance(channel, ReceiptsAreHints) and channel.receipts_are_hints and channel.polls
