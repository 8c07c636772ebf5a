"""What may be posted to a simulator sender, by hand or from a test.

`…/receive` is a message from a customer:
    from | sender | msisdn, text | message | body | content,
    and, where known, id | message_id | messageId | external_id, to | recipient
`…/status` is a receipt:
    id | message_id | messageId | external_id, status | state,
    and, where known, code, to | recipient, detail

Both as a JSON object, a list of them, an HTML form or the query; fields of the body win over the query's.
Statuses: accepted queued · sent · delivered · read seen played · expired · failed undelivered rejected, and the
carriers' words ACCEPTD DELIVRD EXPIRED UNDELIV REJECTD, in any case.
"""

from collections.abc import Callable, Mapping, Sequence
from json import loads
from typing import Any
from urllib.parse import parse_qsl

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Outcome, Receipt, WebhookRequest

SENDER = ("from", "sender", "msisdn")
RECIPIENT = ("to", "recipient")
TEXT = ("text", "message", "body", "content")
EXTERNAL_ID = ("id", "message_id", "messageId", "external_id")
STATE = ("status", "state")

OUTCOMES = {
    "accepted": Outcome.ACCEPTED,
    "queued": Outcome.ACCEPTED,
    "acceptd": Outcome.SENT,
    "sent": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "delivrd": Outcome.DELIVERED,
    "read": Outcome.READ,
    "seen": Outcome.READ,
    "played": Outcome.PLAYED,
    "expired": Outcome.EXPIRED,
    "failed": Outcome.FAILED,
    "undelivered": Outcome.FAILED,
    "undeliv": Outcome.FAILED,
    "rejected": Outcome.FAILED,
    "rejectd": Outcome.FAILED,
}

Fields = Mapping[str, Any]


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Everything the request says. Raises `ChannelError` when a required field is missing or it cannot be read."""
    readers: dict[str, Callable[[Fields], ChannelEvent]] = {"receive": _inbound, "status": _receipt}
    reader = readers.get(request.action)
    if reader is None:
        raise ChannelError(f"The simulator knows the actions receive and status, not {request.action!r}.")
    return [reader(fields) for fields in _read(request)]


def lane(request: WebhookRequest) -> str:
    """The customer's address: the first message's sender, or the first receipt's recipient."""
    try:
        first = next(iter(_read(request)), {})
    except ChannelError:
        return ""
    return _field(first, SENDER if request.action == "receive" else RECIPIENT)


def _inbound(fields: Fields) -> Inbound:
    sender, text = _field(fields, SENDER), _field(fields, TEXT)
    if not sender or not text:
        raise ChannelError("A message needs from and text.")
    return Inbound(sender, text, external_id=_field(fields, EXTERNAL_ID), recipient=_field(fields, RECIPIENT))


def _receipt(fields: Fields) -> Receipt:
    external_id, state = _field(fields, EXTERNAL_ID), _field(fields, STATE)
    outcome = OUTCOMES.get(state.lower())
    if not external_id or outcome is None:
        raise ChannelError(f"A receipt needs id and a status; this status is not known: {state[:40]!r}.")
    return Receipt(
        external_id,
        outcome,
        code=_field(fields, ("code",)) or state,
        detail=_field(fields, ("detail",)),
        recipient=_field(fields, RECIPIENT),
    )


def _read(request: WebhookRequest) -> list[Fields]:
    query = dict(parse_qsl(request.query))
    body = request.body.strip()
    if not body.startswith((b"{", b"[")):
        return [query | dict(parse_qsl(body.decode("utf-8", "replace")))]
    try:
        said = loads(body)
    except (ValueError, RecursionError):
        raise ChannelError("The request is not the JSON it begins as.") from None
    entries = said if isinstance(said, list) else [said]
    if not all(isinstance(entry, dict) for entry in entries):
        raise ChannelError("The request's JSON must be an object, or a list of objects.")
    return [query | entry for entry in entries]


def _field(fields: Fields, names: Sequence[str]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    return ""
