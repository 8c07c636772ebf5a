"""A number that is on a phone too ("coexistence"): what is typed there, and what was said there before."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from portal.channels.base import ChannelEvent, Unread
from portal.channels.content import Peer
from portal.channels.values import block
from portal.channels.whatsapp_cloud import addresses, notices
from portal.channels.whatsapp_cloud.items import guarded, listed
from portal.channels.whatsapp_cloud.messages import called, contact, inbound, line

Data = Mapping[str, Any]

# The file itself follows under the same id where it is not older than 14 days; older ones Meta does not give out.
PLACEHOLDER = "media_placeholder"


def echo(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """Typed on the phone, or edited or deleted there: it went to the chat."""
    card = contact(value, said.get("to"), said.get("to_user_id"))
    people = addresses.person((said.get("to"), said.get("to_user_id")), (card.get("wa_id"), card.get("user_id")))
    return [inbound(said, value, people, name=called(card), from_us=True)]


def history(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """A chunk of the chats of the last 180 days. Its messages have the times at which they were written."""
    return list(_history(said, value))


def late_media(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """A file of a message of the past, told by itself."""
    return _past(said, value)


def _history(said: Data, value: Data) -> Iterator[ChannelEvent]:
    for error in listed(said, "errors"):
        yield from guarded(notices.error, error, value)
    for thread in listed(said, "threads"):
        if not isinstance(thread, dict):
            yield Unread("A thread of the history is no JSON object.", thread)
            continue
        told = block(thread.get("context"))
        whose = addresses.person((thread.get("id"), thread.get("id")), (told.get("wa_id"), told.get("user_id")))
        name = addresses.name(told.get("username"))
        for message in listed(thread, "messages"):
            yield from guarded(partial(_past, people=whose, name=name), message, value)


def _past(said: Data, value: Data, people: Sequence[Peer] = (), name: str = "") -> Sequence[ChannelEvent]:
    if said.get("type") == PLACEHOLDER:
        return []
    people = people or _other(said, value)
    card = contact(value, people[0].value, people[0].value) if people else {}
    return [inbound(said, value, people, name=name or called(card), from_us=_ours(said, value))]


def _ours(said: Data, value: Data) -> bool:
    told = block(said.get("history_context")).get("from_me")
    return told if isinstance(told, bool) else bool(line(value)) and addresses.phone(said.get("from")) == line(value)


def _other(said: Data, value: Data) -> list[Peer]:
    """Whoever the message is from or to that is not us."""
    if _ours(said, value):
        return addresses.person((said.get("to"), said.get("to_user_id")))
    return addresses.person((said.get("from"), said.get("from_user_id")))
