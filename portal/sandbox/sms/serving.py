"""What a dialect's views need: their provider, and the note of what a call was about."""

from flask import g

from portal.sandbox.context import sandbox
from portal.sandbox.sms.messages import Order, Sent
from portal.sandbox.sms.provider import SmsProvider


def provider(kind: str) -> SmsProvider:
    """The stand-in of this sandbox that the request at hand belongs to."""
    return sandbox().sms[kind]


def note(to: str, text: str) -> None:
    """Says whom a call is for, also when it is refused afterwards: the page then shows it with its message."""
    g.call.arguments.update(to=to, text=text)


def take(kind: str, order: Order, message_id: str = "") -> Sent:
    """Takes a message. `message_id` where the caller or the provider's own shape of ids decides it."""
    note(order.to, order.text)
    sent = provider(kind).take(order, message_id)
    g.call.arguments.update(message_id=sent.id)
    return sent
