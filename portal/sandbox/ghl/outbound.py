"""HighLevel's route for a message that somebody has it send: it goes to the conversation provider, like an agent's."""

from flask import Response

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import blueprint, created, foreign, location_call, payload, refuse
from portal.sandbox.world import PROVIDER_ID, PROVIDER_IDS


@blueprint.post("/conversations/messages")
@location_call
def send_message() -> Response:
    """Writes the message and posts its signed delivery. Only what Sendero's providers take: SMS and Custom."""
    body = payload()
    provider = str(body.get("conversationProviderId") or PROVIDER_ID)
    if body.get("type") not in ("SMS", "Custom"):
        return refuse(422, ["type must be a valid enum value"])
    if not body.get("message") and not body.get("attachments"):
        return refuse(422, ["message should not be empty"])
    if provider not in PROVIDER_IDS:
        return refuse(400, "Invalid conversationProviderId")
    contact = sandbox().ghl.directory.get(str(body.get("contactId", "")))
    if contact is None:
        return refuse(400, "Contact not found")
    refusal = foreign(contact.location_id)
    if refusal is not None:
        return refusal
    text = str(body.get("message") or "")
    sent = sandbox().deliveries.send(text, contact=contact, provider_id=provider, user_id="").message
    return created(conversationId=sent.conversation_id, messageId=sent.id)
