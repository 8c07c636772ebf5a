"""What a message refers to: GREEN-API names it in several places, and not always with what it was.

Beside the data (`messageData.quotedMessage`), outside of it (`quotedMessage` of the notification), inside a kind's
own block, or only as `stanzaId` in `extendedTextMessageData`.
"""

from collections.abc import Mapping
from typing import Any

from portal.channels.content import About, Relation
from portal.channels.values import block, blocks, identifier, text

LONGEST_QUOTE = 1000


def about(relation: Relation, *places: object) -> About | None:
    """The message referred to, out of the first place that names one; its text out of the first that tells it."""
    found = [place for place in map(block, places) if identifier(place.get("stanzaId"))]
    if not found:
        return None
    told = next(filter(None, map(quoted_text, found)), "")
    return About(relation, identifier(found[0].get("stanzaId")), told[:LONGEST_QUOTE])


def places(said: Mapping[str, Any], data: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[object, ...]:
    """Where a quote may stand: `data` is the notification's messageData, `own` the block of the message's kind."""
    inside = own if "participant" in own else {}
    return data.get("quotedMessage"), said.get("quotedMessage"), own.get("quotedMessage"), inside


def quoted_text(quoted: Mapping[str, Any]) -> str:
    """What was quoted, as a text: its own, its caption, or else what kind of thing it was."""
    kind = text(quoted.get("typeMessage"))
    link = block(quoted.get("extendedTextMessage"))
    own = text(quoted.get("textMessage")) or text(link.get("text")) or text(quoted.get("caption"))
    if own.strip():
        return own
    describe = _DESCRIBED.get(kind)
    return describe(quoted) if describe else _NAMES.get(kind, "")


def _location(quoted: Mapping[str, Any]) -> str:
    place = block(quoted.get("location"))
    named = ", ".join(filter(None, (text(place.get("nameLocation")), text(place.get("address")))))
    return f"Location: {named}" if named else f"Location: {place.get('latitude')}, {place.get('longitude')}"


def _contact(quoted: Mapping[str, Any]) -> str:
    name = text(block(quoted.get("contact")).get("displayName"))
    return f"Contact: {name}" if name else "Contact"


def _contacts(quoted: Mapping[str, Any]) -> str:
    names = filter(None, (text(each.get("displayName")) for each in blocks(quoted.get("contacts"))))
    return f"Contacts: {', '.join(names)}"


def _document(quoted: Mapping[str, Any]) -> str:
    name = text(quoted.get("fileName"))
    return f"Document: {name}" if name else "Document"


def _poll(quoted: Mapping[str, Any]) -> str:
    poll = block(quoted.get("pollMessageData")) or block(quoted.get("pollCreationMessage")) or quoted
    name = text(poll.get("name"))
    return f"Poll: {name}" if name else "Poll"


def _buttons(quoted: Mapping[str, Any]) -> str:
    """Whatever block holds the text above the buttons."""
    inner = [quoted, *map(block, quoted.values())]
    return next(filter(None, (text(each.get("contentText")) for each in inner)), "Buttons")


_DESCRIBED = {
    "locationMessage": _location,
    "contactMessage": _contact,
    "contactsArrayMessage": _contacts,
    "documentMessage": _document,
    "pollMessage": _poll,
    "buttonsMessage": _buttons,
    "listMessage": _buttons,
    "templateMessage": _buttons,
    "interactiveButtons": _buttons,
    "interactiveButtonsReply": _buttons,
}
_NAMES = {
    "imageMessage": "Image",
    "videoMessage": "Video",
    "audioMessage": "Audio",
    "stickerMessage": "Sticker",
    "groupInviteMessage": "Invitation to a group",
}
