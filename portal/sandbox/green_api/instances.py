"""An instance as the stand-in keeps it: its phone, its settings, what it sent and received."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.green_api.notifications import Body

STATES = ("authorized", "notAuthorized", "blocked", "starting", "yellowCard", "sleepMode", "expired", "deleted")
TYPES = (
    "outgoingWebhook",
    "outgoingMessageWebhook",
    "outgoingAPIMessageWebhook",
    "incomingWebhook",
    "stateWebhook",
    "incomingCallWebhook",
    "outgoingCallWebhook",
    "pollMessageWebhook",
    "editedMessageWebhook",
    "deletedMessageWebhook",
    "incomingBlockWebhook",
    "deviceWebhook",
)
# How messages may end. `stuck` never leaves the queue.
OUTCOMES = ("delivered", "read", "sent", "noAccount", "failed", "notInGroup", "stuck")
# Messages about another message, which nobody answers or corrects.
REFER = ("reactionMessage", "editedMessage", "deletedMessage")
KEPT_HOURS = 24


def new_settings(number: str) -> dict[str, Any]:
    """Everything is off on a new instance."""
    return {
        "wid": wid(number),
        "countryInstance": "",
        "typeAccount": "business",
        "webhookUrl": "",
        "webhookUrlToken": "",
        "delaySendMessagesMilliseconds": 500,
        "markIncomingMessagesReaded": "no",
        "markIncomingMessagesReadedOnReply": "no",
        "keepOnlineStatus": "no",
        **dict.fromkeys(TYPES, "no"),
    }


def wid(number: str) -> str:
    """A phone (E.164) as WhatsApp names it."""
    return f"{number.removeprefix('+')}@c.us"


@dataclass(frozen=True, slots=True)
class Progress:
    """How a sent message goes on: seconds to `sent`, to `delivered` and to `read`, and how it ends (`OUTCOMES`)."""

    sent_after: float = 0.5
    delivered_after: float = 1.5
    read_after: float = 3.0
    outcome: str = "delivered"


@dataclass(slots=True)
class Sent:
    """A message that went out from the line: this is what must never happen twice. `begun_at` is None while held.

    `by` is api, or phone for what the line's owner typed there.
    """

    id: str
    at: float
    method: str
    chat: str
    text: str
    body: Body
    progress: Progress
    begun_at: float | None
    by: str = "api"
    type_message: str = "textMessage"

    def status(self, now: float) -> str:
        """GREEN-API's word on it."""
        if self.begun_at is None:
            return "yellowCard"
        age, ends = now - self.begun_at, self.progress.outcome
        if age < self.progress.sent_after or ends == "stuck":
            return "pending"
        if ends in ("noAccount", "failed", "notInGroup"):
            return ends
        if ends == "read" and age >= self.progress.read_after:
            return "read"
        return "delivered" if ends != "sent" and age >= self.progress.delivered_after else "sent"


@dataclass(slots=True)
class Received:
    """A message that reached the line."""

    id: str
    at: float
    chat: str
    text: str
    data: Body

    @property
    def kind(self) -> str:
        """Its `typeMessage`."""
        return str(self.data.get("typeMessage", ""))


@dataclass(slots=True)
class Instance:
    """One instance: `number` is its phone's (E.164), `starting_until` unix seconds, `pending` settings not yet held."""

    id: str
    token: str
    number: str
    name: str = "WhatsApp line"
    location_id: str = ""
    state: str = "authorized"
    starting_until: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    pending: tuple[float, dict[str, Any]] | None = None
    codes: int = 0
    sent: OrderedDict[str, Sent] = field(default_factory=OrderedDict)
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=2000))
    recent: dict[str, deque[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = self.settings or new_settings(self.number)

    def afresh(self) -> "Instance":
        """The same line without what was said on it."""
        kept = self.pending[1] if self.pending is not None else {}
        settings = self.settings | kept
        return Instance(self.id, self.token, self.number, self.name, self.location_id, self.state, settings=settings)

    def state_at(self, now: float) -> str:
        """The state, `starting` while it restarts."""
        return "starting" if now < self.starting_until else self.state

    def wid_at(self, now: float) -> str:
        """Its own id, "" while no phone is linked."""
        return "" if self.state == "notAuthorized" else wid(self.number)

    def settings_at(self, now: float) -> dict[str, Any]:
        """The settings that hold."""
        if self.pending is not None and now >= self.pending[0]:
            self.settings, self.pending = self.settings | self.pending[1], None
        return self.settings

    def wants(self, name: str, now: float) -> bool:
        """Is this kind of notification switched on?"""
        return self.settings_at(now).get(name) == "yes"

    def last(self, chat: str, *, of: str = "") -> dict[str, Any]:
        """The newest message of a chat that another can refer to, `of` customer or phone alone; empty for none."""
        sent = [one for one in self.sent.values() if one.chat == chat and one.type_message not in REFER]
        got = [one for one in self.received if one.chat == chat and one.kind not in REFER]
        sent = [one for one in sent if of in ("", one.by)]
        got = got if of in ("", "customer") else []
        if sent and (not got or sent[-1].at >= got[-1].at):
            return {"idMessage": sent[-1].id, "text": sent[-1].text, "sender": wid(self.number)}
        if got:
            told = {"idMessage": got[-1].id, "text": got[-1].text, "sender": chat}
            return told | {"typeMessage": got[-1].kind}
        return {}
