"""HighLevel's conversations, contacts and locations, as far as a conversation provider needs them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict, TypeVar

from portal.ghl import dnd, records
from portal.ghl.billing import Billing
from portal.ghl.errors import GhlError, Kind, excerpt
from portal.ghl.fields import identifier, mapping, text
from portal.ghl.records import Contact, Conversation, Location, Message, Posted
from portal.ghl.transport import CONVERSATIONS, RESOURCES, OnRateLimit, Transport, Upload, segment
from portal.http import HttpClient

T = TypeVar("T")


class MessageStatus(StrEnum):
    """What a provider may tell HighLevel; its other words exist on reading only."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PENDING = "pending"
    READ = "read"


class MessageType(StrEnum):
    """`SMS` for the provider that replaces the location's own SMS, `Custom` for an extra channel."""

    SMS = "SMS"
    CUSTOM = "Custom"


class Direction(StrEnum):
    """Who wrote the message. HighLevel takes a missing direction for outbound, so it is always given."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class StatusFault(TypedDict):
    """Why a message failed; HighLevel wants all three."""

    code: str
    type: str
    message: str


class GhlClient:
    """Each method is one request (a search and a creation are two) with the location's access token.

    All raise `GhlError`. `on_rate_limit` hears what each answer leaves of the allowance.
    """

    def __init__(self, http: HttpClient, base_url: str, on_rate_limit: OnRateLimit | None = None) -> None:
        self._transport = Transport(http, base_url, on_rate_limit)
        self.billing = Billing(self._transport)

    def update_status(self, token: str, message_id: str, status: str, error: StatusFault | None = None) -> None:
        """Tells HighLevel a message's status. TOO_EARLY until HighLevel has stored the message itself: wait it out."""
        body: dict[str, Any] = {"status": MessageStatus(status).value}
        if error:
            body["error"] = dict(error)
        path = f"/conversations/messages/{segment(message_id)}/status"
        self._transport.call("PUT", path, version=CONVERSATIONS, token=token, json=body)

    def add_inbound(
        self,
        token: str,
        *,
        contact_id: str,
        message: str,
        provider_id: str,
        direction: str = Direction.INBOUND,
        type: str = MessageType.SMS,
        alt_id: str = "",
        date: datetime | None = None,
        attachments: Sequence[str] = (),
        conversation_id: str = "",
    ) -> Posted:
        """Adds a message that went elsewhere already: a customer's, or (outbound) one sent outside HighLevel.

        Nothing is delivered by it. It is not idempotent, and `alt_id` is not known to be unique there: after UNKNOWN
        or SERVER look with `get_messages` first. An answer without a message id is INVALID: HighLevel answers 201 and
        keeps nothing when the provider does not fit (highlevel-api-docs issue 70).
        """
        body = {
            "type": MessageType(type).value,
            "direction": Direction(direction).value,
            "contactId": contact_id,
            "conversationId": conversation_id,
            "conversationProviderId": provider_id,
            "message": message,
            "attachments": list(attachments),
            "altId": alt_id,
            "date": _iso(date) if date else "",
        }
        given = {name: value for name, value in body.items() if value}
        answer = self._post("/conversations/messages/inbound", CONVERSATIONS, token, given)
        return _posted(answer)

    def send_message(self, token: str, *, contact_id: str, message: str, provider_id: str, type: str) -> Posted:
        """Has HighLevel send a message: it hands it to the provider at the delivery URL, like one that was typed there.

        Not idempotent: after UNKNOWN nobody knows whether it is on its way.
        """
        body = {"type": MessageType(type).value, "contactId": contact_id, "message": message}
        body["conversationProviderId"] = provider_id
        return _posted(self._post("/conversations/messages", CONVERSATIONS, token, body))

    def upload(
        self,
        token: str,
        *,
        location_id: str,
        contact_id: str,
        conversation_id: str,
        name: str,
        type: str,
        content: bytes,
    ) -> str:
        """Gives HighLevel a copy of a file; returns its address there. May be repeated: each call makes a copy.

        It takes few types and 5 MB (413, 415). The file's field is `fileAttachment`, whatever the schema calls it.
        """
        ids = {"conversationId": conversation_id, "contactId": contact_id, "locationId": location_id}
        form = Upload(ids, "fileAttachment", name, type, content)
        path = "/conversations/messages/upload"
        answer = self._transport.call("POST", path, version=CONVERSATIONS, token=token, upload=form)
        address = next(filter(None, map(text, mapping(answer.get("uploadedFiles")).values())), "")
        return _required(address or None)

    def find_contact(self, token: str, location_id: str, phone: str) -> Contact | None:
        """The location's contact with this E.164 number. Additional numbers of a contact are invisible here."""
        query = {"locationId": location_id, "number": phone}
        try:
            answer = self._get("/contacts/search/duplicate", RESOURCES, token, query)
        except GhlError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        return records.contact(mapping(answer.get("contact")))

    def create_contact(
        self, token: str, location_id: str, phone: str, name: str | None = None, source: str = ""
    ) -> Contact:
        """A new contact, or the one that already has the number where the location allows no duplicates.

        Without a number (phone "") it needs a name, and HighLevel has no means of telling it from another one: after
        UNKNOWN a repetition may make a second contact. `source` is where it came from, as people see it.
        """
        given = {"locationId": location_id, "phone": phone, "name": name or "", "source": source}
        body = {field: value for field, value in given.items() if value}
        try:
            answer = self._post("/contacts/", RESOURCES, token, body)
        except GhlError as error:
            if error.contact_id:
                return Contact(id=error.contact_id, location_id=location_id)
            raise
        return _required(records.contact(mapping(answer.get("contact"))))

    def get_contact(self, token: str, contact_id: str) -> Contact:
        """The contact as HighLevel has it now."""
        answer = self._get(f"/contacts/{segment(contact_id)}", RESOURCES, token)
        return _required(records.contact(mapping(answer.get("contact"))))

    def update_dnd(self, token: str, contact_id: str, channel: dnd.DndChannel, on: bool, message: str) -> None:
        """Sets DND of one channel of a contact. Nothing else is named: `tags`, for one, would replace all of them."""
        path, body = f"/contacts/{segment(contact_id)}", dnd.written(channel, on, message)
        self._transport.call("PUT", path, version=RESOURCES, token=token, json=body)

    def find_or_create_conversation(self, token: str, location_id: str, contact_id: str) -> Conversation:
        """The contact's one thread. A creation that finds it already there looks it up again."""
        found = self.find_conversation(token, location_id, contact_id)
        return found or self._create_conversation(token, location_id, contact_id)

    def find_conversation(self, token: str, location_id: str, contact_id: str) -> Conversation | None:
        """The contact's thread, None when it has none yet."""
        query = {"locationId": location_id, "contactId": contact_id, "limit": "1"}
        answer = self._get("/conversations/search", CONVERSATIONS, token, query)
        listed = answer.get("conversations")
        found = [records.conversation(mapping(entry)) for entry in listed] if isinstance(listed, list) else []
        return next((entry for entry in found if entry and entry.contact_id == contact_id), None)

    def get_messages(self, token: str, conversation_id: str, limit: int = 20) -> tuple[Message, ...]:
        """The latest messages of a thread, at most `limit`."""
        path = f"/conversations/{segment(conversation_id)}/messages"
        return records.messages(self._get(path, CONVERSATIONS, token, {"limit": str(limit)}))

    def get_message(self, token: str, message_id: str) -> Message:
        """One message as HighLevel has it now."""
        answer = self._get(f"/conversations/messages/{segment(message_id)}", CONVERSATIONS, token)
        nested = answer.get("message")
        return _required(records.message(nested if isinstance(nested, dict) else answer))

    def get_location(self, token: str, location_id: str) -> Location:
        """The sub-account's name, company and time zone."""
        answer = self._get(f"/locations/{segment(location_id)}", RESOURCES, token)
        return _required(records.location(mapping(answer.get("location"))))

    def _create_conversation(self, token: str, location_id: str, contact_id: str) -> Conversation:
        body = {"locationId": location_id, "contactId": contact_id}
        try:
            answer = self._post("/conversations/", CONVERSATIONS, token, body)
        except GhlError as error:
            found = self.find_conversation(token, location_id, contact_id) if error.kind is Kind.INVALID else None
            if found:
                return found
            raise
        return _required(records.conversation(mapping(answer.get("conversation"))))

    def _get(self, path: str, version: str, token: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return self._transport.call("GET", path, version=version, token=token, params=params)

    def _post(self, path: str, version: str, token: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._transport.call("POST", path, version=version, token=token, json=body)


def _iso(date: datetime) -> str:
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _posted(answer: Mapping[str, Any]) -> Posted:
    message_id = identifier(answer.get("messageId"))
    if not message_id:
        hint = "It answered without a message: check the conversation provider's id and whether it is sms or custom."
        raise GhlError(Kind.INVALID, status=200, detail=excerpt(text(answer.get("message"))), hint=hint)
    return Posted(message_id, identifier(answer.get("conversationId")), identifier(answer.get("contactId")))


def _required(found: T | None) -> T:
    """A 2xx answer without what it should hold: whether HighLevel did its part cannot be told."""
    if found is None:
        raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer names no id.")
    return found
