"""HighLevel's own things as small values, read from answers whose shape differs between the specification and life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.ghl.dnd import Dnd, read
from portal.ghl.fields import identifier, mapping, moment, text, texts


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of a location. `phone` is E.164 or ""."""

    id: str
    location_id: str = ""
    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    tags: tuple[str, ...] = ()
    dnd: Dnd = field(default_factory=Dnd)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The one thread of a contact."""

    id: str
    contact_id: str = ""
    location_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in a thread. `status` is HighLevel's own word, `alt_id` the id we gave it, if the answer tells."""

    id: str
    conversation_id: str = ""
    contact_id: str = ""
    location_id: str = ""
    direction: str = ""
    status: str = ""
    body: str = field(default="", repr=False)
    attachments: tuple[str, ...] = field(default=(), repr=False)
    alt_id: str = ""
    conversation_provider_id: str = ""
    date_added: datetime | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """The message that HighLevel made of what we posted."""

    message_id: str
    conversation_id: str = ""
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class Location:
    """A sub-account. `timezone` is an IANA name or ""."""

    id: str
    company_id: str = ""
    name: str = ""
    timezone: str = ""
    phone: str = ""
    email: str = ""
    country: str = ""


def contact(fields: Mapping[str, Any]) -> Contact | None:
    """The contact of an answer's `contact`, None when it names no id."""
    found = identifier(fields.get("id"))
    if not found:
        return None
    parts = (text(fields.get("firstName")), text(fields.get("lastName")))
    return Contact(
        id=found,
        location_id=identifier(fields.get("locationId")),
        name=text(fields.get("name")) or " ".join(filter(None, parts)),
        phone=text(fields.get("phone")),
        email=text(fields.get("email")),
        tags=texts(fields.get("tags")),
        dnd=read(fields),
    )


def conversation(fields: Mapping[str, Any]) -> Conversation | None:
    """The conversation, None when it names no id."""
    found = identifier(fields.get("id"))
    contact_id, location_id = identifier(fields.get("contactId")), identifier(fields.get("locationId"))
    return Conversation(found, contact_id, location_id) if found else None


def message(fields: Mapping[str, Any]) -> Message | None:
    """The message, None when it names no id."""
    found = identifier(fields.get("id"))
    if not found:
        return None
    return Message(
        id=found,
        conversation_id=identifier(fields.get("conversationId")),
        contact_id=identifier(fields.get("contactId")),
        location_id=identifier(fields.get("locationId")),
        direction=text(fields.get("direction")),
        status=text(fields.get("status")),
        body=text(fields.get("body")),
        attachments=texts(fields.get("attachments")),
        alt_id=text(fields.get("altId")),
        conversation_provider_id=identifier(fields.get("conversationProviderId")),
        date_added=moment(fields.get("dateAdded")),
    )


def messages(answer: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of a thread: live they lie one level deeper than specified (highlevel-api-docs issue 54)."""
    listed = answer.get("messages")
    entries = mapping(listed).get("messages") if isinstance(listed, dict) else listed
    found = [message(mapping(entry)) for entry in entries] if isinstance(entries, list) else []
    return tuple(entry for entry in found if entry)


def location(fields: Mapping[str, Any]) -> Location | None:
    """The location, None when it names no id."""
    found = identifier(fields.get("id"))
    if not found:
        return None
    return Location(
        id=found,
        company_id=identifier(fields.get("companyId")),
        name=text(fields.get("name")),
        timezone=text(fields.get("timezone")),
        phone=text(fields.get("phone")),
        email=text(fields.get("email")),
        country=text(fields.get("country")),
    )
