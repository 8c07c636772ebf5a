"""The few fields that route a notification, taken where the request must be answered at once: nothing raises here."""

import json
from typing import Any

import msgspec

from portal.channels.values import block, identifier, text


class _Instance(msgspec.Struct):
    idInstance: object = None


class _Sender(msgspec.Struct):
    chatId: object = None


class _Routing(msgspec.Struct):
    """Everything else stays undecoded, so that a peek costs microseconds. `caller` is the `from` of a call."""

    instanceData: _Instance | None = None
    senderData: _Sender | None = None
    chatId: object = None
    caller: object = msgspec.field(default=None, name="from")


_routing = msgspec.json.Decoder(_Routing)


def peek(body: bytes) -> tuple[str, str]:
    """The instance that it is for and the chat that it is about, "" for what is not told."""
    try:
        found = _routing.decode(body)
    except (ValueError, RecursionError):
        # Half an emoji, cut off in a name, is more than msgspec takes; a refused request would hold up the whole queue.
        said = block(readable(body))
        chat = block(said.get("senderData")).get("chatId") or said.get("chatId") or said.get("from")
        return identifier(block(said.get("instanceData")).get("idInstance")), text(chat)
    chat = (found.senderData.chatId if found.senderData else None) or found.chatId or found.caller
    return identifier(found.instanceData.idInstance if found.instanceData else None), text(chat)


def readable(body: bytes) -> Any:
    """The body as JSON, whatever bytes are in its texts; None when it is none."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
