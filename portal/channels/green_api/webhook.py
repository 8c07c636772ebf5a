"""A notification of GREEN-API: who it is for, whether it is authentic, and everything it says. Pure functions.

There is no signature: the token that our settings name comes back in `Authorization`. One request is one notification.
Only 200 takes it from the instance's queue, which waits behind it (docs, "Technology webhook endpoint").
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.channels.base import Account, ChannelError, ChannelEvent, WebhookRequest
from portal.channels.green_api import calls, notices
from portal.channels.green_api.fields import instance
from portal.channels.green_api.messages import inbound
from portal.channels.green_api.peek import peek, readable
from portal.channels.green_api.receipts import receipt
from portal.channels.green_api.settings import webhook_token

LONGEST_LANE = 120
SCHEMES = ("bearer ", "basic ")


def addressed(request: WebhookRequest) -> str:
    """The instance it is for, "" when it names none."""
    return peek(request.body)[0]


def lane(request: WebhookRequest) -> str:
    """The chat it is about, "" for what is about the line itself."""
    return peek(request.body)[1][:LONGEST_LANE]


def verify(account: Account, request: WebhookRequest) -> bool:
    """Does it show this sender's token, as `Bearer T`, `Basic T` or bare `T`? And is it for this sender's instance?"""
    expected = webhook_token(account.credentials)
    if not expected or addressed(request) != instance(account.credentials):
        return False
    shown = request.headers.get("authorization", "").strip()
    for scheme in SCHEMES:
        if shown.lower().startswith(scheme):
            shown = shown[len(scheme) :].strip()
            break
    return hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode())


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Everything it says; nothing for kinds that tell nothing. Raises `ChannelError` when it cannot be read."""
    said = readable(request.body)
    if not isinstance(said, dict):
        raise ChannelError("The notification is no JSON object.", code="unreadable")
    if not isinstance(said.get("typeWebhook"), str):
        raise ChannelError("The notification names no type.", code="unreadable")
    reader = _READERS.get(said["typeWebhook"])
    return [] if reader is None else reader(said)


def _received(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    return inbound(said)


def _typed(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    return inbound(said, from_us=True)


def _by_api(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    return inbound(said, from_us=True, by_api=True)


def _status(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """The receipt; and when messages are held back, a hint that the line's state has changed."""
    found = receipt(said, said.get("status"))
    if found is None:
        return []
    return [found, notices.state(said, "yellowCard")] if found.code == "yellowCard" else [found]


# `deviceInfo` and `incomingBlock` are switched off at GREEN-API and tell nothing that would change what anybody does.
_READERS: dict[str, Callable[[Mapping[str, Any]], Sequence[ChannelEvent]]] = {
    "incomingMessageReceived": _received,
    "outgoingMessageReceived": _typed,
    "outgoingAPIMessageReceived": _by_api,
    "outgoingMessageStatus": _status,
    "incomingCall": calls.incoming,
    "outgoingCall": calls.outgoing,
    "stateInstanceChanged": notices.state_changed,
    "statusInstanceChanged": notices.phone_changed,
    "quotaExceeded": notices.quota,
}
