"""Receipts: a provider's word on a part moves it forward once, whenever and however often it comes."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Loss, Outcome, Receipt
from portal.database import insert
from portal.messaging import optouts, rejections
from portal.messaging.charges import move_credits
from portal.messaging.outbound import push_status
from portal.messaging.statuses import FINAL, follow_parts, from_outcome, move_part
from portal.messaging.storable import storable
from portal.models import Message, Part, ReceiptRow, Sender, Status
from portal.queue.jobs import drop

# After this a provider's silence is final: the message stays "sent, no receipt".
RECEIPT_WAIT = timedelta(hours=72)


def take_receipt(session: Session, sender: Sender, receipt: Receipt, event_id: int | None, who: str = "") -> str:
    """Keeps a receipt and applies it when its part is known; one that comes too early waits for its part."""
    external_id = storable(receipt.external_id, 200)
    receipt = replace(receipt, code=storable(receipt.code, 64), detail=storable(receipt.detail, 1000))
    new = insert(session, ReceiptRow).values(
        sender_id=sender.id,
        external_id=external_id,
        recipient=storable(receipt.recipient, 160),
        outcome=receipt.outcome.value,
        code=receipt.code,
        detail=receipt.detail,
        loss=receipt.loss.value,
        at=receipt.at or clock.now(),
        received_at=clock.now(),
        event_id=event_id,
    )
    receipt_id = session.scalar(new.on_conflict_do_nothing().returning(ReceiptRow.id))
    part = locked_part(session, sender.id, external_id)
    if receipt_id is not None and receipt.outcome is Outcome.FAILED:
        rejections.note(session, sender.id)
    if receipt_id is None:
        if part is not None:
            match_early_receipts(session, part, who or f"{sender.channel} receipt")
        return "repeat of a known receipt"
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
    if receipt.loss is Loss.OPTED_OUT:
        optouts.learn(session, part.message, who, receipt.code or "opted out", detail)
    if not move_part(session, part, from_outcome(receipt.outcome), who=who, code=receipt.code, detail=detail):
        return False
    if before == Status.UNKNOWN or before == Status.SENDING:
        part.accepted_at = part.accepted_at or clock.now()
        drop(session, "send", [part.id])
    if receipt.outcome in (Outcome.DELIVERED, Outcome.READ, Outcome.FAILED, Outcome.EXPIRED):
        part.next_poll_at = None
    move_credits(session, part, detail)
    if part.status in FINAL:
        take_back_rest(session, part, detail)
    if follow_parts(session, part.message, who=who, code=receipt.code, detail=detail):
        push_status(session, part.message)
    return True


def take_back_rest(session: Session, failed: Part, detail: str) -> None:
    """Parts that have not gone out do not follow one that failed: half a message more helps nobody."""
    for each in failed.message.parts:
        if each.status in (Status.QUEUED, Status.HELD):
            move_part(session, each, Status.CANCELLED, who="portal", detail=detail)
            move_credits(session, each, detail)
            drop(session, "send", [each.id])


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
        receipt = Receipt(
            row.external_id, Outcome(row.outcome), row.code, row.detail, row.recipient, row.at, Loss(row.loss)
        )
        apply_receipt(session, part, receipt, who)
