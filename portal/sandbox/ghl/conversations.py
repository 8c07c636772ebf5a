"""HighLevel's conversation routes: statuses with the early 403, inbound messages with their live traps, look-ups."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import blueprint, caller, created, foreign, location_call, payload, refuse, unexpected
from portal.sandbox.ghl.mailbox import Conversation, Message
from portal.sandbox.world import PROVIDER_ID, PROVIDER_IDS

STATUSES = ("delivered", "failed", "pending", "read")
STATUS_FIELDS = frozenset({"status", "error", "emailMessageId", "recipients"})
ERROR_FIELDS = ("code", "type", "message")
KINDS = ("SMS", "RCS", "Email", "WhatsApp", "GMB", "IG", "FB", "Custom", "WebChat", "Live_Chat", "Call", "TIKTOK")
TYPE_NUMBERS = {"SMS": (2, "TYPE_SMS"), "Custom": (22, "TYPE_CUSTOM_PROVIDER_SMS")}


@blueprint.put("/conversations/messages/<message_id>/status")
@location_call
def update_status(message_id: str) -> Response:
    """Sets a status: only for messages that went to our provider, and not before HighLevel has stored them so."""
    body = payload()
    faults = _status_faults(body)
    if faults:
        return refuse(422, faults)
    ghl = sandbox().ghl
    message = ghl.mailbox.get(message_id)
    if message is None:
        return refuse(401, "No message found for the id")
    refusal = foreign(message.location_id) or _provider_fault(message)
    if refusal is not None:
        ghl.mailbox.refuse_status(message, refusal.status_code)
        return refusal
    ghl.mailbox.set_status(message, body["status"], body.get("error"))
    return jsonify(
        conversationId=message.conversation_id, messageId=message.id, status=body["status"], messageIds=[message.id]
    )


@blueprint.post("/conversations/messages/inbound")
@location_call
def add_inbound() -> Response:
    """Adds a message that came (or, with `direction: outbound`, went) elsewhere. No idempotency, like live."""
    body = payload()
    faults = _inbound_faults(body)
    if faults:
        return refuse(422, faults)
    provider = body.get("conversationProviderId") or ""
    if body["type"] == "Custom" and not provider:
        return Response(status=201)  # live: an empty body and no message (highlevel-api-docs issue 70)
    if provider and provider not in PROVIDER_IDS:
        return refuse(400, "Invalid conversationProviderId")
    conversation = _conversation_named(body)
    if conversation is None:
        return refuse(400, "Contact or conversation not found")
    refusal = foreign(conversation.location_id)
    if refusal is not None:
        return refusal
    message = sandbox().ghl.mailbox.add(
        conversation,
        str(body.get("direction") or "outbound"),  # live default, against the route's name
        body["type"],
        str(body.get("message") or ""),
        attachments=[str(url) for url in body.get("attachments") or ()],
        provider_id=provider or PROVIDER_ID,
        first_status="delivered",
        alt_id=str(body.get("altId") or ""),
    )
    return created(
        success=True,
        conversationId=conversation.id,
        messageId=message.id,
        message="Message added successfully",
        contactId=conversation.contact_id,
        dateAdded=_iso(message.at),
    )


@blueprint.get("/conversations/search")
@location_call
def search_conversations() -> Response:
    """The location's conversations, of one contact when `contactId` is given."""
    refusal = foreign(request.args.get("locationId", ""))
    if refusal is not None:
        return refusal
    found = sandbox().ghl.mailbox.opened(caller().location_id, request.args.get("contactId", ""))
    page = [_conversation_shown(one) for one in found[: request.args.get("limit", 20, int)]]
    return jsonify(conversations=page, total=len(found))


@blueprint.post("/conversations/", strict_slashes=False)
@location_call
def create_conversation() -> Response:
    """Opens the contact's one conversation, or finds it open."""
    body = payload()
    refusal = foreign(str(body.get("locationId", "")))
    if refusal is not None:
        return refusal
    contact = sandbox().ghl.directory.get(str(body.get("contactId", "")))
    if contact is None or contact.location_id != caller().location_id:
        return refuse(400, "Contact not found")
    conversation = sandbox().ghl.mailbox.conversation_of(contact.location_id, contact.id)
    return created(success=True, conversation=_conversation_shown(conversation))


