"""The 22 kinds of messages that GREEN-API tells of (`typeMessage`), each read by a function of its own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from portal.channels.content import Kind, Relation
from portal.channels.green_api import menus, quotes, vcards
from portal.channels.green_api.content import Read
from portal.channels.green_api.media import MEDIA, media
from portal.channels.values import block, blocks, number, text

_URL = re.compile(r"https?://\S+")

Data = Mapping[str, Any]


def read(data: Data, said: Data) -> Read:
    """A message's own data. `said` is the whole notification, in which some quotes stand."""
    kind = text(data.get("typeMessage"))
    reader = _READERS.get(kind)
    found = reader(data) if reader else _unsupported(data, kind)
    own = own_block(data)
    if found.about is None:
        found = replace(found, about=quotes.about(Relation.REPLY, *quotes.places(said, data, own)))
    if own.get("isForwarded") is True:
        found = replace(found, details={**found.details, "forwarded": True})
    return found


def own_block(data: Data) -> Data:
    """The block that belongs to the kind: the only one that is neither the kind's name nor the quote."""
    inner = [block(value) for name, value in data.items() if name != "quotedMessage" and isinstance(value, dict)]
    return inner[0] if inner else {}


def _text(data: Data) -> Read:
    return Read(Kind.TEXT, text(block(data.get("textMessageData")).get("textMessage")))


def _extended(data: Data) -> Read:
    """A text, a link when there is a preview beside it."""
    own = block(data.get("extendedTextMessageData"))
    body, title, description = (text(own.get(name)) for name in ("text", "title", "description"))
    if not title and not description:
        return Read(Kind.TEXT, body)
    url = _URL.search(body)
    return Read(Kind.LINK, body, details={"title": title, "description": description, "url": url[0] if url else ""})


def _quoted(data: Data) -> Read:
    """An answer. Its own text comes like that of any text, and what it answers is found with all the others."""
    found = _extended(data)
    return found if found.text else _text(data)


def _location(data: Data) -> Read:
    own = block(data.get("locationMessageData"))
    latitude, longitude = number(own.get("latitude")), number(own.get("longitude"))
    known = latitude is not None and longitude is not None
    place = {"latitude": latitude, "longitude": longitude} if known else {}
    named = {"name": "nameLocation", "address": "address", "url": "url"}
    return Read(Kind.LOCATION, details=place | {name: text(own.get(there)) for name, there in named.items()})


def _contact(data: Data) -> Read:
    return _contacts_of([block(data.get("contactMessageData"))])


def _contacts(data: Data) -> Read:
    own = block(data.get("messageData")) or block(data.get("contactsArrayMessageData")) or data
    return _contacts_of(blocks(own.get("contacts")))


def _contacts_of(cards: list[Data]) -> Read:
    contacts = [vcards.contact(text(card.get("displayName")), text(card.get("vcard"))) for card in cards]
    return Read(Kind.CONTACT, details={"contacts": contacts})


def _reaction(data: Data) -> Read:
    """An emoji to a message; none any more when it was taken back."""
    emoji = text(block(data.get("extendedTextMessageData")).get("text"))
    told = quotes.about(Relation.REACTION, data.get("quotedMessage"), data.get("extendedTextMessageData"))
    return Read(Kind.REACTION, emoji, about=told)


def _edited(data: Data) -> Read:
    own = block(data.get("editedMessageData"))
    body = text(own.get("textMessage")) or text(own.get("caption"))
    return Read(Kind.EDIT, body, about=quotes.about(Relation.EDIT, {"stanzaId": own.get("stanzaId")}))


def _deleted(data: Data) -> Read:
    own = block(data.get("deletedMessageData"))
    return Read(Kind.DELETION, about=quotes.about(Relation.DELETION, {"stanzaId": own.get("stanzaId")}))


def _invite(data: Data) -> Read:
    own = block(data.get("groupInviteMessageData"))
    name = text(own.get("groupName")) or text(own.get("name"))
    return Read(Kind.INVITE, text(own.get("caption")), details={"name": name, "code": text(own.get("inviteCode"))})


def _unsupported(data: Data, kind: str) -> Read:
    """A kind nobody has described yet: named, with whatever text is in its block."""
    own = own_block(data)
    words = ("textMessage", "text", "caption", "contentText")
    body = next(filter(None, (text(own.get(word)) for word in words)), "")
    return Read(Kind.UNSUPPORTED, body, details={"type": kind[:80]})


_READERS: dict[str, Callable[[Data], Read]] = {
    "textMessage": _text,
    "extendedTextMessage": _extended,
    "quotedMessage": _quoted,
    **dict.fromkeys(MEDIA, media),
    "locationMessage": _location,
    "contactMessage": _contact,
    "contactsArrayMessage": _contacts,
    "pollMessage": menus.poll,
    "pollUpdateMessage": menus.vote,
    "reactionMessage": _reaction,
    "editedMessage": _edited,
    "deletedMessage": _deleted,
    "buttonsMessage": menus.buttons,
    "interactiveButtons": menus.buttons,
    "interactiveButtonsReply": menus.buttons,
    "templateMessage": menus.template,
    "listMessage": menus.choices,
    "buttonsResponseMessage": menus.tap,
    "listResponseMessage": menus.tap,
    # Its table of parameters spells it with an s, its example without.
    "templateButtonsReplyMessage": menus.tap,
    "templateButtonReplyMessage": menus.tap,
    "groupInviteMessage": _invite,
}
