"""Africa's Talking's API: send, look at the account."""

from collections.abc import Mapping, Sequence

from portal.channels.africastalking import account as accounts
from portal.channels.africastalking import fields as settings
from portal.channels.africastalking import webhook
from portal.channels.africastalking.codes import RISK_HOLD, TAKEN
from portal.channels.africastalking.wire import call, code_of, recipient, refused, told
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
from portal.channels.capabilities import Balance
from portal.channels.outgoing import with_links
from portal.channels.values import identifier, number
from portal.http import HttpClient

# What stands for an id where there is none.
NO_ID = "none"


class AfricasTalking:
    """Not idempotent, and never asked: it knows no key of ours, and the only word on a message is its report.

    It documents no limit; 10 calls a second is what its users get by with.
    """

    kind = "africastalking"
    name = "Africa's Talking SMS"
    family = Family.SMS
    fields = settings.FIELDS
    guide = settings.GUIDE
    idempotent = False
    polls = False
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    account_pace = 10.0
    account_poll_pace = 1.0
    low_balance = settings.LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. It cuts long texts and chooses the alphabet itself."""
        answer = call(http, account, "/messaging", _form(account, part), sends=True)
        found = recipient(told(answer), part.to) if answer.status in (200, 201) else {}
        external_id, code = _id(found), code_of(found)
        if not external_id or code not in TAKEN | {RISK_HOLD}:
            refused(answer, found)
        billed = int(number(found.get("messageParts")) or 0)
        sandbox = settings.is_sandbox(account.credentials)
        return Accepted(external_id, max(billed, 0), "sandbox" if sandbox else code, sandbox)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Never anything: there is no such question."""
        return None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the account. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Whole units of the account's currency."""
        return accounts.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The username."""
        return settings.account_name(credentials)

    def is_sandbox(self, credentials: Mapping[str, str]) -> bool:
        """The test account's texts reach its simulator alone."""
        return settings.is_sandbox(credentials)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By nothing but the unguessable address: Africa's Talking signs nothing."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a message's reports."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """One text (`receive`), one report (`status`) or one opt-out (either)."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Nothing in particular."""
        return "", "text/plain"


def _form(account: Account, part: Outgoing) -> dict[str, str]:
    """`bulkSMSMode` 1: we pay, not the recipient. `enqueue` 1: the answer does not wait for the network."""
    form = {"to": part.to, "message": with_links(part), "bulkSMSMode": "1", "enqueue": "1"}
    if origin := account.credentials.get("from"):
        form["from"] = origin
    return form


def _id(found: Mapping[str, object]) -> str:
    named = identifier(found.get("messageId"))
    return "" if named.lower() == NO_ID else named
