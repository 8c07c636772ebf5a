"""Messages as the API gives them."""

from typing import Any

from msgspec import Struct

from portal.web.api.shapes import LocationId, Moment, Wanted


class MessagesWanted(Wanted):
    """Which messages: of one status, of one direction (`in` or `out`)."""

    status: str = ""
    direction: str = ""


class Message(Struct, kw_only=True):
    """A message. `status`: queued, held, sending, unknown, accepted, sent, delivered, read, failed, expired, cancelled,
    or received; `courier_status` is that as a letter of courier's; `reason` says it in words, `code` as the provider
    does. `address` is the customer's. `test`: a test key made it, and nothing goes out.
    """

    id: str
    test: bool
    location: str
    conversation: int | None
    direction: str
    kind: str
    status: str
    courier_status: str
    status_at: Moment
    reason: str
    code: str
    address: str
    address_kind: str
    sender: int | None
    sender_reason: str
    text: str
    media: list[str]
    details: dict[str, Any]
    bulk: str | None
    author: str
    ghl_message_id: str | None
    credits: int
    scheduled_at: Moment | None
    expires_at: Moment | None
    created_at: Moment


class MessagePart(Struct):
    """One call to the provider: its own status, the provider's id, what it is billed as."""

    number: int
    kind: str
    status: str
    external_id: str | None
    segments: int
    credits: int
    attempts: int
    code: str
    detail: str


class MessageInFull(Message, kw_only=True):
    """A message with its parts."""

    parts: list[MessagePart]


class Change(Struct):
    """One move of a message's status (of one part alone, where `part` is set), with its evidence."""

    at: Moment
    part: int | None
    before: str
    after: str
    who: str
    code: str
    detail: str


class Try(Struct):
    """One call to the provider."""

    part: int
    number: int
    sender: int
    started_at: Moment
    ended_at: Moment | None
    outcome: str
    code: str
    detail: str


class Word(Struct):
    """One thing that the provider said of it."""

    at: Moment
    received_at: Moment
    part: int
    external_id: str
    outcome: str
    code: str
    detail: str


class History(Struct):
    """All that is known of a message's way."""

    message: str
    changes: list[Change]
    attempts: list[Try]
    receipts: list[Word]


class Recipient(Struct):
    """One recipient of a bulk: the message to it, or why there is none. `warnings` keep nothing back."""

    to: str
    number: str
    message: str | None
    code: str
    reason: str
    warnings: list[str]


class BulkTaken(Struct):
    """What became of a bulk when it was posted, recipient by recipient, in their order."""

    id: str
    test: bool
    location: LocationId
    recipients: int
    taken: int
    refused: int
    results: list[Recipient]


class Refused(Struct):
    """A recipient of a bulk that there is no message to."""

    to: str
    number: str
    code: str
    reason: str


class Bulk(Struct):
    """How a bulk stands: its messages by status. `pending` are taken and not looked at yet."""

    id: str
    test: bool
    location: LocationId
    recipients: int
    taken: int
    pending: int
    statuses: dict[str, int]
    refused: list[Refused]
    created_at: Moment
