"""Calls as messages: one external id for a call, which rings first and then ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelEvent, Inbound
from portal.channels.content import CallState, Kind
from portal.channels.green_api import chats
from portal.channels.green_api.codes import INCOMING_CALLS, OUTGOING_CALLS
from portal.channels.values import block, identifier, moment, number, text


def incoming(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """A call to the line. One without a status is of the old kind, which told the beginning only."""
    state = INCOMING_CALLS.get(text(said.get("status")) or "offer", CallState.MISSED)
    return _call(said, state, from_us=False)


def outgoing(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """A call from the linked phone. `hungUp` and `invalid` say that nobody was reached."""
    state = OUTGOING_CALLS.get(text(said.get("status")) or "offer", CallState.MISSED)
    return _call(said, state, from_us=True)


def _call(said: Mapping[str, Any], state: CallState, *, from_us: bool) -> Sequence[ChannelEvent]:
    chat = chats.peer(said.get("from"))
    if chat is None:
        return []
    details: dict[str, Any] = {"state": state, "video": said.get("isVideo") is True}
    if seconds := number(said.get("duration")):
        details["seconds"] = int(seconds)
    return [
        Inbound(
            chat.value,
            "",
            external_id=identifier(said.get("idMessage")),
            recipient=chats.line(block(said.get("instanceData")).get("wid")),
            at=moment(said.get("timestamp")),
            kind=Kind.CALL,
            sender_kind=chat.kind,
            details=details,
            from_us=from_us,
        )
    ]
