"""A message as GREEN-API tells it, received or sent from the line without us, as our `Inbound`. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Inbound
from portal.channels.content import AddressKind, Kind, Peer
from portal.channels.green_api import chats, kinds
from portal.channels.green_api.content import Read
from portal.channels.green_api.markers import marker
from portal.channels.values import block, identifier, moment, text

LONGEST_NAME = 200


def inbound(said: Mapping[str, Any], *, from_us: bool = False, by_api: bool = False) -> Sequence[ChannelEvent]:
    """The message; nothing for what is said to nobody in particular (statuses, newsletters, broadcasts).

    Raises `ChannelError` when no chat is named, or there is no message in it.
    """
    where, data = block(said.get("senderData")), block(said.get("messageData"))
    if not text(where.get("chatId")) or not text(data.get("typeMessage")):
        raise ChannelError("The notification holds no message, or names no chat.", code="unreadable")
    chat = chats.peer(where.get("chatId"))
    if chat is None:
        return []
    read = _marked(kinds.read(data, said))
    message = Inbound(
        chat.value,
        read.text,
        external_id=identifier(said.get("idMessage")),
        recipient=chats.line(block(said.get("instanceData")).get("wid")),
        files=read.files,
        at=moment(said.get("timestamp")),
        kind=read.kind,
        sender_kind=chat.kind,
        about=read.about,
        details=read.details,
        from_us=from_us,
        by_api=by_api,
        code=read.code,
    )
    return [_with_people(message, where)]


def _with_people(message: Inbound, where: Mapping[str, Any]) -> Inbound:
    """Names, who wrote it in a group, and further addresses of the person in another chat."""
    if message.sender_kind is AddressKind.GROUP:
        author = None if message.from_us else _author(where)
        return replace(message, name=_name(where.get("chatName")), author=author)
    if message.from_us:
        # `sender` is the line itself here, and the sender's names its own.
        return replace(message, name=_name(where.get("chatName"), message.sender))
    names = (where.get("senderContactName"), where.get("senderName"), where.get("chatName"))
    name = next(filter(None, (_name(each, message.sender) for each in names)), "")
    return replace(message, name=name, same_as=_same_as(message, where))


def _author(where: Mapping[str, Any]) -> Peer | None:
    """The member who wrote it, by the phone where it is told."""
    found, number = chats.peer(where.get("sender")), chats.phone(where.get("senderPhoneNumber"))
    if found is None:
        return None
    if found.kind is AddressKind.LID and number:
        found = Peer(AddressKind.PHONE, number)
    names = (_name(where.get(each), found.value) for each in ("senderContactName", "senderName"))
    return replace(found, name=next(filter(None, names), ""))


def _same_as(message: Inbound, where: Mapping[str, Any]) -> tuple[Peer, ...]:
    """The same person's other addresses: `sender` may be of another kind than the chat, and the number stand beside."""
    number = chats.phone(where.get("senderPhoneNumber"))
    told = (chats.peer(where.get("sender")), Peer(AddressKind.PHONE, number) if number else None)
    kinds_told = (AddressKind.PHONE, AddressKind.LID)
    others = [each for each in told if each is not None and each.kind in kinds_told]
    return tuple(dict.fromkeys(each for each in others if each.kind is not message.sender_kind))


def _name(value: object, address: str = "") -> str:
    """A name, "" for one that only repeats the number."""
    name = " ".join(text(value).split())[:LONGEST_NAME]
    digits = "".join(character for character in name if character.isdigit())
    return "" if digits and digits == address.lstrip("+") else name


def _marked(read: Read) -> Read:
    """Without GREEN-API's error markers: what could not be read is said in a sentence."""
    code, sentence = marker(read.text)
    if not code:
        return read
    return replace(read, text=sentence, kind=read.kind if read.files else Kind.UNREADABLE, code=code)
