"""Receipts: a provider's word on a part moves it forward once, whenever and however often it comes.

A part is found by the provider's id. Where the answer to our call was lost, nobody knows that id; a provider that gives
our own key of the call back (`Receipt.our_key`) then tells both, and the outcome is not unknown any more.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Select, delete, func, literal_column, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Loss, Outcome, Receipt
from portal.database import insert
from portal.messaging import hints, optouts, rejections, segment_receipts, setbacks, windows
from portal.messaging.charges import move_credits
from portal.messaging.held import let_go
from portal.messaging.outbound import push_status
from portal.messaging.statuses import FINAL, RESTORED, follow_parts, from_outcome, move_part
from portal.messaging.storable import storable, storable_details
from portal.models import Direction, Message, Part, ReceiptRow, Sender, Status, StatusChange
from portal.queue.jobs import SEND, drop, enqueue, job

# After this a provider's silence is final: the message stays "sent, no receipt".
RECEIPT_WAIT = timedelta(hours=72)
# A receipt whose part nobody knows is looked at once more after this; later `sweeping.match_orphans` finds it.
SECOND_LOOK = timedelta(seconds=1)
MATCH = "match_receipt"
# Keys as `fence.key_of` makes them: what else a provider gives back was written by another program.
_KEY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.([1-9]\d{0,3}))?:([1-9]\d{0,6})", re.ASCII)
_UUID_LENGTH = 36
LOST_ANSWER = "The answer to the call was lost; the provider's report names the call."
_NOT_OUT = (Outcome.FAILED, Outcome.EXPIRED)
_ARRIVED = (Outcome.DELIVERED, Outcome.READ, Outcome.PLAYED)


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
        our_key=our_key(receipt),
        billing=storable_details(receipt.billing),
        setback=setbacks.stored(receipt.setback),
    )
    setbacks.lock_gate(session, sender, receipt)
    receipt_id = session.scalar(new.on_conflict_do_nothing().returning(ReceiptRow.id))
    part = locked_part(session, sender.id, external_id)
    named = _named(session, sender, receipt.our_key) if part is None else None
    former = _former(session, sender, receipt, external_id) if part is None and named is None else None
    if former is not None and receipt_id is not None:
        session.execute(delete(ReceiptRow).where(ReceiptRow.id == receipt_id))
        return take_receipt(session, former, receipt, event_id, who)
    if named is not None and receipt_id is None and _is_matched(session, sender.id, external_id):
        return "repeat of a known receipt"  # of a call that failed: its part waits for another one, or has it
    if named is not None:
        rounds = int(receipt.our_key.rpartition(":")[2])
        part = named if _claim(session, named, rounds, external_id, [receipt.outcome], who) else None
    if receipt_id is not None and receipt.outcome is Outcome.FAILED:
        rejections.note(session, sender.id)
    # What the provider was asked for is no hint.
    waits = part is not None and event_id is not None and hints.ask_first(session, sender, part, receipt)
    if receipt_id is None:
        if part is not None and not waits:
            match_early_receipts(session, part, who or f"{sender.channel} receipt")
        return "repeat of a known receipt"
    if part is None and named is not None:
        return f"receipt kept with message {named.message.uuid}"
    if part is None:
        _look_again(session, receipt_id)
        return "receipt kept: its message is not known yet"
    if waits:
        return f"{receipt.outcome.value} for message {part.message.uuid}: the provider is asked whether it is so"
    session.execute(update(ReceiptRow).where(ReceiptRow.id == receipt_id).values(part_id=part.id))
    moved = apply_receipt(session, part, receipt, who or f"{sender.channel} receipt")
    if segment_receipts.is_cut(session, part):
        match_by_key(session, part)  # those of its other SMS, which came before the answer to our call
    return f"{receipt.outcome.value} for message {part.message.uuid}" + ("" if moved else ", which stays as it is")


def _look_again(session: Session, receipt_id: int) -> None:
    """The answer to the call may be on its way to the disk just now: then neither of the two sees the other."""
    soon = clock.now() + SECOND_LOOK
    enqueue(session, [job(SEND, MATCH, receipt_id, f"receipt:{receipt_id}", priority=10, run_at=soon)])


def match(session: Session, receipt_id: int) -> bool:
    """Looks for the part of a receipt that came before it was known; False when there is none still."""
    row = session.get(ReceiptRow, receipt_id)
    if row is None or row.part_id is not None:
        return False
    part = locked_part(session, row.sender_id, row.external_id)
    if part is None or hints.are_fresh(session, part):
        return False
    match_early_receipts(session, part, _who(session, part))
    return True


def our_key(receipt: Receipt) -> str:
    """Our key as the provider gives it back, "" for what another program wrote there."""
    return receipt.our_key if _KEY.fullmatch(receipt.our_key) else ""


def _former(session: Session, sender: Sender, receipt: Receipt, external_id: str) -> Sender | None:
    """Who sent it over the same line before it was removed and added again, in the same sub-account.

    Where all senders share one webhook, the request names the line, and that is the new sender's by now.
    """
    if sender.webhook_name is None:
        return None
    same = Sender.channel == sender.channel, Sender.address == sender.address, Sender.id != sender.id
    removed = select(Sender).where(*same, Sender.location_id == sender.location_id).order_by(Sender.id.desc())
    for each in session.scalars(removed).all():
        theirs = select(Part.id).where(Part.sender_id == each.id, Part.external_id == external_id)
        if session.scalar(theirs) is not None or _named(session, each, receipt.our_key) is not None:
            return each
    return None


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
    receipt = segment_receipts.of_whole(session, part, receipt)
    before = part.status
    detail = receipt.detail
    if receipt.billing:
        part.billing = storable_details(receipt.billing)
    if receipt.outcome is Outcome.FAILED:
        windows.refused(session, part, receipt.code)
    stopped = receipt.outcome is Outcome.FAILED and receipt.code in optouts.MARKETING_CODES
    if receipt.loss is Loss.OPTED_OUT or stopped:
        optouts.learn(session, part.message, who, receipt.code or "opted out", detail)
    if setbacks.take(session, part, receipt, who):
        return True
    if not move_part(session, part, from_outcome(receipt.outcome), who=who, code=receipt.code, detail=detail):
        return False
    if before == Status.UNKNOWN or before == Status.SENDING:
        part.accepted_at = part.accepted_at or clock.now()
        drop(session, "send", [part.id])
    if receipt.outcome not in (Outcome.ACCEPTED, Outcome.SENT):
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


def match_early_receipts(session: Session, part: Part, who: str, external_id: str = "") -> None:
    """Applies receipts that came before the part had its provider id, in the order of their weight.

    `external_id` where it is another one: that of a further SMS of the same text.
    """
    same = ReceiptRow.sender_id == part.sender_id, ReceiptRow.external_id == (external_id or part.external_id)
    for row in _by_weight(session.scalars(select(ReceiptRow).where(*same, ReceiptRow.part_id.is_(None))).all()):
        row.part_id = part.id
        receipt = Receipt(
            row.external_id,
            Outcome(row.outcome),
            row.code,
            row.detail,
            row.recipient,
            row.at,
            Loss(row.loss),
            billing=row.billing,
            setback=setbacks.restored(row.setback),
        )
        apply_receipt(session, part, receipt, who)


def _by_weight(rows: Sequence[ReceiptRow]) -> list[ReceiptRow]:
    order = list(Outcome)
    return sorted(rows, key=lambda each: order.index(Outcome(each.outcome)))


def match_by_key(session: Session, part: Part) -> bool:
    """Receipts that name a call of this part, whose answer is not known: the provider has it, says the first of them.

    The caller has locked the message. True when the outcome is known by that.
    """
    start = part.message.uuid + (f".{part.number}" if part.number > 1 else "")
    # Spelled out for the partial index: a parameter would hide it from the planner.
    waiting = literal_column("receipt.our_key") != literal_column("''")
    mine = waiting, ReceiptRow.our_key.startswith(f"{start}:"), ReceiptRow.sender_id == part.sender_id
    rows = _by_weight(session.scalars(select(ReceiptRow).where(*mine, ReceiptRow.part_id.is_(None))).all())
    settled = False
    for row in rows:
        if row.part_id is not None:
            continue  # matched with one before it
        alike = [Outcome(each.outcome) for each in rows if each.external_id == row.external_id]
        rounds = int(row.our_key.rpartition(":")[2])
        if _claim(session, part, rounds, row.external_id, alike, ""):
            match_early_receipts(session, part, _who(session, part), row.external_id)
            settled = True
    return settled


def waiting_by_key() -> Select[int]:
    """The parts that receipts wait for which name one of its calls: in case neither noticed the other."""
    uuid = func.substr(ReceiptRow.our_key, 1, _UUID_LENGTH)
    mine = Message.location_id == Sender.location_id, Part.sender_id == ReceiptRow.sender_id
    recent = ReceiptRow.received_at > clock.now() - RECEIPT_WAIT
    number = func.substr(ReceiptRow.our_key, _UUID_LENGTH + 1, 1)
    return (
        select(Part.id)
        .join(Message, Message.id == Part.message_id)
        .join(ReceiptRow, uuid == Message.uuid)
        .join(Sender, Sender.id == ReceiptRow.sender_id)
        .where(ReceiptRow.part_id.is_(None), ReceiptRow.our_key != "", recent, *mine)
        .where(or_(number == ".", Part.number == 1), Part.status != Status.SENDING)
        .distinct()
    )


def _named(session: Session, sender: Sender, our_key: str) -> Part | None:
    """The part of this sender's that was called under the key, its message's row locked first."""
    found = _KEY.fullmatch(our_key)
    if found is None:
        return None
    wanted = (
        select(Part.id, Part.message_id)
        .join(Message, Message.id == Part.message_id)
        .where(Message.uuid == found[1], Part.number == int(found[2] or 1), Message.direction == Direction.OUT)
        .where(Message.location_id == sender.location_id, Part.sender_id == sender.id)
    )
    row = session.execute(wanted).first()
    part = lock_part(session, row.message_id, row.id) if row is not None else None
    return part if part is not None and part.sender_id == sender.id else None


def _claim(session: Session, part: Part, rounds: int, external_id: str, outcomes: Sequence[Outcome], who: str) -> bool:
    """Is what the provider reports, under this id, the part's own call? Then the part has the id from now on.

    A call that is being made has its answer waited for. Of a part that waits to be sent again, a copy that went out is
    what it waits for; one that did not go out says nothing. Everything else is another copy: evidence, no more.
    """
    if part.external_id == external_id:
        return True
    same = rounds == part.key_round or (part.code == RESTORED and rounds > part.key_round)
    waits = part.status in (Status.QUEUED, Status.HELD)
    if part.status == Status.SENDING and same:
        return False
    free = part.external_id is None and part.bulk_call_id is None
    if part.lost and not any(each in _ARRIVED for each in outcomes) and has_failed(session, part, external_id):
        _match(session, part, external_id)  # a late word on a call that failed: it does not take that back
        return False
    if free and waits and not all(each in _NOT_OUT for each in outcomes):
        part.external_id = external_id
        _went_out(session, part, who or _who(session, part))
    elif free and not waits and same:
        part.external_id = external_id
    elif segment_receipts.is_another(session, part, rounds, external_id):
        return True
    else:
        _note_copy(session, part, rounds, external_id, who or _who(session, part))
        return False
    session.flush()
    return True


def _went_out(session: Session, part: Part, who: str) -> None:
    """It was to be sent again, and has gone out the first time: it is not sent any more."""
    message, was_held = part.message, part.message.status == Status.HELD
    part.accepted_at = clock.now()
    move_part(session, part, Status.ACCEPTED, who=who, detail=LOST_ANSWER)
    move_credits(session, part, LOST_ANSWER)
    drop(session, "send", [part.id])
    if follow_parts(session, message, who=who, detail=LOST_ANSWER):
        push_status(session, message)
    session.flush()
    if was_held:
        let_go(session, message.conversation_id)


def _note_copy(session: Session, part: Part, rounds: int, external_id: str, who: str) -> None:
    """Evidence in the message's history, once for each copy: it moves nothing."""
    _match(session, part, external_id)
    there = StatusChange.part_id == part.id, StatusChange.code == external_id[:64]
    if session.scalar(select(StatusChange.id).where(StatusChange.message_id == part.message_id, *there)) is not None:
        return
    detail = f"The provider reports another copy of it, from turn {rounds}: id {external_id}. It changes nothing here."
    moment = clock.now()
    session.add(
        StatusChange(
            message_id=part.message_id,
            part_id=part.id,
            before=part.status,
            after=part.status,
            who=who,
            code=external_id[:64],
            detail=detail,
            at=moment,
        )
    )
    session.flush()


def _match(session: Session, part: Part, external_id: str) -> None:
    kept = ReceiptRow.sender_id == part.sender_id, ReceiptRow.external_id == external_id, ReceiptRow.part_id.is_(None)
    session.execute(update(ReceiptRow).where(*kept).values(part_id=part.id))


def _is_matched(session: Session, sender_id: int, external_id: str) -> bool:
    same = ReceiptRow.sender_id == sender_id, ReceiptRow.external_id == external_id
    return session.scalar(select(ReceiptRow.id).where(*same, ReceiptRow.part_id.is_not(None)).limit(1)) is not None


def has_failed(session: Session, part: Part, external_id: str) -> bool:
    """Has the provider said of this call of the part that it came to nothing?"""
    same = ReceiptRow.sender_id == part.sender_id, ReceiptRow.external_id == external_id
    failed = select(ReceiptRow.id).where(*same, ReceiptRow.part_id == part.id, ReceiptRow.outcome.in_(_NOT_OUT))
    return session.scalar(failed.limit(1)) is not None


def _who(session: Session, part: Part) -> str:
    sender = session.get(Sender, part.sender_id)
    return f"{sender.channel} receipt" if sender is not None else "receipt"
