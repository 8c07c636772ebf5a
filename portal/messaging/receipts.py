"""Receipts: a provider's word on a part moves it forward once, whenever and however often it comes."""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Outcome, Receipt
from portal.credits import ledger
from portal.database import insert
from portal.messaging.outbound import push_status
from portal.messaging.statuses import TAKEN, follow_parts, from_outcome, move_part
from portal.models import Message, Part, ReceiptRow, Sender, Status
from portal.queue.jobs import drop

# After this a provider's silence is final: the message stays "sent, no receipt".
RECEIPT_WAIT = timedelta(hours=72)


def take_receipt(session: Session, sender: Sender, receipt: Receipt, event_id: int | None, who: str = "") -> str:
    """Keeps a receipt and applies it when its part is known; one that comes too early waits for its part."""
    new = insert(session, ReceiptRow).values(
        sender_id=sender.id,
        external_id=receipt.external_id[:200],
        recipient=receipt.recipient[:160],
        outcome=receipt.outcome.value,
        code=receipt.code[:64],
        detail=receipt.detail,
        at=receipt.at or clock.now(),
        event_id=event_id,
    )
    receipt_id = session.scalar(new.on_conflict_do_nothing().returning(ReceiptRow.id))
    if receipt_id is None:
        return "repeat of a known receipt"
    part = locked_part(session, sender.id, receipt.external_id)
    if part is None:
        return "receipt kept: its message is not known yet"
    session.execute(update(ReceiptRow).where(ReceiptRow.id == receipt_id).values(part_id=part.id))
    moved = apply_receipt(session, part, receipt, who or f"{sender.channel} receipt")
    return f"{receipt.outcome.value} for message {part.message.uuid}" + ("" if moved else ", which stays as it is")


def locked_part(session: Session, sender_id: int, external_id: str) -> Part | None:
    """The part with this provider id, its message's row locked first."""
    found = session.execute(
        select(Part.id, Part.message_id).where(Part.sender_id == sender_id, Part.external_id == external_id)
    ).first()
    return lock_part(session, found.message_id, found.id) if found else None


def lock_part(session: Session, message_id: int, part_id: int) -> Part:
    """The part and its message, read afresh under the message's row lock."""
    session.scalars(
        select(Message).where(Message.id == message_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    parts = select(Part).where(Part.message_id == message_id).execution_options(populate_existing=True)
    return next(part for part in session.scalars(parts) if part.id == part_id)


def apply_receipt(session: Session, part: Part, receipt: Receipt, who: str) -> bool:
    """Moves the part and its message, and the credits with them; True when something moved."""
    before = part.status
    detail = receipt.detail
    if not move_part(session, part, from_outcome(receipt.outcome), who=who, code=receipt.code, detail=detail):
        return False
    if before == Status.UNKNOWN or before == Status.SENDING:
        part.accepted_at = part.accepted_at or clock.now()
        drop(session, "send", [part.id])
    if receipt.outcome in (Outcome.DELIVERED, Outcome.READ, Outcome.FAILED, Outcome.EXPIRED):
        part.next_poll_at = None
    move_credits(session, part, detail)
    if follow_parts(session, part.message, who=who, code=receipt.code, detail=detail):
        push_status(session, part.message)
    return True


def move_credits(session: Session, part: Part, reason: str) -> None:
    """Brings the ledger in line with where the part is now: taken is spent, failed is free."""
    message = part.message
    if not message.funded:
        return  # held for lack of credits: there is nothing to give back
    wallet = ledger.wallet_of(session, message.location_id)
    had = ledger.state_of(session, message.id, part.number)
    arguments = (wallet, message.id, part.number, part.price)
    if part.status in TAKEN:
        if {"release", "refund"} & had:
            movements = [ledger.charge_late(*arguments, "it proved to have gone out after its credits were given back")]
        else:
            movements = [ledger.settle(*arguments)]
    elif "settle" in had:
        movements = [ledger.refund(*arguments, reason)]
    elif {"release", "charge_late"} & had:
        movements = []
    else:
        movements = [ledger.give_back(*arguments, reason)]
    ledger.write(session, movements)


def match_early_receipts(session: Session, part: Part, who: str) -> None:
    """Applies receipts that came before the part had its provider id, in the order of their weight."""
    rows = session.scalars(
        select(ReceiptRow).where(
            ReceiptRow.sender_id == part.sender_id,
            ReceiptRow.external_id == part.external_id,
            ReceiptRow.part_id.is_(None),
        )
    ).all()
    order = list(Outcome)
    for row in sorted(rows, key=lambda each: order.index(Outcome(each.outcome))):
        row.part_id = part.id
        receipt = Receipt(row.external_id, Outcome(row.outcome), row.code, row.detail, row.recipient, row.at)
        apply_receipt(session, part, receipt, who)
