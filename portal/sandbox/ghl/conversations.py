"""HighLevel's conversation routes: statuses with their early 403, and look-ups."""

from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import (
    blueprint,
    caller,
    created,
    foreign,
    iso,
    location_call,
    payload,
    refuse,
    unexpected,
)
from portal.sandbox.ghl.mailbox import Conversation, Message
from portal.sandbox.world import PROVIDER_IDS

STATUSES = ("delivered", "failed", "pending", "read")
STATUS_FIELDS = frozenset({"status", "error", "emailMessageId", "recipients"})
ERROR_FIELDS = ("code", "type", "message")
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
        "dateAdded": iso(message.at),
        "body": message.text,
        "direction": message.direction,
        "status": message.status,
        "contentType": "text/plain",
        "attachments": message.attachments,
        "altId": message.alt_id or None,
        "conversationProviderId": message.provider_id or None,
        "userId": message.user_id or None,
    }