@blueprint.get("/conversations/<conversation_id>/messages")
@location_call
def list_messages(conversation_id: str) -> Response:
    """The newest messages first, nested as live and not as specified (highlevel-api-docs issue 54)."""
    conversation = sandbox().ghl.mailbox.conversation(conversation_id)
    if conversation is None:
        return refuse(400, "Conversation not found")
    refusal = foreign(conversation.location_id)
    if refusal is not None:
        return refusal
    newest = sandbox().ghl.mailbox.thread(conversation)[::-1]
    last = request.args.get("lastMessageId")
    places = [place for place, message in enumerate(newest) if message.id == last]
    start = places[0] + 1 if places else 0
    page = newest[start : start + request.args.get("limit", 20, int)]
    more = start + len(page) < len(newest)
    shown = {"lastMessageId": page[-1].id if page else "", "nextPage": more, "messages": [_shown(one) for one in page]}
    return jsonify(messages=shown)


@blueprint.get("/conversations/messages/<message_id>")
@location_call
def get_message(message_id: str) -> Response:
    """One message."""
    message = sandbox().ghl.mailbox.get(message_id)
    if message is None:
        return refuse(400, "Message not found")
    return foreign(message.location_id) or jsonify(_shown(message))


def _status_faults(body: dict[str, Any]) -> list[str]:
    faults = unexpected(body, STATUS_FIELDS)
    if body.get("status") not in STATUSES:
        faults.append(f"status must be one of the following values: {', '.join(STATUSES)}")
    error = body.get("error")
    if error is not None:
        given = error if isinstance(error, dict) else {}
        faults += [f"error.{name} must be a string" for name in ERROR_FIELDS if not isinstance(given.get(name), str)]
    return faults


def _provider_fault(message: Message) -> Response | None:
    """403 for messages of other channels, and for ours before HighLevel knows it handed them on (issue 4)."""
    waited = sandbox().clock() - (message.posted_at or 0)
    if message.provider_id in PROVIDER_IDS and waited >= sandbox().ghl.early_403_seconds:
        return None
    return refuse(403, "No conversation provider found for this message")


def _inbound_faults(body: dict[str, Any]) -> list[str]:
    faults = []
    if body.get("type") not in KINDS:
        faults.append("type must be a valid enum value")
    if not body.get("contactId") and not body.get("conversationId"):
        faults.append("contactId or conversationId should not be empty")
    if body.get("direction") not in (None, "inbound", "outbound"):
        faults.append("direction must be inbound or outbound")
    attachments = body.get("attachments") or []
    if not isinstance(attachments, list) or any("?" in str(url) for url in attachments):
        faults.append("attachments must be an array")  # live: a query in the address makes it "no array"
    if not body.get("message") and not attachments:
        faults.append("message should not be empty")
    return faults


def _conversation_named(body: dict[str, Any]) -> Conversation | None:
    ghl = sandbox().ghl
    if body.get("conversationId"):
        return ghl.mailbox.conversation(str(body["conversationId"]))
    contact = ghl.directory.get(str(body.get("contactId", "")))
    return ghl.mailbox.conversation_of(contact.location_id, contact.id) if contact is not None else None


def _conversation_shown(conversation: Conversation) -> dict[str, Any]:
    last = conversation.messages[-1] if conversation.messages else None
    return {
        "id": conversation.id,
        "locationId": conversation.location_id,
        "contactId": conversation.contact_id,
        "lastMessageBody": last.text if last is not None else "",
        "lastMessageType": "TYPE_SMS",
        "type": "TYPE_PHONE",
        "unreadCount": 0,
        "deleted": False,
    }


def _shown(message: Message) -> dict[str, Any]:
    number, name = TYPE_NUMBERS.get(message.kind, (2, "TYPE_SMS"))
    return {
        "id": message.id,
        "type": number,
        "messageType": name,
        "locationId": message.location_id,
        "contactId": message.contact_id,
        "conversationId": message.conversation_id,
        "dateAdded": _iso(message.at),
        "body": message.text,
        "direction": message.direction,
        "status": message.status,
        "contentType": "text/plain",
        "attachments": message.attachments,
        "altId": message.alt_id or None,
        "conversationProviderId": message.provider_id or None,
        "userId": message.user_id or None,
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
