"""Cutting a message anew: held and routed to another channel, it goes out in that channel's parts, at their price."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.credits import ledger
from portal.messaging import parts
from portal.messaging.charges import price_of
from portal.messaging.kinds import content_of
from portal.models import Attempt, Message, Part, ReceiptRow, Sender, Status, StatusChange

_Cut = tuple[parts.Piece, int]


def cut_anew(session: Session, message: Message, sender: Sender) -> bool:
    """Gives a locked message that waits the parts and the price its present sender asks for.

    False, and nothing changed, when there are not enough credits for the difference. A message of which something may
    be out stays as it was cut.
    """
    content = content_of(message.kind, message.details)
    pieces = parts.cut(registry.get(sender.channel), sender.family, message.body, message.attachments, content)
    wanted = [(piece, price_of(session, message, sender, piece)) for piece in pieces]
    if [_shape(part) for part in message.parts] == [_wanted(*each) for each in wanted] or not _untouched(message):
        return True
    if message.funded and not _fund(session, message, sum(price for _, price in wanted)):
        return False
    _rewrite(session, message, sender, wanted)
    return True


def _shape(part: Part) -> tuple[object, ...]:
    return part.body, list(part.attachments), part.kind, dict(part.details), part.segments, part.price


def _wanted(piece: parts.Piece, price: int) -> tuple[object, ...]:
    return piece.body, list(piece.attachments), piece.kind, dict(piece.details), piece.segments, price


def _untouched(message: Message) -> bool:
    return all(part.status == Status.QUEUED and part.external_id is None for part in message.parts)


def _fund(session: Session, message: Message, price: int) -> bool:
    """Holds or frees the difference. Each part's share is its price as long as nothing else was booked on it."""
    difference = price - message.credits
    return ledger.hold_difference(session, message.location_id, message.id, difference, message.bulk)


def _rewrite(session: Session, message: Message, sender: Sender, wanted: Sequence[_Cut]) -> None:
    tried = any(part.attempt for part in message.parts)
    # Another text under a key that the provider knows would be answered with what became of the first one.
    key_round = max(part.key_round for part in message.parts) + tried
    first, surplus = message.parts[0], message.parts[len(wanted) :]
    for part in surplus:
        _keep_attempts(session, part, first)
        session.delete(part)
    session.flush()
    session.refresh(message, ["parts"])
    for number, (piece, price) in enumerate(wanted, start=1):
        if number > len(message.parts):
            message.parts.append(Part(number=number, status=Status.QUEUED))
        part = message.parts[number - 1]
        part.body, part.attachments, part.segments = piece.body, list(piece.attachments), piece.segments
        part.kind, part.details = piece.kind, dict(piece.details)
        part.price, part.key_round, part.sender_id = price, key_round, sender.id
    message.credits = sum(price for _, price in wanted)
    session.flush()


def _keep_attempts(session: Session, gone: Part, first: Part) -> None:
    """The calls of a part that is no more stay in the message's history, and with them what was said of them."""
    for attempt in session.scalars(select(Attempt).where(Attempt.part_id == gone.id).order_by(Attempt.number)):
        first.attempt += 1
        attempt.part_id, attempt.number = first.id, first.attempt
    for named in (ReceiptRow, StatusChange):
        session.execute(update(named).where(named.part_id == gone.id).values(part_id=first.id))
