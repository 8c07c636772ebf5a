"""Any HTTP gateway: send, ask, try the settings."""

from collections.abc import Mapping, Sequence

from portal.channels.base import Accepted, Account, ChannelEvent, Family, Outgoing, Probe, Receipt, WebhookRequest
from portal.channels.generic_http import webhook, wire
from portal.channels.generic_http.fields import FIELDS, GUIDE
from portal.http import HttpClient


class GenericHttp:
    """Not idempotent: nobody knows what a gateway does with a key. A lost answer is settled by its report."""

    kind = "generic_http"
    name = "Any HTTP gateway (SMS)"
    family = Family.SMS
    fields = FIELDS
    guide = GUIDE
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = True
    account_pace = 20.0
    account_poll_pace = 5.0

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One call, as the template says."""
        return wire.send(http, account, part)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Asks where there is an address for that, else None."""
        return wire.status(http, account, external_id)

    def can_ask(self, credentials: Mapping[str, str]) -> bool:
        """With an address for that."""
        return bool(credentials.get("status_url"))

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Tries the templates; asks the gateway where there is an address for that. Sends nothing."""
        return wire.probe(http, account)

    def account_name(self, credentials: Mapping[str, str]) -> str:
        """What names the account at the gateway."""
        return "\n".join(credentials.get(name, "") for name in ("send_url", "username", "api_key", "headers"))

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By the secret, where one is set."""
        return webhook.is_proved(account, request)

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number where it has a usual name; the lane of a report's key."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """By the usual names."""
        return webhook.parse({}, request)

    def parse_for(self, account: Account, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """By the names that the sender's settings have."""
        return webhook.parse(account.credentials, request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """A word that gateways take for “received”."""
        return "OK", "text/plain; charset=utf-8"
