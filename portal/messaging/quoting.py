"""The message that an outgoing one answers: named by HighLevel, found among ours, told by the provider's own id."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import Relation
from portal.messaging import telling
from portal.models import Message, Part, Sender


@dataclass(frozen=True, slots=True)
class Quoted:
    """An earlier message, and what is done with it.

    `external_id` is None when its provider has none for it: then it is quoted here alone.
    """

    message_id: int
    external_id: str | None
    text: str
    relation: Relation = Relation.REPLY


def columns(quotes: Quoted | None) -> dict[str, Any]:
    """What the answer's row keeps of the message that it quotes."""
    if quotes is None:
        return {}
    return {
        "about_relation": quotes.relation,
        "about_id": quotes.message_id,
        "about_external_id": quotes.external_id,
        "about_text": quotes.text,
    }


def by_alt_id(session: Session, location_id: int, alt_id: str) -> Quoted | None:
    """The location's message that HighLevel knows under this id of ours (or under its own), None when there is none."""
    if not alt_id or len(alt_id) > 200:
        return None
    senders = select(Sender.id).where(Sender.location_id == location_id)
    ways = (
        select(Message).where(Message.location_id == location_id, Message.uuid == alt_id),
        select(Message).where(Message.sender_id.in_(senders), Message.external_id == alt_id),
        select(Message).join(Part).where(Part.sender_id.in_(senders), Part.external_id == alt_id),
        select(Message).where(Message.location_id == location_id, Message.ghl_message_id == alt_id),
    )
    for way in ways:
        message = session.scalar(way.limit(1))
        if message is not None:
            own = select(Part.external_id).where(Part.message_id == message.id).order_by(Part.number)
            return Quoted(message.id, message.external_id or session.scalar(own.limit(1)), telling.brief(message))
    return None


def keep_own(session: Session, message: Message, sender: Sender) -> None:
    """Takes away an id that another sender's provider gave: to this one it says nothing, or something else."""
    if message.about_id is None or message.about_external_id is None:
        return
    quoted = select(Message.sender_id).where(Message.id == message.about_id)
    if session.scalar(quoted) != sender.id:
        message.about_external_id = None
