"""Calls over the number (Meta's Calling API), as messages: one id for a call, which rings first and then ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound
from portal.channels.content import CallState, Kind
from portal.channels.values import identifier, moment, number, text
from portal.channels.whatsapp_cloud import addresses
from portal.channels.whatsapp_cloud.messages import called, contact, line

CONNECT, TERMINATE, OURS = "connect", "terminate", "BUSINESS_INITIATED"


def call(said: Mapping[str, Any], value: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """The beginning or the end of a call; nothing for what lies between. Only one that was answered has a duration."""
    event, from_us = text(said.get("event")), said.get("direction") == OURS
    if event not in (CONNECT, TERMINATE):
        return []
    told = ("to", "to_user_id") if from_us else ("from", "from_user_id")
    card = contact(value, said.get(told[0]), said.get(told[1]))
    people = addresses.person((said.get(told[0]), said.get(told[1])), (card.get("wa_id"), card.get("user_id")))
    if not people:
        raise ChannelError("The call names nobody.", code="unreadable")
    seconds = int(number(said.get("duration")) or 0)
    ended = CallState.ANSWERED if seconds > 0 else CallState.MISSED
    state = CallState.RINGING if event == CONNECT else ended
    details = {"state": state, "video": False} | ({"seconds": seconds} if seconds > 0 else {})
    return [
        Inbound(
            people[0].value,
            "",
            external_id=identifier(said.get("id")),
            recipient=line(value),
            at=moment(said.get("timestamp")),
            kind=Kind.CALL,
            sender_kind=people[0].kind,
            name=called(card),
            same_as=tuple(people[1:]),
            details=details,
            from_us=from_us,
        )
    ]
