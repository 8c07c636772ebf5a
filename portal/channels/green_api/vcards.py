"""Contacts out of vCards (RFC 6350 and its forerunners, as phones write them)."""

import re
from typing import Any

from portal.channels.green_api.chats import phone

MOST_LINES = 2000
MOST_PHONES = 20

_FOLD = re.compile(r"\r?\n[ \t]")
_WAID = re.compile(r"waid=([0-9]{5,20})", re.I)
_ESCAPED = re.compile(r"\\([,;:\\])")


def contact(display_name: str, vcard: str) -> dict[str, Any]:
    """`{name, phones, organisation}`. A number that WhatsApp vouches for (`waid`) is E.164, others are as written."""
    name, spelled, organisation = display_name.strip(), "", ""
    phones: list[str] = []
    for label, value in _lines(vcard):
        kind = label.split(";", 1)[0].rpartition(".")[2].upper()
        if kind == "FN" and not name:
            name = _text(value)
        elif kind == "N" and not spelled:
            family, _, given = value.partition(";")
            spelled = " ".join(filter(None, (_text(given.split(";", 1)[0]), _text(family))))
        elif kind == "ORG" and not organisation:
            organisation = ", ".join(filter(None, map(_text, value.split(";"))))
        elif kind == "TEL" and len(phones) < MOST_PHONES:
            phones.append(_number(label, value))
    numbers = list(dict.fromkeys(filter(None, phones)))
    return {"name": name or spelled, "phones": numbers, "organisation": organisation}


def _lines(vcard: str) -> list[tuple[str, str]]:
    unfolded = _FOLD.sub("", vcard[:200_000])
    split = (line.partition(":") for line in unfolded.splitlines()[:MOST_LINES])
    return [(label.strip(), value.strip()) for label, _, value in split if label.strip()]


def _number(label: str, value: str) -> str:
    vouched = _WAID.search(label)
    return (phone(vouched[1]) if vouched else "") or _text(value)[:40]


def _text(value: str) -> str:
    return _ESCAPED.sub(r"\1", value.replace("\\n", " ")).strip()
