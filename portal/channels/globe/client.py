"""Globe Labs' API: send."""

from collections.abc import Mapping, Sequence
from typing import NoReturn
from urllib.parse import quote

from portal.channels import calling
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
from portal.channels.callbacks import digits
from portal.channels.calling import said_object
from portal.channels.globe import webhook
from portal.channels.globe.codes import ABROAD, BY_STATUS, ERRORS, NAME, SENTENCES
from portal.channels.globe.fields import COUNTRY, FIELDS, GUIDE
from portal.channels.outgoing import with_links
from portal.channels.refusals import refuse
from portal.channels.values import block, text
from portal.http import HttpClient, Response

PUBLIC_URL = "https://devapi.globelabs.com.ph"
UNASKED = (
    "Globe Labs has no question that costs nothing, so the credentials were not tried: the first text shows whether "
    "they are right."
)


class Globe:
    """Not idempotent, and silent: no id, no report, no question. A lost answer is for a person to settle.

    It documents a `clientCorrelator` for consented calls. Its own examples send one value with every text, so it
    prevents nothing, and it is not sent. No limit is documented either.
    """

    kind = "globe"
    name = "Globe Labs SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = False
    separate_attachments = False
    confirms_delivery = False
    calls_back = True
    account_pace = 10.0
    account_poll_pace = 1.0

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. It cuts long texts itself."""
        if not part.to.startswith(COUNTRY):
            raise ERRORS[ABROAD].error(ABROAD)
        known = account.credentials
        url = f"{calling.base(account, PUBLIC_URL)}/smsmessaging/v1/outbound/{quote(known['shortcode'], safe='')}"
        body = {"address": digits(part.to), "message": with_links(part)}
        body |= {name: known.get(name, "") for name in ("passphrase", "app_id", "app_secret")}
        headers = {"Accept": "application/json"}
        answer = calling.call(http, account, "POST", f"{url}/requests", sends=True, headers=headers, json=body)
        if not _taken(answer):
            _refused(answer)
        return Accepted("", code=str(answer.status))

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Never anything: there is no such question."""
        return None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Asks nothing: whatever could be asked may cost money."""
        return Probe(True, UNASKED, {"shortcode": account.credentials.get("shortcode", "")})

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The App ID."""
        return credentials.get("app_id", "")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By nothing but the unguessable address: Globe Labs signs nothing."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Texts, and who has left or joined."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Nothing in particular."""
        return "", "text/plain"


def _taken(answer: Response) -> bool:
    """201 says so; a 200 must speak of the text besides."""
    said = said_object(answer)
    if answer.status == 201:
        return bool(said) and "error" not in said
    return answer.status == 200 and bool(block(said.get("outboundSMSMessageRequest")))


def _refused(answer: Response) -> NoReturn:
    """Raises what the answer means. Only a 4xx says for certain that nothing was taken."""
    said = said_object(answer)
    words = text(said.get("error") or said.get("message")).lower()
    code, known = "", BY_STATUS.get(answer.status)
    if answer.status in (400, 401, 402, 422):
        code = next((code for part, code in SENTENCES if part in words), "")
        known = ERRORS.get(code) or known
    refuse(NAME, answer, code, known)
