"""What a notification says of the line itself: its state, a quota that is used up."""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelEvent, Line, Notice
from portal.channels.green_api.chats import line as own_number
from portal.channels.green_api.codes import PHONE_STATES, QUOTAS, STATES
from portal.channels.values import block, text


def state_changed(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """A new state; nothing for one that is not known, which the next look at the line will name."""
    word = text(said.get("stateInstance"))
    return [state(said, word)] if word in STATES else []


def phone_changed(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """The deprecated notice of the phone's own network: a hint to look."""
    word = PHONE_STATES.get(text(said.get("statusInstance")))
    return [state(said, word)] if word else []


def state(said: Mapping[str, Any], word: str) -> Line:
    """A state as a hint, with the line's own number where it is told."""
    known, sentence = STATES[word]
    return Line(known, word, sentence, own_number(block(said.get("instanceData")).get("wid")))


def quota(said: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """In our words: GREEN-API's own list the numbers of other customers."""
    told = block(said.get("quotaData"))
    method = text(told.get("method"))
    return [Notice(text(told.get("status"))[:80] or "quota", QUOTAS.get(method, QUOTAS[""]))]
