"""WhatsApp's chat ids and our addresses: `79001234567@c.us`, `120650379300963@lid`, `120363043968066561@g.us`.

A group's id is kept as it is, both in today's form and in the old one (`11001234567-1581234048@g.us`).
"""

import re
from typing import Any

from portal.channels.content import AddressKind, Peer

PERSON, PERSON_ONCE_MORE, LID, GROUP = "c.us", "s.whatsapp.net", "lid", "g.us"

_DEVICE = re.compile(r"[:_][0-9]+$")
# WhatsApp's own account is 0; no country code begins with a zero, and E.164 ends after 15 digits.
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]{1,32}")
_GROUP = re.compile(r"[0-9]{5,40}(-[0-9]{1,20})?")


def peer(chat: object, name: str = "") -> Peer | None:
    """The address behind a chat id; None for what is no chat of a person or a group (status@broadcast, newsletters)."""
    user, _, server = chat.strip().partition("@") if isinstance(chat, str) else ("", "", "")
    server = server.lower()
    if server == GROUP:
        return Peer(AddressKind.GROUP, f"{user}@{GROUP}", name) if _GROUP.fullmatch(user) else None
    user = _DEVICE.sub("", user)
    if server == LID:
        return Peer(AddressKind.LID, user, name) if _DIGITS.fullmatch(user) else None
    if server not in (PERSON, PERSON_ONCE_MORE) or not _DIGITS.fullmatch(user):
        return None
    return Peer(AddressKind.PHONE, f"+{user}", name) if _PHONE.fullmatch(user) else Peer(AddressKind.SENDER_ID, user)


def phone(number: object) -> str:
    """A number as the API tells it (`79001234567`, also as a JSON number) as E.164, "" for anything else."""
    digits = str(number).strip().removeprefix("+") if isinstance(number, str | int) else ""
    return f"+{digits}" if _PHONE.fullmatch(digits) else ""


def line(wid: object) -> str:
    """The line's own number, E.164; "" while no phone is linked (`wid` is empty then)."""
    found = peer(wid)
    return found.value if found is not None and found.kind is AddressKind.PHONE else ""


def chat_id(kind: AddressKind, value: str) -> str:
    """The chat id of an address, "" for one that cannot be written to. Phones are E.164."""
    digits = "".join(character for character in value if character in "0123456789")
    if kind is AddressKind.PHONE:
        return f"{digits}@{PERSON}" if _PHONE.fullmatch(digits) else ""
    if kind is AddressKind.LID:
        return f"{value}@{LID}" if _DIGITS.fullmatch(value) else ""
    if kind is AddressKind.GROUP:
        found = peer(value if "@" in value else f"{value}@{GROUP}")
        return found.value if found is not None and found.kind is AddressKind.GROUP else ""
    return ""


def plain(chat: Any) -> str:
    """An address as a text, as it is shown beside a vote; the chat id itself when it is of no known kind."""
    found = peer(chat)
    return found.value if found is not None else str(chat)[:80]
