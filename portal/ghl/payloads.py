"""What HighLevel posts to us, read without trust in its shape: a message to deliver, or an event of the app."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from portal.ghl.fields import identifier, mapping, moment, repairing, text
from portal.ghl.peek import Peek, PeekKind, is_delivery, peek

__all__ = ["AppEvent", "Delivery", "Peek", "PeekKind", "UnreadablePayload", "parse", "peek"]


class UnreadablePayload(ValueError):
    """An authentic request that says nothing we can act on. The text is for a person."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message a location wants sent: what HighLevel posts to the Delivery URL. Absent fields are ""."""

    location_id: str
    contact_id: str
    message_id: str
    type: str
    message: str = field(repr=False)
    phone: str = field(repr=False)
    attachments: tuple[str, ...] = field(default=(), repr=False)
    user_id: str = ""
    custom_user_id: str = ""
    reply_to_alt_id: str = ""
    conversation_provider_id: str = ""
    conversation_id: str = ""
    email_message_id: str = ""
    webhook_id: str = ""
    app_id: str = ""
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class AppEvent:
    """Something that happened in HighLevel: an installation, a message, a contact. `raw` holds all it said."""

    type: str
    location_id: str = ""
    company_id: str = ""
    contact_id: str = ""
    message_id: str = ""
    id: str = ""
    app_id: str = ""
    version_id: str = ""
    webhook_id: str = ""
    conversation_provider_id: str = ""
    user_id: str = ""
    plan_id: str = ""
    install_type: str = ""
    company_name: str = ""
    is_whitelabel: bool = False
    whitelabel_domain: str = ""
    timestamp: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


_whole = msgspec.json.Decoder(dict[str, Any])


def parse(raw: bytes) -> Delivery | AppEvent:
    """All that the request says. Raises `UnreadablePayload` when it is no JSON object or an id in it is no id."""
    fields = _load(raw)
    kind = text(fields.get("type"))
    envelope = fields.get("webhookId") or fields.get("appId")
    if is_delivery(kind, envelope, fields.get("messageId") and "message" in fields):
        return _delivery(fields, kind)
    if not kind:
        raise UnreadablePayload("The request names no type: it is neither a message nor an event.")
    return _event(fields, kind)


def _delivery(fields: Mapping[str, Any], kind: str) -> Delivery:
    return Delivery(
        location_id=_checked_id(fields, "locationId"),
        contact_id=_checked_id(fields, "contactId"),
        message_id=_checked_id(fields, "messageId"),
        type=kind,
        message=_checked_text(fields, "message"),
        phone=_checked_text(fields, "phone").strip(),
        attachments=_attachments(fields.get("attachments")),
        user_id=identifier(fields.get("userId")),
        custom_user_id=identifier(fields.get("customUserId")),
        reply_to_alt_id=text(fields.get("replyToAltId")),
        conversation_provider_id=_checked_id(fields, "conversationProviderId"),
        conversation_id=identifier(fields.get("conversationId")),
        email_message_id=text(fields.get("emailMessageId")),
        webhook_id=identifier(fields.get("webhookId")),
        app_id=_checked_id(fields, "appId"),
        timestamp=moment(fields.get("timestamp")),
    )


def _event(fields: dict[str, Any], kind: str) -> AppEvent:
    own = identifier(fields.get("id"))
    return AppEvent(
        type=kind,
        location_id=_checked_id(fields, "locationId") or (own if kind.startswith("Location") else ""),
        company_id=_checked_id(fields, "companyId"),
        contact_id=identifier(fields.get("contactId")) or (own if kind.startswith("Contact") else ""),
        message_id=identifier(fields.get("messageId")),
        id=own,
        app_id=_checked_id(fields, "appId"),
        version_id=identifier(fields.get("versionId")),
        webhook_id=identifier(fields.get("webhookId")),
        conversation_provider_id=_checked_id(fields, "conversationProviderId"),
        user_id=identifier(fields.get("userId")),
        plan_id=identifier(fields.get("planId")),
        install_type=text(fields.get("installType")),
        company_name=text(fields.get("companyName")),
        is_whitelabel=fields.get("isWhitelabelCompany") is True,
        whitelabel_domain=text(mapping(fields.get("whitelabelDetails")).get("domain")),
        timestamp=moment(fields.get("timestamp")),
        raw=fields,
    )


def _load(raw: bytes) -> dict[str, Any]:
    try:
        return repairing(_whole.decode, raw)
    except (ValueError, RecursionError):
        raise UnreadablePayload("The request is not a JSON object.") from None


def _checked_id(fields: Mapping[str, Any], name: str) -> str:
    """The id, or "" when it is absent. What stands there without being an id may not pass for an absent one."""
    value = fields.get(name)
    found = identifier(value)
    if not found and value not in (None, ""):
        raise UnreadablePayload(f"{name} is not an id.")
    return found


def _checked_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return text(value)
    raise UnreadablePayload(f"{name} is not a text.")


def _attachments(value: object) -> tuple[str, ...]:
    """Addresses, given as texts or as objects with a `url`. One that cannot be read may not be left out silently."""
    if value is None or value == "":
        return ()
    entries = value if isinstance(value, list) else [value]
    found = tuple(text(entry.get("url") if isinstance(entry, dict) else entry) for entry in entries)
    if not all(found):
        raise UnreadablePayload("An attachment has no address.")
    return found
