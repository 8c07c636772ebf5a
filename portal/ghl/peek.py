"""The few fields that route a HighLevel webhook, taken where the request must be answered at once: nothing raises here.

Messages to deliver and events of the app share one address, so the payload alone tells them apart.
"""

import hashlib
from enum import StrEnum

import msgspec

from portal.ghl.fields import identifier, repairing, text

MAX_LANE = 200

# Message types of the Conversations API. A delivery carries one of them in `type`, an event never does: there it
# is the event's name, and an OutboundMessage event keeps the message type in `messageType`.
MESSAGE_TYPES = frozenset(
    ("sms", "rcs", "mms", "email", "whatsapp", "gmb", "ig", "fb", "custom", "webchat", "live_chat", "tiktok")
)


class PeekKind(StrEnum):
    """What a request is, as far as a peek can tell."""

    DELIVERY = "delivery"
    EVENT = "event"
    UNREADABLE = "unreadable"


class Peek(msgspec.Struct, frozen=True):
    """The routing fields of one request.

    `dedupe_key` is None where HighLevel guarantees no id. Work of one `lane` (at most 200 characters) stays in order.
    """

    kind: PeekKind
    lane: str = "ghl"
    dedupe_key: str | None = None
    location_id: str = ""
    contact_id: str = ""


class _Routing(msgspec.Struct, rename="camel"):
    """Untyped, so that a wrong type in one field costs only that field. The text of the message stays undecoded."""

    type: object = None
    id: object = None
    location_id: object = None
    contact_id: object = None
    company_id: object = None
    message_id: object = None
    webhook_id: object = None
    app_id: object = None
    message: msgspec.Raw = msgspec.Raw()


_routing = msgspec.json.Decoder(_Routing)


def peek(raw: bytes) -> Peek:
    """The routing fields of a request, whatever the bytes."""
    try:
        fields = repairing(_routing.decode, raw)
    except (ValueError, RecursionError):
        return Peek(PeekKind.UNREADABLE)
    kind = text(fields.type)
    if is_delivery(kind, fields.webhook_id or fields.app_id, fields.message_id and bytes(fields.message)):
        return _delivery(fields)
    return _event(fields, kind) if kind else Peek(PeekKind.UNREADABLE)


def is_delivery(kind: str, envelope: object, content: object) -> bool:
    """A known message type; or an unknown one (or none) that has a `message` to deliver and no envelope of an event.

    An OutboundMessage event carries a messageId too, but its text is in `body`, and sending it would send it twice.
    """
    if kind.lower() in MESSAGE_TYPES:
        return True
    return bool(content) and not envelope and not kind.endswith("Message")


def _delivery(fields: _Routing) -> Peek:
    location, contact = identifier(fields.location_id), identifier(fields.contact_id)
    message = identifier(fields.message_id)
    key = f"delivery:{location}:{message}" if location and message else None
    return Peek(PeekKind.DELIVERY, _lane(location, contact), key, location, contact)


def _event(fields: _Routing, kind: str) -> Peek:
    own, location = identifier(fields.id), identifier(fields.location_id)
    if kind.startswith("Location"):
        location = location or own
    contact = identifier(fields.contact_id) or (own if kind.startswith("Contact") else "")
    webhook = identifier(fields.webhook_id)
    lane = _lane(location or identifier(fields.company_id), contact)
    return Peek(PeekKind.EVENT, lane, f"event:{webhook}" if webhook else None, location, contact)


def _lane(place: str, contact: str) -> str:
    lane = ":".join(filter(None, ("ghl", place, contact)))
    return lane if len(lane) <= MAX_LANE else "ghl:" + hashlib.sha256(lane.encode()).hexdigest()
