"""Reading what Vonage calls us with: by GET, as a form or as JSON, whichever the account is set to."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Unread, WebhookRequest
from portal.channels.callbacks import RECEIVE, STATUS, e164, our_key, query, status_lane, told
from portal.channels.content import Kind, Piece
from portal.channels.values import identifier, number, text
from portal.channels.vonage import receipts

BINARY = "binary"
MOST_PIECES = 255


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """The one message or receipt of a request. Raises `ChannelError` when it is neither."""
    if request.action == STATUS:
        return [_receipt(request, told(request))]
    if request.action == RECEIVE:
        return [_inbound(told(request))]
    raise ChannelError("Vonage calls the actions receive and status alone.")


def lane(request: WebhookRequest) -> str:
    """A customer's number, or one lane for all receipts of a text."""
    try:
        said = told(request)
    except ChannelError:
        return ""
    if request.action == STATUS:
        return status_lane(_key(request, said) or receipts.message_id(said))
    return text(said.get("msisdn"))[:40]


def _receipt(request: WebhookRequest, said: Mapping[str, Any]) -> ChannelEvent:
    found = receipts.of_callback(said, _key(request, said))
    if found is not None:
        return found
    if not receipts.message_id(said):
        raise ChannelError("Vonage's receipt names no message.")
    word = text(said.get("status"))[:40]
    return Unread(f"Vonage's status “{word}” is not known here.", {"status": word, "query": query(request)})


def _key(request: WebhookRequest, said: Mapping[str, Any]) -> str:
    """`client-ref` is signed, the address is not."""
    return identifier(said.get("client-ref")) or our_key(request)


def _inbound(said: Mapping[str, Any]) -> Inbound:
    sender = text(said.get("msisdn")).strip()
    if not sender:
        raise ChannelError("Vonage's message names no sender.")
    binary = text(said.get("type")).lower() == BINARY
    return Inbound(
        e164(sender),
        "" if binary else text(said.get("text")),
        external_id=receipts.message_id(said),
        recipient=e164(text(said.get("to"))),
        at=receipts.moment(said.get("message-timestamp")),
        kind=Kind.UNSUPPORTED if binary else Kind.TEXT,
        details={"type": "binary SMS"} if binary else {},
        piece=None if binary else _piece(said),
    )


def _piece(said: Mapping[str, Any]) -> Piece | None:
    """Vonage hands on each SMS of a long text by itself."""
    if text(said.get("concat")).lower() != "true" and said.get("concat") is not True:
        return None
    reference = identifier(said.get("concat-ref"))
    place, total = number(said.get("concat-part")) or 0, number(said.get("concat-total")) or 0
    fits = bool(reference) and 1 <= place <= total <= MOST_PIECES and total > 1
    return Piece(reference, int(place), int(total)) if fits else None
