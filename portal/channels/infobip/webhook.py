"""Reading what Infobip posts: reports and texts, as JSON, several in one request. Nothing is signed."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Unread, WebhookRequest
from portal.channels.callbacks import RECEIVE, STATUS, e164, our_key, said, status_lane
from portal.channels.content import Kind
from portal.channels.infobip import receipts
from portal.channels.values import block, blocks, identifier, text


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Each item of a request. Raises `ChannelError` when it holds none."""
    if request.action not in (STATUS, RECEIVE):
        raise ChannelError("Infobip posts to the actions receive and status alone.")
    found = said(request)
    results = found.get("results") if isinstance(found, dict) else None
    if not isinstance(results, list):
        raise ChannelError("Infobip's request holds no results.")
    if request.action == RECEIVE:
        return [_inbound(each) for each in results]
    # Several reports in one request are not all of the message whose key is in the address.
    key = our_key(request) if len(results) == 1 else ""
    return [_receipt(each, key) for each in results]


def lane(request: WebhookRequest) -> str:
    """The customer's number, or the lane of a message's receipts, by the first item."""
    try:
        found = said(request)
    except ChannelError:
        return ""
    first = next(iter(blocks(found.get("results") if isinstance(found, dict) else None)), {})
    if request.action == STATUS:
        return status_lane(identifier(first.get("messageId")))
    return text(first.get("from"))[:40]


def _receipt(item: object, key: str) -> ChannelEvent:
    report = block(item)
    found = receipts.of_report(report, identifier(report.get("callbackData")) or key)
    if found is not None:
        return found
    status = text(block(report.get("status")).get("name") or block(report.get("status")).get("groupName"))[:60]
    return Unread(f"Infobip's status “{status}” is not known here.", item)


def _inbound(item: object) -> ChannelEvent:
    told = block(item)
    sender = text(told.get("from")).strip()
    if not sender:
        return Unread("Infobip's message names no sender.", item)
    segments = blocks(told.get("message"))
    return Inbound(
        e164(sender),
        text(told.get("text")) or _texts(segments),
        external_id=identifier(told.get("messageId")),
        recipient=e164(text(told.get("to"))),
        at=receipts.moment(told.get("receivedAt")),
        kind=Kind.UNSUPPORTED if segments else Kind.TEXT,
        details={"type": "MMS"} if segments else {},
    )


def _texts(segments: Sequence[Mapping[str, Any]]) -> str:
    """The words of an MMS, whose files are not fetched."""
    return "\n".join(filter(None, (text(each.get("value")) for each in segments)))
