"""What a channel is: the value types and the one Protocol between the portal and a provider's API.

A channel knows no database and no Flask. It turns an `Outgoing` into one HTTP call, a provider's word into a
`Receipt`, and a raw webhook into `Inbound` and `Receipt` values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from portal.channels.content import About, AddressKind, Content, File, Kind, Peer, Piece
from portal.channels.setup import CredentialField as CredentialField
from portal.channels.setup import Probe as Probe
from portal.errors import PortalError
from portal.http import HttpClient


class Family(StrEnum):
    """Channels of one family share opt-outs and may stand in for one another."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    VIBER = "viber"


class Scope(StrEnum):
    """Whom a fault belongs to: the sender's fault stops the sender, the message's own fault steps aside."""

    SENDER = "sender"
    MESSAGE = "message"


class ChannelError(PortalError):
    """A send, status or probe that did not succeed.

    `message` is the sentence a person reads; `code` the provider's own code, raw.
    `unknown` is True when the provider may have accepted the call (time-out after the body was sent, half an answer).
    `retry` is False when no repetition can help. `retry_after` is seconds, when the provider named a time.
    `cached` is True when the provider replayed a stored answer for the idempotency key, so only a new key can help.
    `opted_out` is True when the provider refuses because the recipient has asked for silence: the portal learns it.
    `stops` is True when the sender can send nothing until a person has changed something: it is paused.
    `crowded`: this one recipient is written to too fast. `no_marketing`: seconds without any for the recipient.
    """

    http_status = 502

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        scope: Scope = Scope.MESSAGE,
        retry: bool = False,
        retry_after: float | None = None,
        unknown: bool = False,
        cached: bool = False,
        opted_out: bool = False,
        stops: bool = False,
        crowded: bool = False,
        no_marketing: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.scope = scope
        self.retry = retry
        self.retry_after = retry_after
        self.unknown = unknown
        self.cached = cached
        self.opted_out = opted_out
        self.stops = stops
        self.crowded = crowded
        self.no_marketing = no_marketing


@dataclass(frozen=True, slots=True)
class Account:
    """A sender as its channel sees it: decrypted credentials and where the provider's API lives.

    `api_url` is "" for the provider's public address. `private_hosts` is True only when the operator allowed this
    sender to reach loopback and private addresses. `webhook_url` is our base address for this sender, to which
    `/receive` or `/status` is added (`channels.callbacks`); "" where the provider could not reach it, or before there
    is a sender.
    """

    sender_id: int
    credentials: Mapping[str, str] = field(repr=False)
    api_url: str = ""
    private_hosts: bool = False
    webhook_url: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One part of a message, ready for one provider call.

    `to` is an address of `to_kind`, a number as E.164. `idempotency_key` is stable over repetitions whose outcome is
    unknown and changes after a definite refusal. `quotes` is the provider's id of the message that is answered.
    """

    to: str
    text: str
    idempotency_key: str
    files: Sequence[File] = ()
    to_kind: AddressKind = AddressKind.PHONE
    quotes: str = ""
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the part. `segments` is what it says it will bill, 0 when it does not say.

    `sandbox` is True when it only pretends, for a key that sends nothing: no receipt will come, and nothing costs.
    """

    external_id: str
    segments: int = 0
    code: str = ""
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one recipient of a bulk call. `to` is the address as it was asked for."""

    to: str
    outcome: Accepted | ChannelError


class Outcome(StrEnum):
    """A provider's word on a part, in the order in which it may move forward."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    # A voice message was listened to: read, and more than that.
    PLAYED = "played"
    EXPIRED = "expired"
    FAILED = "failed"


