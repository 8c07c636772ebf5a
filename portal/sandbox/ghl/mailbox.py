"""The conversations of the stand-in GHL, and every status each message was ever given."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.world import Ids

MOST_IN_CONVERSATION = 1000


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One accepted status, at unix seconds, with the provider's error when it failed."""

    at: float
    status: str
    error: dict[str, Any] | None = None


@dataclass(slots=True)
class Message:
    """One message in GHL. `posted_at` is when its delivery left for the portal, None for others.

    `first_status` is how it was stored; `history` holds the statuses taken since, `refused` the HTTP
    status of each that was not.
    """

    id: str
    location_id: str
    contact_id: str
    conversation_id: str
    direction: str
    kind: str
    text: str
    at: float
    attachments: list[str] = field(default_factory=list)
    provider_id: str = ""
    user_id: str = ""
    alt_id: str = ""
    posted_at: float | None = None
    first_status: str = "pending"
    history: list[StatusChange] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The status shown now."""
        return self.history[-1].status if self.history else self.first_status

    @property
    def error(self) -> dict[str, Any] | None:
        """The error shown beside it."""
        return self.history[-1].error if self.history else None


@dataclass(slots=True)
class Conversation:
    """All messages of one contact, whatever the channel."""

    id: str
    location_id: str
    contact_id: str
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_IN_CONVERSATION))


class Mailbox:
    """Conversations and messages, the last `keep` of them."""

    def __init__(self, ids: Ids, clock: Callable[[], float], keep: int) -> None:
        self._ids, self._clock, self._keep = ids, clock, keep
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._conversations: dict[str, Conversation] = {}
        self._by_contact: dict[str, Conversation] = {}

    def conversation_of(self, location_id: str, contact_id: str) -> Conversation:
        """The contact's conversation, opened when there is none."""
        with self._lock:
            found = self._by_contact.get(contact_id)
            if found is None:
                found = Conversation(self._ids.new("conversation"), location_id, contact_id)
                self._conversations[found.id] = self._by_contact[contact_id] = found
            return found

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation with this id."""
        with self._lock:
            return self._conversations.get(conversation_id)

    def opened(self, location_id: str, contact_id: str = "") -> list[Conversation]:
        """The location's conversations, of one contact when it is named."""
        with self._lock:
            known = list(self._conversations.values())
        return [one for one in known if one.location_id == location_id and contact_id in ("", one.contact_id)]

    def add(
        self, conversation: Conversation, direction: str, kind: str, text: str, *, message_id: str = "", **more: Any
    ) -> Message:
        """A new message at the end of the conversation. `more` are further fields of `Message`."""
        message = Message(
            id=message_id or self._ids.new("message"),
            location_id=conversation.location_id,
            contact_id=conversation.contact_id,
            conversation_id=conversation.id,
            direction=direction,
            kind=kind,
            text=text,
            at=self._clock(),
            **more,
        )
        with self._lock:
            self._messages[message.id] = message
            conversation.messages.append(message)
            while len(self._messages) > self._keep:
                self._messages.popitem(last=False)
        return message

    def get(self, message_id: str) -> Message | None:
        """The message with this id."""
        with self._lock:
            return self._messages.get(message_id)

    def messages(self, *, location_id: str = "", direction: str = "", alt_id: str = "") -> list[Message]:
        """The messages kept, oldest first, of a location, a direction or an external id."""
        with self._lock:
            kept = list(self._messages.values())
        return [
            one
            for one in kept
            if location_id in ("", one.location_id) and direction in ("", one.direction) and alt_id in ("", one.alt_id)
        ]

    def thread(self, conversation: Conversation) -> list[Message]:
        """The conversation's messages, oldest first."""
        with self._lock:
            return list(conversation.messages)

    def set_status(self, message: Message, status: str, error: dict[str, Any] | None) -> None:
        """Takes a status. HighLevel takes any after any, so a caller that goes backwards is seen in the history."""
        with self._lock:
            message.history.append(StatusChange(self._clock(), status, error))

    def refuse_status(self, message: Message, http_status: int) -> None:
        """Notes a status that was not taken."""
        with self._lock:
            message.refused.append(http_status)
