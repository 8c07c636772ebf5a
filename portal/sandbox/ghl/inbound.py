"""HighLevel's route for messages that came in (or went out) elsewhere, with its live traps."""

from typing import Any

from flask import Response

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import blueprint, created, foreign, iso, location_call, payload, refuse
from portal.sandbox.ghl.mailbox import Conversation
from portal.sandbox.world import PROVIDER_ID, PROVIDER_IDS

KINDS = ("SMS", "RCS", "Email", "WhatsApp", "GMB", "IG", "FB", "Custom", "WebChat", "Live_Chat", "Call", "TIKTOK")


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
        dateAdded=iso(message.at),
    )


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