class Loss(StrEnum):
    """Why a part that the provider took was lost. REJECTED is the network's or provider's own refusal.

    WITHHELD: its recipient is not to have it now (a closed window, enough marketing), which says nothing of the sender.
    ACCOUNT: the provider or the sender's account was in the way, whoever it was for.
    """

    NONE = ""
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    OPTED_OUT = "opted_out"
    WITHHELD = "withheld"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Setback:
    """What a failed receipt asks for beyond its message: all that a refused call may (`ChannelError`).

    `retry`: nothing went out, to nobody, and time or a repair helps. `sentence` is why it waits then.
    """

    scope: Scope = Scope.MESSAGE
    retry: bool = False
    retry_after: float | None = None
    stops: bool = False
    crowded: bool = False
    no_marketing: float = 0.0
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word on one part. `code` is raw; `detail` is the sentence for a person when it failed.

    `loss` classes the code of a failure. OPTED_OUT is remembered: the recipient is not written to any more.
    `our_key` is the `Outgoing.idempotency_key` of the call, where the provider gives it back: it finds the part when
    the call's answer was lost. `billing` is what the provider says of the price (`billable`, `category`, …).
    `setback`: what a failure asks for besides; `detail` is then the sentence for when it is not tried any more.
    """

    external_id: str
    outcome: Outcome
    code: str = ""
    detail: str = ""
    recipient: str = ""
    at: datetime | None = None
    loss: Loss = Loss.NONE
    our_key: str = ""
    billing: Mapping[str, Any] = field(default_factory=dict)
    setback: Setback | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that a sender received, or that went out from its line without us.

    `sender` is the address of the chat, of `sender_kind`; a PHONE may still be as the provider wrote it. `name` is how
    the person (or group) is called there. In a group, `author` wrote it. `same_as` are further addresses of the person.
    `external_id` is "" when the provider gives none (then repeats are marked). `details` has the shape that `Kind`
    gives; `text` is the text or caption itself. `from_us` is True for what a person typed on the linked phone (it went
    to the chat), and `by_api` besides when it came through the provider's API, from us or from another program.
    `piece` is set when it is one SMS of a longer text, which waits for the others.
    """

    sender: str
    text: str
    external_id: str = ""
    recipient: str = ""
    files: Sequence[File] = ()
    at: datetime | None = None
    kind: Kind = Kind.TEXT
    sender_kind: AddressKind = AddressKind.PHONE
    name: str = ""
    author: Peer | None = None
    same_as: Sequence[Peer] = ()
    about: About | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    from_us: bool = False
    by_api: bool = False
    code: str = ""
    piece: Piece | None = None


class LineState(StrEnum):
    """Whether the line behind a sender works, for channels whose lines can fail (a linked phone).

    Only READY sends. LIMITED: the network holds messages back for now (too many strangers were written to).
    STARTING and ASLEEP pass by themselves; SIGNED_OUT, BLOCKED and GONE need a person.
    """

    READY = "ready"
    STARTING = "starting"
    ASLEEP = "asleep"
    LIMITED = "limited"
    SIGNED_OUT = "signed_out"
    BLOCKED = "blocked"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Line:
    """The provider's word on a line. `code` is its own word; `detail` a sentence with the remedy, "" when READY.

    `address` is the line's own number (E.164) where it is told. In a webhook it is a hint to ask, not the truth.
    `pace` is how many messages a second the provider takes on this very line, where it tells.
    """

    state: LineState
    code: str = ""
    detail: str = ""
    address: str = ""
    pace: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know of a sender (a quota that is used up). `detail` is a sentence with the remedy.

    `address` is the line's own number (E.164) where the notice is about that one alone of an account's lines.
    """

    code: str
    detail: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Preference:
    """A customer does not want marketing any more, or wants it again. Everything else may still be sent to them.

    `everything` is True where it is about all messages of the sender's family: an opt-out that they told the provider.
    """

    person: Peer
    marketing: bool
    at: datetime | None = None
    same_as: Sequence[Peer] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class TemplateNotice:
    """The provider has changed its mind on a template: a hint to ask for all of them. `event` is its own word."""

    name: str
    language: str
    event: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """One item of a request could not be read: it is kept and shown, and costs none of the others."""

    detail: str
    item: Any = None


ChannelEvent = Receipt | Inbound | Line | Notice | Preference | TemplateNotice | Unread


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A provider's request as it was received, and as it is kept: raw bytes, lower-case header names."""

    action: str
    body: bytes
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


class Channel(Protocol):
    """What every channel offers. Methods that speak to the provider raise `ChannelError`."""

    kind: str
    name: str
    family: Family
    fields: tuple[CredentialField, ...]
    idempotent: bool
    polls: bool
    separate_attachments: bool
    confirms_delivery: bool
    calls_back: bool

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One provider call for one part. Never repeats by itself: the caller decides."""
        ...

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """The provider's present word on a part it accepted, or None when it knows nothing new."""
        ...

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Are these credentials good? Costs nothing and sends nothing."""
        ...

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Does this request prove itself, beyond the unguessable key in its address?"""
        ...

    def lane(self, request: WebhookRequest) -> str:
        """A routing hint peeked from the raw request (the customer's address), "" when there is none. Never raises."""
        ...

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Everything the request says. Raises `ChannelError` when it cannot be read."""
        ...

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """The body and content type the provider expects beside 200."""
        ...


@runtime_checkable
class Registers(Protocol):
    """What a channel offers besides when it writes our webhook address into the provider's own settings.

    Both calls may be repeated, and raise `ChannelError`. A channel without them has nothing to clear up.
    """

    def connect(self, http: HttpClient, account: Account, webhook_url: str) -> bool | None:
        """Has the provider post to our address. True when its settings had to be changed for that.

        None where the channel cannot tell.
        """
        ...

    def disconnect(self, http: HttpClient, account: Account, webhook_url: str) -> None:
        """Takes our address out of the provider's settings; another system's, which is there instead, stays."""
        ...
