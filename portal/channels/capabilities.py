"""What some channels offer beyond `Channel`: each a Protocol of its own, and a question that every channel answers.

Callers ask the functions below and need not know which channel has what. No two Protocols use one name: whoever had the
method of the one would pass for the other too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from portal.channels.base import Account, BulkResult, Channel, Family, Line, Outcome, WebhookRequest
from portal.channels.content import AddressKind, Kind, Limits
from portal.http import HttpClient


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has left, in the provider's own units. A postpaid account has none and may be below zero."""

    credits: int
    currency: str = ""
    postpaid: bool = False


@dataclass(frozen=True, slots=True)
class ListedOptOut:
    """A recipient who has asked the provider for silence. `line` is the sender id they left, "" for all of them."""

    address: str
    line: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SenderId:
    """A name that an account may send under, once it is approved. `product` is what it is for (sms, sim)."""

    name: str
    product: str = ""
    label: str = ""
    approved: bool = True


@runtime_checkable
class SharesAccount(Protocol):
    """Several senders may use one account, which has one limit. Paces are calls a second, for the whole account."""

    account_pace: float
    account_poll_pace: float

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """What tells accounts apart (an API key). Kept as a digest only."""
        ...


@runtime_checkable
class HasBalance(Protocol):
    """The provider tells what an account has left. Senders may set the field `low_balance` (the provider's units)."""

    low_balance: int

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """What is left now. Raises `ChannelError`."""
        ...


@runtime_checkable
class HasLastWord(Protocol):
    """The provider has no better word than this one: from then on it is asked seldom, in case it changes its mind."""

    last_word: Outcome


@runtime_checkable
class ReportsSegments(Protocol):
    """Each SMS of a long text has an id and receipts of its own, which give our key back. Such a channel is not polled.

    `Accepted` then has the first id and how many there are.
    """

    reports_segments: bool


@runtime_checkable
class ReceiptsAreHints(Protocol):
    """Nothing but our unguessable address proves a report: the provider is asked before its last word counts."""

    receipts_are_hints: bool


@runtime_checkable
class ListsOptOuts(Protocol):
    """The provider keeps a list of its own of who has opted out."""

    def opt_outs(self, http: HttpClient, account: Account) -> Sequence[ListedOptOut]:
        """Everybody on the account's list. Raises `ChannelError`."""
        ...

    def listed_line(self, credentials: Mapping[str, str]) -> str:
        """The sender id of a sender, as `ListedOptOut.line` names it; "" when the provider chooses."""
        ...


@runtime_checkable
class ListsSenderIds(Protocol):
    """The provider approves the names that an account may send under."""

    def sender_ids(self, http: HttpClient, account: Account) -> Sequence[SenderId]:
        """The names that are fit for this sender's product. Raises `ChannelError`."""
        ...


@runtime_checkable
class HasSandboxKeys(Protocol):
    """The provider gives out keys that send nothing."""

    def is_sandbox(self, credentials: Mapping[str, str]) -> bool:
        """Is this such a key?"""
        ...


@runtime_checkable
class SeveralFamilies(Protocol):
    """Which family a sender is of depends on its settings."""

    def family_of(self, credentials: Mapping[str, str]) -> Family:
        """The family of a sender with these settings."""
        ...


@runtime_checkable
class SendsBulk(Protocol):
    """One call takes one text for many recipients."""

    def bulk_limit(self, credentials: Mapping[str, str]) -> int:
        """How many recipients one call may have with these settings; 0 when they allow no bulk."""
        ...

    def send_bulk(
        self, http: HttpClient, account: Account, to: Sequence[str], text: str, key: str
    ) -> Sequence[BulkResult]:
        """One result for each of `to`, in its order. `key` is the idempotency key of the whole call.

        Raises `ChannelError` when the call as a whole did not succeed; then it says so of every recipient.
        """
        ...


@dataclass(frozen=True, slots=True)
class LinkCode:
    """What links a phone now: `image` is a PNG in base64. `linked` is True when there is nothing to link any more.

    Neither: `detail` says in a sentence what is being waited for. The image is good for some 20 seconds.
    """

    image: str = ""
    linked: bool = False
    detail: str = ""


@runtime_checkable
class HasLine(Protocol):
    """The line behind a sender can fail and come back: its state is asked for regularly, notices are hints only."""

    def line(self, http: HttpClient, account: Account) -> Line:
        """The state now. Raises `ChannelError`."""
        ...


@runtime_checkable
class AsksSeldom(Protocol):
    """The provider answers few questions an hour: its lines are asked about at this distance, in seconds."""

    line_seconds: float


@runtime_checkable
class LinksPhone(HasLine, Protocol):
    """The line is a phone that a person links. Each call raises `ChannelError`."""

    def link_code(self, http: HttpClient, account: Account) -> LinkCode:
        """What the phone has to scan now."""
        ...

    def pairing_code(self, http: HttpClient, account: Account, phone: str) -> str:
        """The code to type on the phone (`phone`: E.164) instead of scanning."""
        ...

    def sign_out(self, http: HttpClient, account: Account) -> None:
        """Unlinks the phone."""
        ...

    def restart(self, http: HttpClient, account: Account) -> None:
        """Starts the provider's side of the line anew; what it has queued stays."""
        ...


@runtime_checkable
class OneWebhook(Protocol):
    """All senders have one webhook address, `/webhooks/<path>`: the request itself names its sender."""

    webhook_path: str

    def addressed(self, request: WebhookRequest) -> str:
        """`Sender.address` of the sender that the request names, "" when it names none. Never raises."""
        ...


