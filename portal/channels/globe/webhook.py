"""Reading what Globe Labs posts: customers' texts, long ones SMS by SMS, and who has left or joined. JSON, unsigned.

Texts go to the app's Notify URI; who sends STOP to the short code is told to its Redirect URI, as is who opts in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Preference, Unread, WebhookRequest
from portal.channels.callbacks import RECEIVE, told
from portal.channels.content import AddressKind, Peer, Piece
from portal.channels.globe.fields import number
from portal.channels.values import block, identifier, text
from portal.channels.values import number as figure

MOST_PIECES = 255


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Every text of a request, or who has left or joined. Raises `ChannelError` when it is nothing of the kind."""
    if request.action != RECEIVE:
        raise ChannelError("Globe Labs posts to the action receive alone: it has no reports.")
    said = told(request)
    if "inboundSMSMessageList" in said:
        return _texts(block(said["inboundSMSMessageList"]))
    if left := block(said.get("unsubscribed")):
        return [_preference(left, wanted=False)]
    if said.get("subscriber_number"):
        return [_preference(said, wanted=True)]
    if said.get("code"):
        return []  # the first half of an opt-in by web form, which this portal does not ask for
    raise ChannelError("This is no text and no subscription of Globe Labs.")


def lane(request: WebhookRequest) -> str:
    """The customer's number."""
    try:
        said = told(request)
    except ChannelError:
        return ""
    listed = block(said.get("inboundSMSMessageList")).get("inboundSMSMessage")
    first = block(listed[0]) if isinstance(listed, list) and listed else {}
    named = first.get("senderAddress") or (block(said.get("unsubscribed")) or said).get("subscriber_number")
    return number(text(named))[:40]


def _texts(said: Mapping[str, Any]) -> list[ChannelEvent]:
    listed = said.get("inboundSMSMessage")
    if not isinstance(listed, list):
        raise ChannelError("Globe Labs' request holds no list of texts.")
    return [_text(each, said) for each in listed]


def _text(item: object, batch: Mapping[str, Any]) -> ChannelEvent:
    said = block(item)
    sender = number(text(said.get("senderAddress")))
    if not sender:
        return Unread("A text of Globe Labs names no sender.", item)
    return Inbound(
        sender,
        text(said.get("message")),
        external_id=identifier(said.get("messageId")),
        recipient=text(said.get("destinationAddress")).removeprefix("tel:").strip(),
        at=_moment(text(said.get("dateTime"))),
        piece=_piece(said, batch),
    )


def _piece(said: Mapping[str, Any], batch: Mapping[str, Any]) -> Piece | None:
    """Which SMS of a long text it is. How many there are is told as the number of messages “in this batch”."""
    reference = identifier(said.get("multipartRefId"))
    place, total = (
        int(figure(value) or 0) for value in (said.get("multipartSeqNum"), batch.get("numberOfMessagesInThisBatch"))
    )
    return Piece(reference, place, total) if reference and 1 <= place <= total <= MOST_PIECES and total > 1 else None


def _preference(said: Mapping[str, Any], *, wanted: bool) -> ChannelEvent:
    person = number(text(said.get("subscriber_number")))
    if not person:
        return Unread("A subscription of Globe Labs names nobody.", {})
    return Preference(Peer(AddressKind.PHONE, person), marketing=wanted, everything=True)


def _moment(words: str) -> datetime | None:
    """`Fri Nov 22 2013 12:12:13 GMT+0000 (UTC)`."""
    try:
        return datetime.strptime(words.partition(" (")[0], "%a %b %d %Y %H:%M:%S GMT%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
