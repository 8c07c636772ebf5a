"""What the stand-in SMS providers deal in: orders, accepted messages with their fate, and the calls they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.outgoing import Answer
from portal.sandbox.segments import parts
from portal.sandbox.world import number_key

ACCEPTED, SENT = "accepted", "sent"
DELIVERED, UNDELIVERED, REJECTED, EXPIRED, FAILED, STUCK = (
    "delivered",
    "undelivered",
    "rejected",
    "expired",
    "failed",
    "stuck",
)
# The last word on a message: delivered; the phone off; the network's refusal; too late; the provider's own failure;
# none at all.
OUTCOMES = (DELIVERED, UNDELIVERED, REJECTED, EXPIRED, FAILED, STUCK)
LOST = {
    UNDELIVERED: "The handset could not be reached",
    REJECTED: "The carrier rejected the message",
    EXPIRED: "The handset was off for too long",
    FAILED: "The message could not be handed to the carrier",
}
# A number that ends so decides its messages' fate, unless `SmsProvider.decide` says otherwise.
ENDINGS = {"0001": UNDELIVERED, "0005": EXPIRED, "0006": REJECTED, "0007": FAILED, "0008": STUCK}


@dataclass(frozen=True, slots=True)
class Progress:
    """How an accepted message goes on: seconds to `sent`, seconds to the last word, and that word (`OUTCOMES`)."""

    sent_after: float = 1.0
    final_after: float = 2.5
    outcome: str = DELIVERED


@dataclass(frozen=True, slots=True)
class Order:
    """One text for one number, as a send call asks for it.

    `to` as the caller wrote it; `callback` is where receipts go, "" for nowhere; `key` the caller's own id; `extra` is
    whatever else the dialect wants to find again.
    """

    account: str
    to: str
    text: str
    sender: str = ""
    callback: str = ""
    key: str = ""
    files: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a provider took and will bill: this is what must never happen twice. `at` is unix seconds."""

    id: str
    at: float
    order: Order
    progress: Progress
    title: str = ""

    @property
    def number(self) -> str:
        """The recipient, by which every spelling of a number is one."""
        return number_key(self.order.to)

    @property
    def parts(self) -> int:
        """How many SMS parts it takes."""
        return max(parts(self.order.text), 1)

    def word(self, now: float) -> str:
        """How it stands: `accepted`, `sent`, or one of `OUTCOMES` but `stuck`."""
        if now < self.at + self.progress.sent_after:
            return ACCEPTED
        if now < self.at + self.progress.final_after or self.progress.outcome == STUCK:
            return SENT
        return self.progress.outcome

    def status(self, now: float) -> str:
        """The same under the name that the page uses for all stand-ins."""
        return self.word(now)


@dataclass(frozen=True, slots=True)
class Written:
    """What a customer writes. `url` is the sender's webhook address as the portal named it."""

    id: str
    at: float
    from_number: str
    to: str
    text: str
    url: str
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A call of a provider at the portal: what `Dialect.receipt` and `Dialect.inbound` make."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posted:
    """A call made once, and the answer. `about` is the message's id, `word` what it told (`inbound` for a text)."""

    hook: Hook
    answer: Answer
    about: str
    word: str
