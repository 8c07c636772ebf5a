"""What is written in the portal to a conversation that exists: an answer, a reaction, a template to the same person."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import Relation
from portal.errors import InvalidInput, NotFound
from portal.messaging import quoting
from portal.messaging.quoting import Quoted
from portal.models import Location, Message, Sender, SenderState


def target_of(session: Session, location: Location, uuid: str) -> Message:
    """The sub-account's message with this id. Raises `NotFound`."""
    own = Message.location_id == location.id, Message.uuid == uuid
    found = session.scalar(select(Message).where(*own)) if len(uuid) <= 36 else None
    if found is None:
        raise NotFound(f"There is no message {uuid[:36]} in this sub-account.")
    return found


def own_sender(session: Session, location_id: int, sender_id: int) -> Sender:
    """A sender of the sub-account that is in use. Raises `InvalidInput`."""
    sender = session.get(Sender, sender_id)
    if sender is None or sender.location_id != location_id or sender.state == SenderState.REMOVED:
        raise InvalidInput(f"There is no sender {sender_id} in this sub-account.")
    return sender


def sender_of(session: Session, target: Message, wanted: int | None, relation: Relation | None) -> int:
    """The sender that has the message, unless another is wanted, which can neither quote it nor react to it.

    Raises `InvalidInput`.
    """
    if target.sender_id is None:
        raise InvalidInput("That message has no sender yet: it can be neither answered nor reacted to.")
    if relation is not None and wanted not in (None, target.sender_id):
        raise InvalidInput("Only the sender that has the message can answer it or react to it.")
    if relation is Relation.REACTION and _external_id(session, target) is None:
        raise InvalidInput("Its provider has no id for that message (yet): it cannot be reacted to.")
    return own_sender(session, target.location_id, wanted or target.sender_id).id


def _external_id(session: Session, target: Message) -> str | None:
    found = quoting.by_alt_id(session, target.location_id, target.uuid)
    return found.external_id if found is not None else None


def quoted(session: Session, location_id: int, uuid: str, relation: str) -> Quoted | None:
    """The message that an answer quotes or a reaction is to."""
    found = quoting.by_alt_id(session, location_id, uuid)
    return replace(found, relation=Relation(relation)) if found is not None else None
