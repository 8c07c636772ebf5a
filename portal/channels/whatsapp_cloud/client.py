"""Meta's Cloud API for one number: send, mark read, templates, and our webhook at its account."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    Family,
    Line,
    Outgoing,
    Probe,
    Receipt,
    Scope,
    WebhookRequest,
)
from portal.channels.capabilities import Template
from portal.channels.content import AddressKind, File
from portal.channels.whatsapp_cloud import connect, files, media, number, peek, templates, webhook
from portal.channels.whatsapp_cloud.account import find
from portal.channels.whatsapp_cloud.fields import (
    FIELDS,
    GUIDE,
    KINDS,
    LIMITS,
    account_id,
    number_id,
    own_app,
    shows_typing,
)
from portal.channels.whatsapp_cloud.outgoing import order
from portal.channels.whatsapp_cloud.wire import ask, message_id, segment
from portal.http import HttpClient


class WhatsAppCloud:
    """Not idempotent: an unknown outcome waits for a status, which carries our own key, or for a person.

    A number takes 80 messages a second, in both directions together (20 where it is in the WhatsApp Business app too).
    """

    kind = "whatsapp_cloud"
    name = "WhatsApp Cloud"
    family = Family.WHATSAPP
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = False
    separate_attachments = True
    confirms_delivery = True
    calls_back = True
    webhook_path = "whatsapp"
    kinds = KINDS
    quotes = True
    limits = LIMITS
    address_kinds = (AddressKind.PHONE, AddressKind.BSUID, AddressKind.GROUP)
    window = timedelta(hours=24)
    not_fetched = frozenset(("131053",))
    account_pace = 80.0
    account_poll_pace = 1.0
    # Questions about an account are few an hour (Graph API, "Business use case rate limits").
    line_seconds = 600.0

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST to `messages`."""
        said = ask(http, account, self._messages(account), json=order(part), sends=True)
        external_id, code = message_id(said)
        if not external_id:
            text = "Meta's answer names no message: it may have gone out."
            raise ChannelError(text, code="no_id", scope=Scope.SENDER, unknown=True)
        return Accepted(external_id, code=code)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Meta tells statuses by webhook only."""
        return None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the number and its account."""
        return number.probe(http, account)

    def line(self, http: HttpClient, account: Account) -> Line:
        """The number's state."""
        return number.line(http, account)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By the app secret of the sender's own. What the shared app posts is verified with the portal's."""
        return webhook.signed(own_app(account.credentials)[0], request)

    def signed(self, app_secret: str, request: WebhookRequest) -> bool:
        """By `X-Hub-Signature-256` over the raw bytes."""
        return webhook.signed(app_secret, request)

    def own_app(self, credentials: Mapping[str, str]) -> tuple[str, str]:
        """App secret and verify token."""
        return own_app(credentials)

    def groups(self, credentials: Mapping[str, str]) -> str:
        """The WhatsApp Business account."""
        return account_id(credentials)

    def addressees(self, request: WebhookRequest) -> Sequence[str]:
        """Phone number ids, and `group:<account>` for what names none."""
        return peek.addressees(request)

    def addressed(self, request: WebhookRequest) -> str:
        """The only addressee, "" when there are several."""
        found = peek.addressees(request)
        return found[0] if len(found) == 1 else ""

    def share(self, request: WebhookRequest, addressee: str) -> WebhookRequest:
        """The changes of one addressee."""
        return peek.share(request, addressee)

    def lane(self, request: WebhookRequest) -> str:
        """One lane for a number's messages, eight for what holds receipts alone."""
        return peek.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Every item of every change."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Only the 200 matters to Meta."""
        return "{}", "application/json"

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The number: each has its own limits."""
        return number_id(credentials)

    def connect(self, http: HttpClient, account: Account, webhook_url: str) -> bool | None:
        """Subscribes the app to the account, with our address where the app is the sender's own."""
        return connect.connect(http, account, webhook_url)

    def disconnect(self, http: HttpClient, account: Account, webhook_url: str) -> None:
        """Takes our address out where the app is the sender's own."""
        connect.disconnect(http, account, webhook_url)

    def lacks(self, credentials: Mapping[str, str]) -> bool:
        """The WhatsApp Business account may be left out."""
        return not account_id(credentials)

    def find(self, http: HttpClient, account: Account) -> Mapping[str, str]:
        """The number's account, where Meta tells it."""
        found = find(http, account)
        return {"waba_id": found} if found else {}

    def media_request(self, http: HttpClient, account: Account, url: str) -> tuple[str, Mapping[str, str]]:
        """The address of the next minutes, and the token."""
        return media.media_request(http, account, url)

    def hand_over(self, http: HttpClient, account: Account, file: File, content: Path) -> str:
        """A copy of a file, by `POST /{number}/media`."""
        return files.hand_over(http, account, file, content)

    def mark_read(self, http: HttpClient, account: Account, external_id: str) -> None:
        """Blue ticks for a message and all before it; typing goes with them, and ends with the answer or by itself."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": external_id}
        if shows_typing(account.credentials):
            body["typing_indicator"] = {"type": "text"}
        ask(http, account, self._messages(account), json=body)

    def templates(self, http: HttpClient, account: Account) -> Sequence[Template]:
        """All templates of the account."""
        return templates.templates(http, account)

    def _messages(self, account: Account) -> str:
        return f"{segment(number_id(account.credentials))}/messages"
