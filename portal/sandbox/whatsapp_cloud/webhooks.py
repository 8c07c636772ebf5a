"""The bodies that Meta posts: items of one message or status each, and requests that hold several. Pure functions."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.sandbox.whatsapp_cloud import errors
from portal.sandbox.whatsapp_cloud.numbers import Account, Number, Person, Received, Sent
from portal.sandbox.whatsapp_cloud.templates import Template

Body = dict[str, Any]

OBJECT = "whatsapp_business_account"


@dataclass(frozen=True, slots=True)
class Item:
    """One change of one account: a `value` whose list holds one thing. `about` is the message it tells of.

    `number` is the id of the number it belongs to, "" for what concerns the whole account. `word` is a status's.
    """

    account: str
    number: str
    field: str
    value: Body
    about: str = ""
    word: str = ""

    @property
    def listed(self) -> str:
        """The name of the list that its thing is in, "" where there is none."""
        return next((name for name in ("messages", "statuses", "message_echoes") if name in self.value), "")


def request_body(items: Sequence[Item]) -> Body:
    """One request: an entry for each account, a change for each number and list, several things in one list."""
    entries: dict[str, list[Item]] = {}
    for one in items:
        entries.setdefault(one.account, []).append(one)
    return {
        "object": OBJECT,
        "entry": [{"id": account, "changes": _changes(group)} for account, group in entries.items()],
    }


def _changes(items: Sequence[Item]) -> list[Body]:
    changes: list[Body] = []
    known: dict[tuple[str, str, str], Body] = {}
    for one in items:
        key = (one.field, one.number, one.listed)
        if one.listed and key in known:
            _merge(known[key], one)
        else:
            value = {name: list(part) if isinstance(part, list) else part for name, part in one.value.items()}
            known[key] = value
            changes.append({"field": one.field, "value": value})
    return changes


def _merge(value: Body, one: Item) -> None:
    value[one.listed] += one.value[one.listed]
    people = value.setdefault("contacts", []) if "contacts" in one.value else []
    people += [each for each in one.value.get("contacts", []) if each not in people]


def as_bytes(body: Body) -> bytes:
    """The request as Meta writes it: everything that is not ASCII is escaped, and signed so."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode()


def signature(secret: str, body: bytes) -> str:
    """What `X-Hub-Signature-256` holds."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def contact(person: Person) -> Body:
    """How a value introduces the person: without a number where they hide it."""
    profile = {"name": person.name or "Somebody"} | ({"username": person.username} if person.username else {})
    phone = {"wa_id": person.phone} if person.phone else {}
    return {"profile": profile, **phone, "user_id": person.user_id}


def message(number: Number, one: Received) -> Item:
    """A customer's message."""
    phone = {"from": one.person.phone} if one.person.phone else {}
    told = {**phone, "from_user_id": one.person.user_id, "id": one.id, "timestamp": str(int(one.at)), **one.item}
    if one.group:
        told["group_id"] = one.group
    value = _value(number) | {"contacts": [contact(one.person)], "messages": [told]}
    return Item(number.account_id, number.id, "messages", value, one.id)


def status(number: Number, one: Sent, word: str, at: float, pricing: Mapping[str, Any]) -> Item:
    """A status of what was sent, with its price when there is one, and why it failed when it did."""
    person = one.person
    told: Body = {"id": one.id, "status": word, "timestamp": str(int(at))}
    told |= _recipient(person)
    if one.key:
        told["biz_opaque_callback_data"] = one.key
    if word == "failed":
        told["errors"] = [errors.posted(one.code)]
    else:
        told["pricing"] = dict(pricing)
    people = {} if person.is_group else {"contacts": [contact(person)]}
    value = _value(number) | people | {"statuses": [told]}
    return Item(number.account_id, number.id, "messages", value, one.id, word)


def _recipient(person: Person) -> Body:
    if person.is_group:
        return {"recipient_id": person.user_id, "recipient_type": "group"}
    return {"recipient_id": person.phone} if person.phone else {"recipient_user_id": person.user_id}


def echo(number: Number, one: Sent, item: Body) -> Item:
    """What the owner typed in the phone app."""
    told: Body = {"from": number.metadata()["display_phone_number"], "to": one.person.phone or one.person.user_id}
    told |= {"id": one.id, "timestamp": str(int(one.at)), **item}
    value = _value(number) | {"message_echoes": [told]}
    return Item(number.account_id, number.id, "smb_message_echoes", value, one.id)


def moved(number: Number, message_id: str, person: Person, phone: str, at: float) -> Item:
    """The customer has another number now: a system message from the old one."""
    words = f"{person.name or 'User'} changed from {person.phone} to {phone}"
    own = {"type": "user_changed_number", "wa_id": phone, "body": words}
    told = {"from": person.phone, "id": message_id, "timestamp": str(int(at)), "type": "system", "system": own}
    return Item(number.account_id, number.id, "messages", _value(number) | {"messages": [told]}, message_id)


def call(number: Number, call_id: str, person: Person, event: str, at: float, seconds: float = 0.0) -> Item:
    """A customer's call begins (`connect`) or ends (`terminate`). The shape is that of Meta's pages on calling."""
    told: Body = {"id": call_id, "event": event, "timestamp": str(int(at)), "direction": "USER_INITIATED"}
    told |= {"to": number.metadata()["display_phone_number"], "from_user_id": person.user_id}
    told |= {"from": person.phone} if person.phone else {}
    if event == "terminate":
        told["status"] = "COMPLETED" if seconds else "FAILED"
        told |= (
            {"start_time": str(int(at - seconds)), "end_time": str(int(at)), "duration": int(seconds)}
            if seconds
            else {}
        )
    value = _value(number) | {"contacts": [contact(person)], "calls": [told]}
    return Item(number.account_id, number.id, "calls", value, call_id)


def preference(number: Number, person: Person, word: str, at: float) -> Item:
    """The customer wants no marketing any more (`stop`), or wants it again (`resume`)."""
    who = {"wa_id": person.phone} if person.phone else {"user_id": person.user_id}
    told = who | {"detail": word, "category": "marketing_messages", "value": word, "timestamp": int(at)}
    value = _value(number) | {"contacts": [contact(person)], "user_preferences": [told]}
    return Item(number.account_id, number.id, "user_preferences", value)


def template_event(account: Account, template: Template, event: str) -> Item:
    """Meta has changed its mind on a template. It names no number: it concerns the whole account."""
    value: Body = {
        "event": event,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "reason": template.reason,
        "message_template_category": template.category,
    }
    if event == "PAUSED":
        value["other_info"] = {"title": "FIRST_PAUSE", "description": "Too many customers blocked or reported it."}
    return Item(account.id, "", "message_template_status_update", value)


def fault(number: Number, code: int) -> Item:
    """Something that concerns the number as a whole went wrong."""
    return Item(number.account_id, number.id, "messages", _value(number) | {"errors": [errors.posted(code)]})


def _value(number: Number) -> Body:
    return {"messaging_product": "whatsapp", "metadata": number.metadata()}
