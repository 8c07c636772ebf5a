"""Vonage's SMS API: send, look at the account."""

from collections.abc import Mapping, Sequence

from portal.channels.alphabet import is_gsm7
from portal.channels.base import (
    Accepted,
    Account,
    ChannelEvent,
    Family,
    Outgoing,
    Probe,
    Receipt,
    WebhookRequest,
)
from portal.channels.callbacks import digits, status_url
from portal.channels.capabilities import Balance
from portal.channels.outgoing import with_links
from portal.channels.values import identifier
from portal.channels.vonage import account as accounts
from portal.channels.vonage import signature, webhook
from portal.channels.vonage.codes import TAKEN
from portal.channels.vonage.fields import FIELDS, GUIDE, LOW_BALANCE
from portal.channels.vonage.wire import post, refused, taken
from portal.http import HttpClient


class Vonage:
    """Not idempotent: Vonage knows no key of ours, but gives `client-ref` back with each receipt.

    Not polled: only its Reports API tells a status, and that is billed by the record.
    """

    kind = "vonage"
    name = "Vonage SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = False
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    reports_segments = True
    # "Throughput limit for outbound SMS": 30 calls a second unless the account has another.
    account_pace = 30.0
    account_poll_pace = 5.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. Vonage cuts a long text itself; the first SMS stands for all, whose receipts name our key."""
        answer = post(http, account, _form(account, part))
        told = taken(answer)
        external_id = identifier(told[0].get("message-id"))
        if not external_id:
            refused(answer)
        return Accepted(external_id, len(told), TAKEN)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Nothing: see the class."""
        return None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the balance. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Whole euros."""
        return accounts.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The API key."""
        return credentials.get("api_key", "")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By its signature, unless the sender says that Vonage does not sign."""
        return signature.is_signed(account, request)

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a text's receipts."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """One message, or one SMS of it (`receive`), or one receipt (`status`)."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """200 is all that counts; without it Vonage repeats the call for 24 hours."""
        return "ok", "text/plain"


def _form(account: Account, part: Outgoing) -> list[tuple[str, str]]:
    body = with_links(part)
    form = [
        ("from", account.credentials.get("from", "").removeprefix("+")),
        ("to", digits(part.to)),
        ("text", body),
        ("type", "text" if is_gsm7(body) else "unicode"),
        ("status-report-req", "1"),
        ("client-ref", part.idempotency_key),
    ]
    reports = status_url(account, part)
    return [*form, ("callback", reports)] if reports else form
