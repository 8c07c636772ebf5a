"""A webhook of Meta: is it authentic, and everything it says. Pure functions.

`X-Hub-Signature-256` is made over the raw bytes with the app's secret (Meta, "Validating payloads"); Meta escapes
whatever is not ASCII, so the same JSON written anew fails on the first accent.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Unread, WebhookRequest
from portal.channels.values import block, identifier, text
from portal.channels.whatsapp_cloud import calls, echoes, messages, notices, receipts
from portal.channels.whatsapp_cloud.items import Reader, guarded, listed
from portal.channels.whatsapp_cloud.peek import OBJECT, readable

SCHEME = "sha256="


def signed(app_secret: str, request: WebhookRequest) -> bool:
    """Is the raw body signed with this secret?"""
    shown = request.headers.get("x-hub-signature-256", "").strip()
    if not app_secret or not shown.startswith(SCHEME):
        return False
    made = hmac.new(app_secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(shown[len(SCHEME) :].encode("utf-8", "replace"), made.encode())


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """Everything it says, item by item: one that cannot be read is `Unread`, and costs none of the others.

    Fields that nobody here has use for, and what is no request of WhatsApp, say nothing. Raises `ChannelError` for
    what is no JSON object.
    """
    said = readable(request.body)
    if not isinstance(said, dict):
        raise ChannelError("The webhook is no JSON object.", code="unreadable")
    if said.get("object") != OBJECT:
        return []
    return [event for entry in listed(said, "entry") for event in _entry(entry)]


def _entry(entry: Any) -> Iterator[ChannelEvent]:
    if not isinstance(entry, dict):
        yield Unread("An entry of the webhook is no JSON object.", entry)
        return
    for change in listed(entry, "changes"):
        if isinstance(change, dict) and isinstance(change.get("value"), dict):
            yield from _change(change)
        else:
            yield Unread("A change of the webhook holds no JSON object.", change)


def _change(change: Mapping[str, Any]) -> Iterator[ChannelEvent]:
    field, value = text(change.get("field")), block(change.get("value"))
    if field in _LISTS and not identifier(block(value.get("metadata")).get("phone_number_id")):
        # It would go to all senders of the account, who may be several tenants.
        yield Unread("What a customer said, or a report, names none of our numbers.", change)
        return
    for name, read in _LISTS.get(field, ()):
        for item in listed(value, name):
            yield from guarded(read, item, value)
    if field in _WHOLE:
        yield from guarded(_WHOLE[field], value, value)


# What a field holds in lists, each with its reader. A field that is in neither table is not for us.
_LISTS: dict[str, tuple[tuple[str, Reader], ...]] = {
    "messages": (
        ("messages", messages.received),
        ("statuses", receipts.status),
        ("errors", notices.error),
    ),
    "calls": (("calls", calls.call), ("errors", notices.error)),
    "smb_message_echoes": (("message_echoes", echoes.echo), ("errors", notices.error)),
    "history": (("history", echoes.history), ("messages", echoes.late_media)),
    "user_preferences": (("user_preferences", notices.preference),),
}
_WHOLE: dict[str, Reader] = notices.WHOLE
