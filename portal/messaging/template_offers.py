"""Which messages a template can be sent instead of: those that did not go out through a sender that has templates."""

from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.capabilities import HasTemplates
from portal.channels.content import Kind
from portal.messaging import template_sending
from portal.models import Direction, Message, SenderState, Status, TemplateRow

WANTING = (Status.FAILED, Status.HELD, Status.EXPIRED)


def offered(message: Message) -> bool:
    """Is a template worth offering in place of this message?"""
    return not why_not(message)


def why_not(message: Message) -> str:
    """Why no template can be sent in its place, in a sentence; "" when one can."""
    if message.direction != Direction.OUT or message.kind in (Kind.TEMPLATE, Kind.REACTION):
        return "A template takes the place of a message that was to go out."
    if message.status not in WANTING:
        return "This message went out, or is on its way: it needs no template in its place."
    sender = message.sender
    if sender is None or sender.state == SenderState.REMOVED:
        return "This message has no sender whose templates could be sent."
    if not isinstance(registry.get(sender.channel), HasTemplates):
        return f"{sender.name} knows no templates."
    return ""


def choices(session: Session, message: Message) -> list[TemplateRow]:
    """The templates to choose from; none where there is nothing to replace."""
    if why_not(message) or message.sender_id is None:
        return []
    return template_sending.choices(session, message.sender_id)
