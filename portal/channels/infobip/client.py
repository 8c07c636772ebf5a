"""Infobip's API: send, ask, look at the account."""

from collections.abc import Mapping, Sequence
from typing import Any

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
from portal.channels.infobip import account as accounts
from portal.channels.infobip import receipts, webhook
from portal.channels.infobip.fields import FIELDS, GUIDE, LOW_BALANCE
from portal.channels.infobip.wire import ask, call, refused, taken
from portal.channels.outgoing import with_links
from portal.channels.values import block, blocks, identifier, number
from portal.http import HttpClient


class Infobip:
    """Not idempotent: it refuses an id that it knows, but does not say for how long. A lost answer is settled by the
    report, whose id is ours.
    """

    kind = "infobip"
    name = "Infobip SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    receipts_are_hints = True
    account_pace = 30.0
    account_poll_pace = 5.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. Infobip chooses the alphabet and cuts long texts itself."""
        answer = call(http, account, "/sms/3/messages", json={"messages": [_message(account, part)]})
        said = taken(answer)
        external_id = identifier(said.get("messageId"))
        if not external_id:
            refused(answer, sends=True)
        count = number(block(said.get("details")).get("messageCount")) or number(said.get("smsCount"))
        return Accepted(external_id, int(count or 0))

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """The log's word on a message, with its price. Infobip keeps logs for 48 hours; its reports are given out
        once only, so that an answer that got lost would be the end of them.
        """
        said = ask(http, account, accounts.LOGS, {"messageId": external_id, "limit": "1"})
        found = [each for each in blocks(said.get("results")) if identifier(each.get("messageId")) == external_id]
        return receipts.of_report(found[0]) if found else None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the logs. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Whole units of the account's currency."""
        return accounts.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The API key."""
        return credentials.get("api_key", "")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Infobip signs nothing: the unguessable address is the proof."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a message's receipts."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Messages (`receive`) or receipts (`status`), several in one request."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """200 is all that counts."""
        return "", "text/plain"


def _message(account: Account, part: Outgoing) -> Mapping[str, Any]:
    """`sender` is its name in this version, `from` the one before: Infobip passes over what it does not know."""
    origin = account.credentials.get("from", "").removeprefix("+")
    message: dict[str, Any] = {
        "sender": origin,
        "from": origin,
        "destinations": [{"to": digits(part.to), "messageId": receipts.id_for(part.idempotency_key)}],
        "content": {"text": with_links(part)},
    }
    if reports := status_url(account, part):
        message["webhooks"] = {
            "delivery": {"url": reports, "intermediateReport": True, "notify": True},
            "contentType": "application/json",
            "callbackData": part.idempotency_key,
        }
    return message
