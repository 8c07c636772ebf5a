"""Senders that share one webhook address (`channels.capabilities.OneWebhook`): which one does a request name?"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Event, Sender

# Before the name in `Event.sender_key`, when nobody could say whose name it was. No key of a sender begins so.
NAMED = "@"


def sender_named(session: Session, channel: str, name: str) -> Sender | None:
    """The live sender of that name, else the last one that was removed."""
    live = session.scalar(select(Sender).where(Sender.channel == channel, Sender.webhook_name == name))
    if live is not None:
        return live
    removed = select(Sender).where(Sender.channel == channel, Sender.address == name).order_by(Sender.id.desc())
    return session.scalar(removed.limit(1))


def sender_of(session: Session, event: Event) -> Sender | None:
    """Whose webhook an event is. One that waited for an answer is told its sender now."""
    if not event.sender_key.startswith(NAMED):
        return session.scalar(select(Sender).where(Sender.key == event.sender_key))
    sender = sender_named(session, event.source, event.sender_key.removeprefix(NAMED))
    if sender is not None:
        event.sender_key = sender.key
    return sender
