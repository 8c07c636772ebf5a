"""What a case is: how a provider answers and what it posts, so that one suite can try all channels.

`tests/contract/cases/<kind>.py` has one or several in `CASES`; nothing else need know of it.
"""

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from portal.channels.base import Account, ChannelEvent, Outgoing, Scope, WebhookRequest
from tests.contract.standin import Step

PART = Outgoing(to="+639171234567", text="Kumusta", idempotency_key="41:1")
WEBHOOK_URL = "https://sms.example.com/webhooks/sms/kind/a-sender-key"


@dataclass(frozen=True)
class Expected:
    """What the channel's error must say of a refusal."""

    scope: Scope
    retry: bool
    unknown: bool = False
    cached: bool = False
    retry_after: float | None = None
    code: str | None = None


@dataclass(frozen=True)
class Heard:
    """A request of the provider, and what the channel must make of it.

    `request` is as it is kept: raw bytes, lower-case header names. Of each event those fields are compared that the
    expected one sets.
    """

    name: str
    request: WebhookRequest
    expected: Sequence[ChannelEvent]


@dataclass(frozen=True)
class Case:
    """A provider as its channel must understand it. Every credential is a word no other text contains.

    `heard`: receipts and messages; `odd`: requests with an item that cannot be mapped, which must be told as `Unread`;
    `broken`: requests that cannot be read at all. `sign` gives the request what proves it, for an account whose
    `webhook_url` is `WEBHOOK_URL`; None where the unguessable address is the only proof.
    """

    kind: str
    credentials: dict[str, str]
    accepts: Step
    external_id: str
    refusals: Sequence[tuple[str, Step, Expected]]
    throttles: int = 429
    secrets: tuple[str, ...] = field(default=())
    heard: Sequence[Heard] = ()
    odd: Sequence[WebhookRequest] = ()
    broken: Sequence[WebhookRequest] = ()
    sign: Callable[[WebhookRequest], WebhookRequest] | None = None

    def account(self, url: str) -> Account:
        return Account(
            sender_id=7, credentials=self.credentials, api_url=url, private_hosts=True, webhook_url=WEBHOOK_URL
        )


def posted(action: str, body: str | bytes, content_type: str = "application/json", query: str = "") -> WebhookRequest:
    """A POST as it is kept."""
    raw = body.encode() if isinstance(body, str) else body
    return WebhookRequest(action, raw, content_type, {"content-type": content_type}, query)


def got(action: str, query: str) -> WebhookRequest:
    """A GET as it is kept."""
    return WebhookRequest(action, b"", query=query)


# The message's own fault, the sender's, in doubt where the call may be repeated, and where it may not.
OURS = Expected(Scope.MESSAGE, retry=False)
SENDERS = Expected(Scope.SENDER, retry=True)
IN_DOUBT = Expected(Scope.SENDER, retry=True, unknown=True)
# A send that is in doubt is never repeated by itself where the provider knows no idempotency key.
LEFT_OPEN = Expected(Scope.SENDER, retry=False, unknown=True)


def later(seconds: float | None, scope: Scope = Scope.SENDER) -> Expected:
    """Time helps: `seconds` when it is known how much."""
    return Expected(scope, retry=True, retry_after=seconds)


def collected() -> tuple[Case, ...]:
    """The cases of every module here, by their names' order."""
    names = sorted(each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_"))
    return tuple(case for name in names for case in import_module(f"{__name__}.{name}").CASES)
