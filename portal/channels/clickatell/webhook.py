"""Reading what Clickatell posts: the One API's events, and the flat requests of its other integrations."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Unread, WebhookRequest
from portal.channels.callbacks import RECEIVE, STATUS, status_lane, told
from portal.channels.clickatell import incoming, receipts
from portal.channels.values import block, identifier, text

UPDATES, TEXTS = "messageStatusUpdate", "moText"


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Each item of a request. Raises `ChannelError` when it holds none.

    Both kinds of events are read at both addresses: the portal of Clickatell has one field for each, easily mixed up.
    """
    if request.action not in (STATUS, RECEIVE):
        raise ChannelError("Clickatell posts to the actions receive and status alone.")
    said = told(request)
    if isinstance(said.get("event"), dict):
        return _events(said["event"])
    if request.action == STATUS:
        return [_flat_status(said)]
    found = incoming.of_flat(said)
    if found is None:
        raise ChannelError("Clickatell's message names no sender.")
    return [found]


def lane(request: WebhookRequest) -> str:
    """The customer's number, or the lane of a message's receipts, by the first item."""
    try:
        said = told(request)
    except ChannelError:
        return ""
    event = block(said.get("event"))
    first = next((block(each) for name in (UPDATES, TEXTS) for each in _list(event.get(name))), said)
    if request.action == STATUS:
        return status_lane(identifier(first.get("messageId")))
    return text(first.get("from") or first.get("fromNumber"))[:40]


def _events(event: Mapping[str, Any]) -> list[ChannelEvent]:
    found: list[ChannelEvent] = []
    for name, items in event.items():
        for each in _list(items):
            found.append(_event(str(name), each))
    if not found and event:
        raise ChannelError("Clickatell's event holds nothing that can be read.")
    return found


def _event(name: str, item: object) -> ChannelEvent:
    said = block(item)
    if name == UPDATES:
        word = receipts.word_of(said) or text(said.get("statusCode"))
        return receipts.of_update(said) or Unread(f"Clickatell's status “{word[:40]}” is not known here.", item)
    if name == TEXTS:
        return incoming.of_event(said) or Unread("Clickatell's message names no sender.", item)
    return Unread(f"Clickatell's event “{name[:40]}” is not known here.", item)


def _flat_status(said: Mapping[str, Any]) -> ChannelEvent:
    if found := receipts.of_flat(said):
        return found
    if not identifier(said.get("messageId")):
        raise ChannelError("Clickatell's status names no message.")
    code = text(said.get("statusCode"))[:20] or text(said.get("status"))[:40]
    return Unread(f"Clickatell's status “{code}” is not known here.", dict(said))


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []
