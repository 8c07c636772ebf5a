"""What the stand-in keeps: apps, business accounts, numbers, the people they speak with, and every message."""

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.whatsapp_cloud.templates import Template

Body = dict[str, Any]

WINDOW_SECONDS = 24 * 3600.0
ENTRY_POINT_SECONDS = 72 * 3600.0
# How messages may end; `failed:<code>` besides. `stuck` is never heard of again.
OUTCOMES = ("delivered", "read", "played", "sent", "stuck")
STAGES = ("sent", "delivered", "read", "played")


def digits(phone: str) -> str:
    """A phone as Meta writes it: digits alone."""
    return "".join(character for character in phone if character.isdigit())


def user_id_of(phone: str) -> str:
    """The business-scoped id of whoever has this phone: another phone, another id."""
    number = int.from_bytes(hashlib.sha256(f"person/{digits(phone)}".encode()).digest()[:8])
    return f"PH.{10**18 + number % 10**18}"


@dataclass(slots=True)
class App:
    """A Meta app. `callback` is where it posts, "" for the portal's own shared address."""

    id: str
    secret: str
    verify_token: str
    callback: str = ""


@dataclass(slots=True)
class Account:
    """A WhatsApp Business account (WABA) and its one token. `override` is its own callback instead of the app's."""

    id: str
    token: str
    app_id: str
    name: str = "Manila Home Repair"
    expired: bool = False
    subscribed: bool = True
    override: str = ""
    templates: list[Template] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    """A customer towards one number. `phone` is digits, "" for one who is known by username alone.

    `wrote_at` opens the window (unix seconds, 0: never wrote), `free_until` is the end of a free entry point.
    `marketing` holds when marketing reached them since they last wrote; `allowance` and `refilled_at` count the pair.
    A group is one as well: its id, and no phone.
    """

    user_id: str
    phone: str = ""
    name: str = ""
    username: str = ""
    wrote_at: float = 0.0
    free_until: float = 0.0
    stopped: bool = False
    is_group: bool = False
    marketing: list[float] = field(default_factory=list)
    allowance: float | None = None
    refilled_at: float = 0.0

    @property
    def address(self) -> str:
        """The phone as E.164, or the id where there is none."""
        return f"+{self.phone}" if self.phone else self.user_id

    def may_be_answered(self, now: float) -> bool:
        """Is the customer-service window open?"""
        return self.wrote_at > 0 and now - self.wrote_at < WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds to each status, and how a message ends (`OUTCOMES`, or `failed:<code>`)."""

    sent_after: float = 0.3
    delivered_after: float = 1.0
    read_after: float = 2.5
    outcome: str = "delivered"


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be tapped on a message. `kind` is button, row, quick (a template's) or plain (a link …)."""

    id: str
    title: str
    kind: str = "button"
    description: str = ""


@dataclass(slots=True)
class Sent:
    """A message that went out from a number: this is what must never happen twice.

    `key` is the caller's `biz_opaque_callback_data`. `stages` are (unix seconds, status) as they come. `by` is api, or
    phone for what was typed in the phone app. `reaction` is the customer's emoji on it.
    """

    id: str
    at: float
    person: Person
    kind: str
    text: str
    body: Body
    key: str = ""
    quotes: str = ""
    category: str = "service"
    code: int = 0
    stages: list[tuple[float, str]] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    link: str = ""
    file: str = ""
    by: str = "api"
    reaction: str = ""
    edited: bool = False

    def status(self, now: float) -> str:
        """The last status that was due; `accepted` before the first."""
        due = [word for moment, word in self.stages if moment <= now]
        return due[-1] if due else "accepted"


@dataclass(slots=True)
class Received:
    """A message that reached a number. `item` is what was posted of it; `reaction` the business's emoji on it."""

    id: str
    at: float
    person: Person
    kind: str
    text: str
    item: Body
    group: str = ""
    read_at: float = 0.0
    typing_at: float = 0.0
    reaction: str = ""
    deleted: bool = False


@dataclass(slots=True)
class Number:
    """A business phone number. `phone` is E.164; one that `coexists` with the phone app has a lower rate."""

    id: str
    account_id: str
    phone: str
    name: str = "Manila Home Repair"
    location_id: str = ""
    quality: str = "GREEN"
    coexists: bool = False
    override: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    sent: OrderedDict[str, Sent] = field(default_factory=OrderedDict)
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=2000))
    recent: deque[float] = field(default_factory=deque)

    def afresh(self) -> "Number":
        """The same number without what was said on it."""
        more = {"quality": self.quality, "coexists": self.coexists, "override": self.override}
        return Number(self.id, self.account_id, self.phone, self.name, self.location_id, **more)  # type: ignore[arg-type]

    def person(self, who: str, name: str = "") -> Person:
        """Whoever has this phone (however written) or this business-scoped id, made known when new."""
        named = "." in who
        user_id = who if named else user_id_of(who)
        found = self.people.get(user_id)
        if found is None:
            found = self.people[user_id] = Person(user_id, "" if named else digits(who), name)
        if name:
            found.name = name
        return found

    def group(self, group_id: str) -> Person:
        """The group with this id, made known when new."""
        return self.people.setdefault(group_id, Person(group_id, name="A group", is_group=True))

    def heard(self, message_id: str) -> Received | None:
        """The message of a customer with this id."""
        return next((one for one in self.received if one.id == message_id), None)

    def metadata(self) -> Body:
        """How webhooks name the number."""
        return {"display_phone_number": digits(self.phone), "phone_number_id": self.id}


@dataclass(slots=True)
class Media:
    """A file. `until` is when its id stops being known, `url_until` when its address does (unix seconds)."""

    id: str
    account_id: str
    content: bytes
    mime: str
    until: float
    name: str = ""
    hash: str = ""
    url_until: float = 0.0
