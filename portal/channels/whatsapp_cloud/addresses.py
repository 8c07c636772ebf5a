"""WhatsApp Cloud's addresses and ours: digits are a phone, `PH.1…` is Meta's id of a person, a group has an id."""

import re
from collections.abc import Mapping
from typing import Any

from portal.channels.content import AddressKind, Peer
from portal.channels.values import identifier, text

# No country code begins with a zero, and E.164 ends after 15 digits.
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
# `ENT`: an id over several linked portfolios (Meta, "Business-scoped user IDs").
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
_GROUP = re.compile(r"[!-~]{1,160}")
LONGEST_NAME = 200


def phone(value: object) -> str:
    """A number as Meta tells it (`639171234567`, or `+63 917 123 4567`) as E.164, "" for anything else."""
    digits = re.sub(r"[ ()+.\-\u00a0\u202a-\u202e]", "", text(value))
    return f"+{digits}" if digits.isascii() and _PHONE.fullmatch(digits) else ""


def bsuid(value: object) -> str:
    """Meta's id of a person, "" for anything else."""
    found = text(value).strip()
    return found if _BSUID.fullmatch(found) else ""


def group(value: object) -> str:
    """A group's id, "" for anything else."""
    found = identifier(value)
    return found if _GROUP.fullmatch(found) else ""


def person(*told: tuple[object, object]) -> list[Peer]:
    """The addresses out of pairs of a number and a BSUID: the number first, which people know. Each once."""
    numbers = [Peer(AddressKind.PHONE, found) for number, _ in told if (found := phone(number))]
    ids = [Peer(AddressKind.BSUID, found) for _, user in told if (found := bsuid(user))]
    return list(dict.fromkeys((*numbers[:1], *ids[:1])))


def name(value: object) -> str:
    """A name on one line."""
    return " ".join(text(value).split())[:LONGEST_NAME]


def recipient(kind: AddressKind, value: str) -> Mapping[str, Any]:
    """The fields that say whom a message is for, empty for an address that cannot be written to."""
    if kind is AddressKind.PHONE and (number := phone(value)):
        return {"recipient_type": "individual", "to": number.removeprefix("+")}
    if kind is AddressKind.BSUID and bsuid(value):
        return {"recipient_type": "individual", "recipient": value.strip()}
    if kind is AddressKind.GROUP and group(value):
        return {"recipient_type": "group", "to": value.strip()}
    return {}
