"""Semaphore's API v4: send, poll the status, look at the account."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    Family,
    Outcome,
    Outgoing,
    Probe,
    Receipt,
    WebhookRequest,
)
from portal.channels.callbacks import digits
from portal.channels.calling import said
from portal.channels.capabilities import Balance, SenderId
from portal.channels.outgoing import with_links
from portal.channels.semaphore import account as accounts
from portal.channels.semaphore.codes import ABROAD, DROPPED, ERRORS, FAILURES, LOSS, NOT_FOUND, STATUSES
from portal.channels.semaphore.fields import COUNTRY, FIELDS, GUIDE, LOW_BALANCE, is_dropped, path
from portal.channels.semaphore.wire import ask, entry, fault, messages, post, refused
from portal.channels.values import identifier, text
from portal.http import HttpClient


class Semaphore:
    """Not idempotent: it knows no key of ours, and calls nobody back. A lost answer is for a person to settle.

    It takes 120 texts a minute for an API key, and answers 30 questions.
    """

    kind = "semaphore"
    name = "Semaphore SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = False
    calls_back = False
    account_pace = 2.0
    account_poll_pace = 0.5
    low_balance = LOW_BALANCE
    last_word = Outcome.SENT

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST, unless Semaphore would say yes and do nothing. It cuts long texts itself."""
        body = with_links(part)
        for code, wrong in ((DROPPED, is_dropped(body)), (ABROAD, not part.to.startswith(COUNTRY))):
            if wrong:
                raise ERRORS[code].error(code)
        form = {"number": digits(part.to), "message": body}
        if name := account.credentials.get("sender_name"):
            form["sendername"] = name
        answer = post(http, account, path(account.credentials), form)
        found = entry(answer, part.to)
        external_id = identifier(found.get("message_id"))
        if not external_id:
            refused(answer, sends=True)
        return Accepted(external_id, code=text(found.get("status"))[:20].lower())

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Semaphore's word on a message."""
        answer = ask(http, account, f"/messages/{quote(external_id, safe='')}")
        found = next((each for each in messages(answer) if identifier(each["message_id"]) == external_id), None)
        if found is not None:
            return _receipt(external_id, found)
        unknown = answer.status == 404 or (answer.status == 200 and said(answer) == [])
        if unknown and fault(answer) is None:
            raise ChannelError("Semaphore does not know this message.", code=NOT_FOUND)
        refused(answer, sends=False)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the account and its names. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Credits, each worth one SMS."""
        return accounts.balance(http, account)

    def sender_ids(self, http: HttpClient, account: Account) -> Sequence[SenderId]:
        """The account's sender names."""
        return accounts.sender_ids(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The API key."""
        return credentials.get("api_key", "")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Never: Semaphore has no webhooks."""
        return False

    def lane(self, request: WebhookRequest) -> str:
        """None: Semaphore has no webhooks."""
        return ""

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Always raises: Semaphore has no webhooks."""
        raise ChannelError("Semaphore sends no webhooks: this request did not come from Semaphore.")

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Nothing in particular."""
        return "", "text/plain"


def _receipt(external_id: str, found: Mapping[str, Any]) -> Receipt | None:
    """None for a word that has no meaning here: it is asked again."""
    word = text(found.get("status")).strip().lower()[:20]
    outcome = STATUSES.get(word)
    if outcome is None:
        return None
    if outcome is not Outcome.FAILED:
        return Receipt(external_id, outcome, code=word)
    return Receipt(external_id, outcome, code=word, detail=FAILURES[word], loss=LOSS)
