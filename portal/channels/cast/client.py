"""Cast's API v1: send under an idempotency key, poll the status, look at the account."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from portal.channels.base import (
    Accepted,
    Account,
    BulkResult,
    ChannelError,
    ChannelEvent,
    Family,
    Outgoing,
    Probe,
    Receipt,
    WebhookRequest,
)
from portal.channels.capabilities import Balance, ListedOptOut, SenderId
from portal.channels.cast import account as accounts
from portal.channels.cast import bulk, receipts
from portal.channels.cast.fields import FIELDS, GUIDE, LOW_BALANCE, OTP, SIM, SMS, TEST_KEY, VIBER, dialled, product
from portal.channels.cast.wire import call, count, definite, read, refuse
from portal.channels.outgoing import with_links
from portal.http import HttpClient

SEND = {SMS: "/sms/send", OTP: "/otp/send", SIM: "/sim/send", VIBER: "/viber/send"}
STATUS = {SMS: "/sms/status/", OTP: "/sms/status/", SIM: "/sim/status/", VIBER: "/viber/status/"}
SANDBOX_ID, VIBER_ID = "SANDBOX_", "cstvbr_"


class Cast:
    """Cast keeps an idempotency key's answer for 24 h, so an unknown outcome is repeated under the same key.

    An account may send about 10 messages a second, and one IP address may ask 30 times a second, polls included.
    """

    kind = "cast"
    name = "Cast.ph SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = True
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = False
    account_pace = 10.0
    account_poll_pace = 15.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. A repetition under the same key gets the first call's answer and sends nothing again."""
        wanted = product(account.credentials)
        payload = _viber(account.credentials, part) if wanted == VIBER else _text(account.credentials, part)
        answer = call(http, account, SEND[wanted], json=payload, key=part.idempotency_key)
        said = read(answer)
        if answer.status == 200 and said.get("success") is not False and said.get("message_id"):
            external_id = str(said["message_id"])
            sandbox = bool(said.get("sandbox")) or external_id.startswith(SANDBOX_ID)
            billed = count(said.get("credits_used" if wanted == VIBER else "parts"))
            return Accepted(external_id, billed, "sandbox" if sandbox else "", sandbox)
        refuse(account, answer, said, in_doubt=not definite(answer, said))

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Cast's word on a message. What a test key "sent" Cast does not know."""
        if external_id.startswith(SANDBOX_ID):
            return None
        viber = external_id.startswith(VIBER_ID)
        wanted = VIBER if viber else product(account.credentials)
        path = STATUS[SMS if wanted == VIBER and not viber else wanted]
        answer = call(http, account, path + quote(external_id, safe=""))
        said = read(answer)
        if said.get("error_code") == "NOT_FOUND":
            raise ChannelError("Cast does not know this message.", code="NOT_FOUND")
        if answer.status != 200:
            refuse(account, answer, said)
        return receipts.of_viber(external_id, said) if viber else receipts.of_sms(external_id, said)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the balance, and whether product and sender id are approved. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Never: Cast documents no webhooks."""
        return False

    def lane(self, request: WebhookRequest) -> str:
        """None: Cast documents no webhooks."""
        return ""

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Always raises: Cast documents no webhooks."""
        raise ChannelError("Cast sends no webhooks: this request did not come from Cast.")

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Nothing in particular."""
        return "", "text/plain"

    def family_of(self, credentials: Mapping[str, str]) -> Family:
        """Viber is a family of its own: who has left SMS has not left Viber, and texts are not cut into segments."""
        return Family.VIBER if product(credentials) == VIBER else Family.SMS

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The API key."""
        return credentials.get("api_key", "")

    def is_sandbox(self, credentials: Mapping[str, str]) -> bool:
        """Cast marks such keys by their first letters."""
        return credentials.get("api_key", "").startswith(TEST_KEY)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Credits, each worth one SMS part."""
        return accounts.balance(http, account)

    def opt_outs(self, http: HttpClient, account: Account) -> Sequence[ListedOptOut]:
        """Who has unsubscribed by the link in a message, from which sender id."""
        return accounts.opt_outs(http, account)

    def listed_line(self, credentials: Mapping[str, str]) -> str:
        """The sender id; Viber has none, and nobody can unsubscribe from it."""
        return "" if product(credentials) == VIBER else credentials.get("sender_id", "")

    def sender_ids(self, http: HttpClient, account: Account) -> Sequence[SenderId]:
        """The sender ids for this sender's product."""
        return accounts.sender_ids(http, account)

    def bulk_limit(self, credentials: Mapping[str, str]) -> int:
        """A thousand, for SMS and the SIM gateway."""
        return bulk.limit(credentials)

    def send_bulk(
        self, http: HttpClient, account: Account, to: Sequence[str], text: str, key: str
    ) -> Sequence[BulkResult]:
        """One text for up to a thousand numbers, reserved together; what fails is refunded by Cast."""
        return bulk.send(http, account, to, text, key)


def _text(credentials: Mapping[str, str], part: Outgoing) -> dict[str, Any]:
    payload = {"to": dialled(part.to, credentials), "message": with_links(part)}
    if sender_id := credentials.get("sender_id"):
        payload["sender_id"] = sender_id
    return payload


def _viber(credentials: Mapping[str, str], part: Outgoing) -> dict[str, Any]:
    options: dict[str, Any] = {"external_id": part.idempotency_key}
    if ttl := credentials.get("ttl"):
        options["ttl"] = int(ttl)
    named = {name: credentials[name] for name in ("sender_code", "label") if credentials.get(name)}
    content = [{"type": "text", "text": with_links(part)}]
    return {"recipient": part.to, **named, "content": content, "options": options}
