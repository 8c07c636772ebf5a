"""Clickatell's One API: send, ask, look at the account."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    Family,
    Outgoing,
    Probe,
    Receipt,
    WebhookRequest,
)
from portal.channels.callbacks import digits
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.clickatell import account as accounts
from portal.channels.clickatell import receipts, webhook
from portal.channels.clickatell.codes import NUMBERS, UNKNOWN
from portal.channels.clickatell.fields import FIELDS, GUIDE, LOW_BALANCE
from portal.channels.clickatell.wire import call, refused, taken
from portal.channels.outgoing import with_links
from portal.channels.values import identifier, number
from portal.http import HttpClient

MESSAGE = "/v1/message"


class Clickatell:
    """Not idempotent: nothing says that an id of ours is taken once only. It comes back with each receipt, and so
    settles a lost answer. The address for receipts is the integration's own and cannot be given with a message.
    """

    kind = "clickatell"
    name = "Clickatell SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    receipts_are_hints = True
    account_pace = 20.0
    account_poll_pace = 5.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. Clickatell chooses the alphabet and cuts long texts itself."""
        answer = call(http, account, MESSAGE, json={"messages": [_message(account, part)]})
        external_id = identifier(taken(answer).get("apiMessageId"))
        if not external_id:
            refused(answer, sends=True)
        return Accepted(external_id)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Clickatell's word on a message."""
        answer = call(http, account, f"{MESSAGE}/{quote(external_id, safe='')}")
        said = said_object(answer)
        word, code = receipts.word_of(said), number(said.get("statusCode"))
        if answer.status == 404 or word == UNKNOWN[0] or (not word and code == UNKNOWN[1]):
            raise ChannelError("Clickatell does not know this message.", code="unknown_message")
        if answer.status != 200 or not (word or code in NUMBERS):
            refused(answer, sends=False)
        return receipts.of_update(said, external_id)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the balance. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Whole units of the account's currency."""
        return accounts.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The API key: each integration has one, and a limit of its own."""
        return credentials.get("api_key", "")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Clickatell signs nothing: the unguessable address is the proof."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a message's receipts."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Messages and receipts, several in one request."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """200 is all that counts."""
        return "", "text/plain"


def _message(account: Account, part: Outgoing) -> Mapping[str, str]:
    origin = account.credentials.get("from", "").removeprefix("+")
    message = {
        "channel": "sms",
        "to": digits(part.to),
        "content": with_links(part),
        "clientMessageId": part.idempotency_key,
    }
    return message | ({"from": origin} if origin else {})
