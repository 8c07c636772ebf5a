"""Reading what Twilio posts: a customer's message, or its word on one of ours. Forms, signed."""

from collections.abc import Mapping, Sequence

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Unread, WebhookRequest
from portal.channels.callbacks import RECEIVE, STATUS, e164, fields, our_key, query, status_lane
from portal.channels.twilio import media, receipts
from portal.channels.values import identifier, text

# Twilio executes what it is answered: nothing, else it would answer the customer with our text.
EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
# Advanced opt-out has recognised a word and answered the customer by itself (STOP, START, HELP).
OPT_OUT = "OptOutType"


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """The one message or receipt of a request. Raises `ChannelError` when it is neither."""
    said = fields(request)
    if request.action == STATUS:
        return [_receipt(request, said)]
    if request.action == RECEIVE:
        return [_inbound(said)]
    raise ChannelError("Twilio posts to the actions receive and status alone.")


def lane(request: WebhookRequest) -> str:
    """A customer's number, or the lane of a message's receipts."""
    said = fields(request)
    if request.action == STATUS:
        return status_lane(identifier(said.get("MessageSid") or said.get("SmsSid")))
    return text(said.get("From"))[:40]


def _receipt(request: WebhookRequest, said: Mapping[str, str]) -> ChannelEvent:
    found = receipts.of_callback(said, our_key(request))
    if found is not None:
        return found
    if not identifier(said.get("MessageSid") or said.get("SmsSid")):
        raise ChannelError("Twilio's status names no message.")
    word = text(said.get("MessageStatus") or said.get("SmsStatus"))[:40]
    return Unread(f"Twilio's status “{word}” is not known here.", {"status": word, "query": query(request)})


def _inbound(said: Mapping[str, str]) -> Inbound:
    sender = text(said.get("From")).strip()
    if not sender:
        raise ChannelError("Twilio's message names no sender.")
    if ":" in sender:
        raise ChannelError("This is a message of another Twilio channel than SMS: it needs a sender of its own.")
    found = media.files(said)
    named = text(said.get(OPT_OUT))[:20]
    return Inbound(
        e164(sender),
        text(said.get("Body")),
        external_id=identifier(said.get("MessageSid") or said.get("SmsSid")),
        recipient=e164(text(said.get("To"))),
        files=found,
        kind=media.kind(found),
        details={"opt_out": named} if named else {},
    )
