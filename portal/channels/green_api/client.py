"""GREEN-API's API of an instance: send, look up, link the phone, write our webhook into its settings."""

from collections.abc import Mapping, Sequence

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
from portal.channels.capabilities import LinkCode
from portal.channels.green_api import line as lines
from portal.channels.green_api import settings, uploads, webhook
from portal.channels.green_api.fields import FIELDS, GUIDE, KINDS, LIMITS, instance
from portal.channels.green_api.journal import Journal
from portal.channels.green_api.outgoing import BY_UPLOAD, BY_URL, order
from portal.channels.green_api.wire import call, read, refuse
from portal.channels.uploads import inside
from portal.channels.values import identifier
from portal.http import HttpClient


class GreenApi:
    """Not idempotent: an unknown outcome waits for a webhook or a person, and is never repeated by itself.

    GREEN-API takes 50 sends a second from an instance, but hands WhatsApp one every 500 ms at most. What is sent
    faster only waits there, where no reply can overtake it and nothing can be taken back; so it waits here instead.
    """

    kind = "green_api"
    name = "WhatsApp by GREEN-API"
    family = Family.WHATSAPP
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = True
    confirms_delivery = True
    calls_back = True
    webhook_path = "green-api"
    kinds = KINDS
    quotes = True
    limits = LIMITS
    account_pace = 2.0
    # Most looks are answered out of the journal read last: GREEN-API itself is asked once in five seconds.
    account_poll_pace = 10.0

    def __init__(self) -> None:
        self._journal = Journal()

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. `idMessage` says that the message is queued there, for at most 24 hours, and no more."""
        method, body = order(part)
        if method == BY_URL and inside(body["urlFile"]):
            method = BY_UPLOAD
            answer = call(http, account, method, form=uploads.form(http, account, body))
        else:
            answer = call(http, account, method, json=body)
        if answer.status != 200:
            refuse(account, method, answer)
        said = read(answer)
        external_id = identifier(said.get("idMessage")) if isinstance(said, dict) else ""
        if not external_id:
            text = "GREEN-API's answer names no message: it may have gone out."
            raise ChannelError(text, code="no_id", scope=Scope.SENDER, unknown=True)
        return Accepted(external_id)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """By the journal of the last day, in case a webhook was lost."""
        return self._journal.find(http, account, external_id)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the line's state. A refusal is an answer, not an error."""
        return lines.probe(http, account)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By the token in `Authorization`."""
        return webhook.verify(account, request)

    def lane(self, request: WebhookRequest) -> str:
        """The chat."""
        return webhook.lane(request)

    def addressed(self, request: WebhookRequest) -> str:
        """The instance's id."""
        return webhook.addressed(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """One notification."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Only the 200 matters to GREEN-API."""
        return "{}", "application/json"

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The instance: each has its own limits."""
        return instance(credentials)

    def line(self, http: HttpClient, account: Account) -> Line:
        """The linked phone's state and number."""
        return lines.line(http, account)

    def link_code(self, http: HttpClient, account: Account) -> LinkCode:
        """The QR code of now."""
        return lines.link_code(http, account)

    def pairing_code(self, http: HttpClient, account: Account, phone: str) -> str:
        """The code to type on the phone."""
        return lines.pairing_code(http, account, phone)

    def sign_out(self, http: HttpClient, account: Account) -> None:
        """Unlinks the phone."""
        lines.sign_out(http, account)

    def restart(self, http: HttpClient, account: Account) -> None:
        """Starts the instance anew."""
        lines.restart(http, account)

    def connect(self, http: HttpClient, account: Account, webhook_url: str) -> bool:
        """Writes our webhook, with every kind of notification, unless it is there, and looks whether it took."""
        return settings.connect(http, account, webhook_url)

    def disconnect(self, http: HttpClient, account: Account, webhook_url: str) -> None:
        """Takes our webhook out, if it is ours."""
        settings.disconnect(http, account, webhook_url)
