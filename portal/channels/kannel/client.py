"""A gateway of one's own: send, and look whether it knows the user."""

from collections.abc import Mapping, Sequence

from portal.channels.base import Accepted, Account, ChannelEvent, Family, Outgoing, Probe, Receipt, WebhookRequest
from portal.channels.capabilities import Balance
from portal.channels.kannel import webhook, wire
from portal.channels.kannel.fields import FIELDS, GUIDE, LOW_BALANCE, dialect
from portal.http import HttpClient


class Kannel:
    """Not idempotent, and neither gateway can be asked for a status: a lost answer is settled by the report.

    Their calls are signed by nobody: the unguessable key of the address is the only proof.
    """

    kind = "kannel"
    name = "Kannel or Jasmin SMS"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = False
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    account_pace = 50.0
    account_poll_pace = 1.0
    low_balance = LOW_BALANCE

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """A GET for Kannel, a POST for Jasmin."""
        return wire.send(http, account, part)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """None: there is nobody to ask."""
        return None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Asks whether it knows the user. A refusal is an answer, not an error."""
        return wire.probe(http, account)

    def balance(self, http: HttpClient, account: Account) -> Balance:
        """Jasmin's whole units."""
        return wire.balance(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """The user at the gateway."""
        return f"{dialect(credentials)} {credentials.get('username', '')}"

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Nothing is signed: whoever knows the address is believed."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number, or the lane of a message's reports."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """One text (`receive`) or one report (`status`)."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """`ACK/Jasmin` for Jasmin, nothing for Kannel."""
        return webhook.answer(request)
