"""Receipts of providers that report on each SMS of a long text (`channels.capabilities.ReportsSegments`).

The text is one call and one part here. It is delivered when all its SMS are, and lost when one of them is.
"""

from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.base import Outcome, Receipt
from portal.channels.capabilities import ReportsSegments
from portal.errors import InvalidInput
from portal.models import Part, ReceiptRow, Sender

_ARRIVED = (Outcome.DELIVERED, Outcome.READ)
_LOST = (Outcome.FAILED, Outcome.EXPIRED)


def is_another(session: Session, part: Part, rounds: int, external_id: str) -> bool:
    """Is it the id of a further SMS of the part's own call? The caller has locked the message."""
    if part.external_id is None or rounds != part.key_round or not is_cut(session, part):
        return False
    known = {part.external_id, *session.scalars(select(ReceiptRow.external_id).where(ReceiptRow.part_id == part.id))}
    return external_id in known or len(known) < part.segments


def of_whole(session: Session, part: Part, receipt: Receipt) -> Receipt:
    """What a receipt, whose row names the part already, says of the whole text."""
    if receipt.outcome not in (*_ARRIVED, *_LOST) or not is_cut(session, part):
        return receipt
    # The price that it tells is that of one SMS.
    whole = replace(receipt, billing={})
    if receipt.outcome in _LOST:
        return replace(whole, detail=f"One of the {part.segments} SMS of this text was lost. {receipt.detail}")
    session.flush()
    there = ReceiptRow.part_id == part.id, ReceiptRow.outcome.in_([each.value for each in _ARRIVED])
    arrived = session.scalar(select(func.count(ReceiptRow.external_id.distinct())).where(*there)) or 0
    if arrived >= part.segments:
        return whole
    return replace(
        whole, outcome=Outcome.SENT, detail=f"{arrived} of the {part.segments} SMS of this text have arrived."
    )


def is_cut(session: Session, part: Part) -> bool:
    """Does the provider report on several SMS of this part?"""
    if part.segments < 2:
        return False
    sender = session.get(Sender, part.sender_id) if part.sender_id is not None else None
    return sender is not None and are_given_by(sender.channel)


def are_given_by(kind: str) -> bool:
    """Does this channel report on each SMS of a text?"""
    try:
        channel = registry.get(kind)
    except InvalidInput:
        return False  # of a portal that knew more channels
    return isinstance(channel, ReportsSegments) and channel.reports_segments
