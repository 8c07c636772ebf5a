"""Long texts that a provider hands on SMS by SMS: they become one message when all of them are here.

What does not come within `PATIENCE` is not waited for: the customer's words are worth more than their completeness.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Inbound
from portal.crypto import Vault
from portal.database import Database, insert, is_away
from portal.messaging.inbound import take_inbound
from portal.messaging.storable import storable
from portal.models import Event, InboundPiece, Sender

log = logging.getLogger(__name__)

# Carriers hand the SMS of one text on within seconds, a phone that loses its network within minutes.
PATIENCE = timedelta(minutes=5)
# A phone uses its few references again: one that was used so long ago belongs to another text.
SAME_TEXT = timedelta(hours=24)
MISSING = "[…]"
AT_ONCE = 200


def take(session: Session, sender: Sender, said: Inbound, event: Event, vault: Vault) -> str:
    """Keeps one SMS, and writes the message when it was the last that was missing; what became of it in words."""
    piece = said.piece
    if piece is None:
        return take_inbound(session, sender, said, event, vault)
    reference, address = storable(piece.reference, 200), storable(said.sender, 160)
    new = insert(session, InboundPiece).values(
        sender_id=sender.id,
        external_id=storable(said.external_id, 200) or f"{event.id}/{piece.number}",
        address=address,
        recipient=storable(said.recipient, 160),
        reference=reference,
        number=piece.number,
        total=piece.total,
        body=storable(said.text),
        said_at=said.at,
        event_id=event.id,
        received_at=clock.now(),
    )
    new_id = session.scalar(new.on_conflict_do_nothing().returning(InboundPiece.id))
    if new_id is None:
        return "repeat of a known piece"
    waiting = _waiting(session, sender.id, address, reference)
    [mine] = [each for each in waiting if each.id == new_id]
    others = [each for each in waiting if each.id != new_id]
    if any(each.total != mine.total or each.number == mine.number for each in others):
        _join(session, sender, others, vault)  # the reference has come round again
        others = []
    if len(others) + 1 < mine.total and (others or not _comes_late(session, mine)):
        return f"SMS {mine.number} of {mine.total} of a text, which waits for the others"
    return _join(session, sender, [*others, mine], vault, late=not others)


def join_overdue(database: Database, vault: Vault) -> int:
    """Makes messages of what has waited long enough; returns how many.

    Each in a transaction of its own: one text that the portal fails on keeps no other waiting.
    """
    key = InboundPiece.sender_id, InboundPiece.address, InboundPiece.reference
    with database.read() as session:
        due = session.execute(
            select(*key)
            .where(InboundPiece.joined_at.is_(None))
            .group_by(*key)
            .having(func.max(InboundPiece.received_at) < clock.now() - PATIENCE)
            .order_by(func.max(InboundPiece.received_at).desc())  # what failed before comes last
            .limit(AT_ONCE)
        ).all()
    done = 0
    for sender_id, address, reference in due:
        try:
            with database.write() as session:
                done += _join_late(session, sender_id, address, reference, vault)
        except Exception as error:
            if isinstance(error, SQLAlchemyError | TimeoutError) and is_away(error):
                raise
            log.exception("a text in pieces could not be joined", extra={"sender_id": sender_id})
    return done


def _join_late(session: Session, sender_id: int, address: str, reference: str, vault: Vault) -> bool:
    waiting = _waiting(session, sender_id, address, reference)
    # One may have come since: then it is waited for the others again.
    if not waiting or max(each.received_at for each in waiting) >= clock.now() - PATIENCE:
        return False
    _join(session, session.get_one(Sender, sender_id), waiting, vault)
    return True


def forget(session: Session, before: datetime) -> None:
    """Removes what became messages long ago."""
    session.execute(delete(InboundPiece).where(InboundPiece.joined_at.is_not(None), InboundPiece.received_at < before))


def _waiting(session: Session, sender_id: int, address: str, reference: str) -> list[InboundPiece]:
    """What is here of a text, locked."""
    mine = InboundPiece.sender_id == sender_id, InboundPiece.address == address, InboundPiece.reference == reference
    found = select(InboundPiece).where(*mine, InboundPiece.joined_at.is_(None)).order_by(InboundPiece.id)
    return list(session.scalars(found.with_for_update().execution_options(populate_existing=True)))


def _comes_late(session: Session, mine: InboundPiece) -> bool:
    """Were the others of its text not waited for any longer?"""
    alike = (
        InboundPiece.sender_id == mine.sender_id,
        InboundPiece.address == mine.address,
        InboundPiece.reference == mine.reference,
        InboundPiece.total == mine.total,
    )
    joined = select(InboundPiece.number).where(*alike, InboundPiece.joined_at > clock.now() - SAME_TEXT)
    numbers = set(session.scalars(joined))
    return 0 < len(numbers) < mine.total and mine.number not in numbers


def _join(session: Session, sender: Sender, pieces: Sequence[InboundPiece], vault: Vault, *, late: bool = False) -> str:
    """One message out of them, in the place of the one that came last. `late`: the others are a message already."""
    moment = clock.now()
    ordered = sorted(pieces, key=lambda each: each.number)
    for each in ordered:
        each.joined_at = moment
    session.flush()
    first = ordered[0]
    event = session.get_one(Event, max(each.event_id for each in ordered))
    said = Inbound(
        first.address,
        first.body if late else _text(ordered),
        external_id=first.external_id,
        recipient=first.recipient,
        at=first.said_at,
    )
    return take_inbound(session, sender, said, event, vault)


def _text(ordered: Sequence[InboundPiece]) -> str:
    """The text, with a mark in each gap."""
    bodies = {each.number: each.body for each in ordered}
    said = [bodies.get(number) for number in range(1, ordered[0].total + 1)]
    joined: list[str] = []
    for body in said:
        if body is not None or not joined or joined[-1] != MISSING:
            joined.append(MISSING if body is None else body)
    return "".join(joined)
