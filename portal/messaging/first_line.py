"""Which line a contact had before the portal: the GREEN-API adapter wrote it into a tag, which is read once.

A tag is anybody's to edit, so it only begins a conversation, and only with a sender of the contact's own location.
"""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.models import Contact, Conversation, Message, Sender, SenderState
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, enqueue, job

READ = "read_tags"
PREFIX = "whatsapp-instance-"
ASKING = "HighLevel is asked which line this contact has used so far."


def by_tag(session: Session, location_id: int, tags: Sequence[str]) -> int | None:
    """The location's own sender that a tag names, None when there is none."""
    named = [tag.strip().lower().removeprefix(PREFIX) for tag in tags if tag.strip().lower().startswith(PREFIX)]
    if not named:
        return None
    own = _lines(location_id).where(Sender.address.in_(named)).order_by(Sender.position, Sender.id)
    return session.scalar(own.limit(1))


def must_ask(session: Session, conversation: Conversation, message: Message) -> bool:
    """Might tags that nobody has read yet say which line to use? Then they are asked for, and the message waits."""
    if message.wanted_sender_id is not None or conversation.sticky_sender_id is not None:
        return False
    contact = session.get_one(Contact, conversation.contact_id)
    if contact.tags_at is not None or not contact.ghl_contact_id:
        return False
    if session.scalar(_lines(conversation.location_id).limit(1)) is None:
        return False
    gate = ghl_gate(conversation.location_id)
    enqueue(session, [job(GHL, READ, contact.id, f"tags:{contact.id}", gate=gate, priority=0)])
    return True


def _lines(location_id: int) -> Select[int]:
    return select(Sender.id).where(
        Sender.location_id == location_id,
        Sender.state != SenderState.REMOVED,
        Sender.family == Family.WHATSAPP,
        Sender.address != "",
    )
