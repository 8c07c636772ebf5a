"""Contact cards, in and out: Meta's object with its lists, and ours with one text for each thing (`Kind.CONTACT`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.channels.values import block, blocks, text
from portal.channels.whatsapp_cloud.addresses import phone
from portal.channels.whatsapp_cloud.unfit import unfit

Data = Mapping[str, Any]

LONGEST_PHONE, LONGEST_VALUE = 40, 500
MOST_VALUES = 20
# The order in which a person writes an address; `country_code` says nothing beside the country.
_ADDRESS = ("street", "city", "state", "zip", "country")


def read(said: Data) -> dict[str, Any]:
    """A card as it came. A number that WhatsApp knows (`wa_id`) is E.164, others are as written."""
    name, org = block(said.get("name")), block(said.get("org"))
    spelled = (text(name.get(part)) for part in ("first_name", "last_name"))
    role = ", ".join(filter(None, (text(org.get("title")), text(org.get("department")))))
    more = {
        "role": role[:LONGEST_VALUE],
        "emails": _each(said.get("emails"), lambda each: text(each.get("email"))),
        "urls": _each(said.get("urls"), lambda each: text(each.get("url"))),
        "addresses": _each(said.get("addresses"), _address),
        "birthday": text(said.get("birthday"))[:40],
    }
    return {
        "name": text(name.get("formatted_name")) or " ".join(filter(None, spelled)),
        "phones": _each(said.get("phones"), _number),
        "organisation": text(org.get("company")),
        **{key: value for key, value in more.items() if value},
    }


def written(said: Data) -> dict[str, Any]:
    """A card as Meta takes it. Raises `ChannelError` for one without a number."""
    numbers = _texts(said.get("phones"))
    name = " ".join(str(said.get("name") or "").split()) or (numbers[0] if numbers else "")
    if not numbers:
        raise unfit("A contact needs a phone number.", "contact")
    first, _, last = name.partition(" ")
    called = {"formatted_name": name, "first_name": first} | ({"last_name": last} if last else {})
    org = {"company": said.get("organisation"), "title": said.get("role")}
    more = {
        "org": {key: str(value) for key, value in org.items() if value},
        "emails": [{"email": each, "type": "WORK"} for each in _texts(said.get("emails"))],
        "urls": [{"url": each, "type": "WORK"} for each in _texts(said.get("urls"))],
        "addresses": [{"street": each, "type": "WORK"} for each in _texts(said.get("addresses"))],
        "birthday": str(said.get("birthday") or ""),
    }
    return {"name": called, "phones": [_dialled(each) for each in numbers], **{k: v for k, v in more.items() if v}}


def _each(listed: object, read_one: Callable[[Data], str]) -> list[str]:
    found = (read_one(each)[:LONGEST_VALUE].strip() for each in blocks(listed))
    return list(dict.fromkeys(filter(None, found)))[:MOST_VALUES]


def _number(said: Data) -> str:
    return phone(said.get("wa_id")) or text(said.get("phone"))[:LONGEST_PHONE]


def _address(said: Data) -> str:
    """An address on one line."""
    return ", ".join(filter(None, (" ".join(text(said.get(part)).split()) for part in _ADDRESS)))


def _texts(listed: object) -> list[str]:
    found = listed if isinstance(listed, Sequence) and not isinstance(listed, str) else ()
    return [str(each).strip() for each in found if str(each).strip()]


def _dialled(number: str) -> dict[str, str]:
    """With `wa_id` the card offers to write to the number."""
    known = phone(number)
    return {"phone": known or number, "type": "CELL"} | ({"wa_id": known.removeprefix("+")} if known else {})
