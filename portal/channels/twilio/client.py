"""Twilio's API: send, ask, look at the account."""

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
from portal.channels.callbacks import status_url
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.outgoing import with_links
from portal.channels.twilio import account as accounts
from portal.channels.twilio import media, receipts, signature, webhook
from portal.channels.twilio.codes import ERRORS, NO_ORIGIN, NOT_FOUND
from portal.channels.twilio.fields import FIELDS, GUIDE, LOW_BALANCE, origin, sends_mms
from portal.channels.twilio.wire import call, code_of, refused
from portal.channels.values import identifier, number
from portal.http import HttpClient

MOST_FILES = 10


class Twilio:
    """Not idempotent: Twilio knows no key of ours. A lost answer is settled by the callback, whose address has our key.

    Twilio queues what a number cannot send at once (a long code sends one segment a second).
    """

    kind = "twilio"
    name = "Twilio SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    account_pace = 30.0
    account_poll_pace = 20.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST."""
        form = _form(account, part)
        answer = call(http, account, "/Messages", form, sends=True)
        said = said_object(answer)
        sid = identifier(said.get("sid"))
        if answer.status not in (200, 201) or not sid:
            refused(answer, sends=True)
        return Accepted(sid, int(number(said.get("num_segments")) or 0))

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Twilio's word on a message, with its price."""
        answer = call(http, account, f"/Messages/{quote(external_id, safe='')}")
        said = said_object(answer)
        if answer.status == 404 and code_of(answer) in ("", NOT_FOUND):
            raise ChannelError("Twilio does not know this message.", code=NOT_FOUND)
        if answer.status != 200 or "status" not in said:
            refused(answer, sends=False)
        return receipts.of_message(external_id, said)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the account. A refusal is an answer, not an error."""
        return accounts.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Whole units of the account's currency."""
        return accounts.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The Account SID."""
        return credentials.get("account_sid", "")

    def media_request(self, http: HttpClient, account: Account, url: str) -> tuple[str, Mapping[str, str]]:
        """The file's address; Twilio's own servers may want the account's name and token."""
        return media.media_request(account, url)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By its signature."""
        return signature.is_signed(account, request)

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a message's receipts."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """One message (`receive`) or one receipt (`status`)."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """TwiML that says nothing."""
        return webhook.EMPTY, "text/xml"


def _form(account: Account, part: Outgoing) -> list[tuple[str, str]]:
    who = origin(account.credentials)
    if not who:
        raise ERRORS[NO_ORIGIN].error(NO_ORIGIN)
    mms = sends_mms(account.credentials) and 0 < len(part.files) <= MOST_FILES
    body = part.text if mms else with_links(part)
    form = [("To", part.to), *who.items(), *([("Body", body)] if body else [])]
    form += [("MediaUrl", file.url) for file in part.files] if mms else []
    if reports := status_url(account, part):
        form.append(("StatusCallback", reports))
    return form
