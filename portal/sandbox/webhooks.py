"""HighLevel's webhooks as bytes: the delivery's payload, the app events' envelope, and the signature."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.outgoing import Answer, Line, post
from portal.sandbox.signing import SigningKey
from portal.sandbox.world import APP_ID, Contact


class Signature(StrEnum):
    """How a webhook is signed. `reserialised`: signed as compact JSON, sent with other spacing and escapes."""

    GOOD = "good"
    BAD = "bad"
    MISSING = "missing"
    NOT_AVAILABLE = "N/A"
    RESERIALISED = "reserialised"


def delivery(message: Message, contact: Contact, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The delivery's body as documented for ProviderOutboundMessage; every field of it is optional there."""
    payload: dict[str, Any] = {
        "contactId": message.contact_id,
        "locationId": message.location_id,
        "messageId": message.id,
        "type": "SMS",
        "phone": contact.phone,
        "message": message.text,
        "attachments": message.attachments,
        "userId": message.user_id or None,
        **fields,
    }
    return {name: value for name, value in payload.items() if value is not None}


def event(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An app event in the envelope of live app webhooks: its fields lie flat beside the envelope's."""
    envelope = {
        "type": kind,
        "appId": APP_ID,
        "versionId": APP_ID,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "webhookId": str(uuid.uuid4()),
        **fields,
    }
    return {name: value for name, value in envelope.items() if value is not None}


def send(key: SigningKey, url: str, payload: Mapping[str, Any], signature: Signature, line: Line | None) -> Answer:
    """Posts the payload as HighLevel does, compact and in UTF-8, signed over its raw bytes."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "sendero-sandbox"}
    if signature is Signature.NOT_AVAILABLE:
        headers["X-GHL-Signature"] = "N/A"
    elif signature is not Signature.MISSING:
        headers["X-GHL-Signature"] = key.sign(body[:-1] if signature is Signature.BAD else body)
    if signature is Signature.RESERIALISED:
        body = json.dumps(payload, indent=1).encode()
    return post(url, body, headers, line)