@runtime_checkable
class AppWebhook(OneWebhook, Protocol):
    """One app posts for all its senders to one address, several of them in one request, signed with the app's secret.

    A sender with an app of its own has `/webhooks/<path>/<sender key>`, and its secrets among its credentials.
    """

    def groups(self, credentials: Mapping[str, str]) -> str:
        """What names the account above the sender in requests that name no sender; `Sender.webhook_group`."""
        ...

    def addressees(self, request: WebhookRequest) -> Sequence[str]:
        """Everybody the request speaks of, each once, in its order: `OneWebhook.addressed` names, `group:<group>`.

        Empty for what is no request of the provider. Never raises.
        """
        ...

    def share(self, request: WebhookRequest, addressee: str) -> WebhookRequest:
        """The request with what belongs to one addressee alone; the same object when nothing else is in it.

        To "" belongs what names nobody; its body is empty when there is nothing of that kind.
        """
        ...

    def signed(self, app_secret: str, request: WebhookRequest) -> bool:
        """Is the raw body signed with this secret? Constant time."""
        ...

    def own_app(self, credentials: Mapping[str, str]) -> tuple[str, str]:
        """The app secret and the verify token of a sender that brings an app of its own, "" where it does not."""
        ...


@runtime_checkable
class Reaches(Protocol):
    """Which addresses a sender can write to, the one it prefers first. Without it: numbers alone."""

    address_kinds: tuple[AddressKind, ...]


@runtime_checkable
class HasWindow(Protocol):
    """Whatever is no template goes out only for a time after the customer has written."""

    window: timedelta


@runtime_checkable
class MarksRead(Protocol):
    """The customer can be shown that their message was read."""

    def mark_read(self, http: HttpClient, account: Account, external_id: str) -> None:
        """Marks a message of theirs, and all before it. May be repeated. Raises `ChannelError`."""
        ...


@dataclass(frozen=True, slots=True)
class Template:
    """A message that the provider has approved beforehand, or not (yet). `components` are as Meta gives them.

    `status` and `category` are the provider's words in capitals (APPROVED, PAUSED …; MARKETING, UTILITY,
    AUTHENTICATION). `detail` says why it was rejected or paused.
    """

    external_id: str
    name: str
    language: str
    category: str
    status: str
    components: Sequence[Mapping[str, Any]] = ()
    quality: str = ""
    detail: str = ""


@runtime_checkable
class HasTemplates(Protocol):
    """The provider keeps templates."""

    def templates(self, http: HttpClient, account: Account) -> Sequence[Template]:
        """All of them, whatever their status. Raises `ChannelError`."""
        ...


@runtime_checkable
class SendsKinds(Protocol):
    """One call can be more than a text or a file."""

    kinds: frozenset[Kind]
    quotes: bool


@runtime_checkable
class HasLimits(Protocol):
    """The provider refuses what is too long or too large: it is told before anything is sent."""

    limits: Limits


@runtime_checkable
class FetchesMedia(Protocol):
    """The files of messages that come in are not simply behind their addresses: it takes a token, or a question."""

    def media_request(self, http: HttpClient, account: Account, url: str) -> tuple[str, Mapping[str, str]]:
        """Where the file of `File.url` is at this moment, and the headers of its download. Raises `ChannelError`."""
        ...


def media_request(channel: Channel, http: HttpClient, account: Account, url: str) -> tuple[str, Mapping[str, str]]:
    """Where a file of a message that came in is, and the headers that its download needs. Raises `ChannelError`."""
    return channel.media_request(http, account, url) if isinstance(channel, FetchesMedia) else (url, {})


def wants_files_described(channel: Channel) -> bool:
    """Are `Outgoing.files` to be looked at before a call, so that they have a name, a type and a size?"""
    return isinstance(channel, HasLimits)


def limits_of(channel: Channel) -> Limits:
    """What one call takes."""
    return channel.limits if isinstance(channel, HasLimits) else Limits()


def kinds_of(channel: Channel) -> frozenset[Kind]:
    """What a part can be besides a text or a file."""
    return channel.kinds if isinstance(channel, SendsKinds) else frozenset()


def family_of(channel: Channel, credentials: Mapping[str, str]) -> Family:
    """The family of a sender with these settings."""
    return channel.family_of(credentials) if isinstance(channel, SeveralFamilies) else channel.family


def is_sandbox(channel: Channel, credentials: Mapping[str, str]) -> bool:
    """Does a sender with these credentials send nothing?"""
    return isinstance(channel, HasSandboxKeys) and channel.is_sandbox(credentials)


def bulk_limit(channel: Channel, credentials: Mapping[str, str]) -> int:
    """How many recipients one call may have; 0 where there is no bulk."""
    return channel.bulk_limit(credentials) if isinstance(channel, SendsBulk) else 0


def last_word(channel: Channel) -> Outcome | None:
    """The best that the provider ever says of a part; None where that is a delivery."""
    return channel.last_word if isinstance(channel, HasLastWord) else None


def account_key(channel: Channel, credentials: Mapping[str, str], api_url: str) -> str:
    """A digest that senders of one account share, 32 hex digits; "" where every sender is its own account."""
    if not isinstance(channel, SharesAccount):
        return ""
    named = "\n".join((channel.kind, api_url.rstrip("/"), channel.account_name(credentials)))
    return hashlib.sha256(named.encode()).hexdigest()[:32]
