"""What Infobip tells of an account: whether the key is good, and what is left."""

from math import floor

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said
from portal.channels.capabilities import Balance
from portal.channels.infobip.codes import EXCEPTIONS, NAME
from portal.channels.infobip.wire import ask, call, refused
from portal.channels.refusals import by_status
from portal.channels.setup import API_URL
from portal.channels.values import number, text
from portal.http import HttpClient

BALANCE, LOGS = "/account/1/balance", "/sms/3/logs"
NO_LOGS = (
    "Infobip does not show this key what it has sent (HTTP 403), so that no status can be asked for: give it the scope"
    " sms:logs:read, and allow this portal's address."
)


def probe(http: HttpClient, account: Account) -> Probe:
    """Is the key good, and may statuses be asked for with it? Reads one line of the logs."""
    answer = call(http, account, LOGS, params={"limit": "1"})
    if answer.status == 401:
        return Probe(False, EXCEPTIONS["UNAUTHORIZED"].sentence, field="api_key")
    if answer.status == 403:
        return Probe(False, NO_LOGS, field="api_key")
    if answer.status in (400, 404):
        return Probe(False, by_status(NAME, 404).sentence, field=API_URL)
    told = said(answer)
    if answer.status != 200 or not isinstance(told, dict) or "results" not in told:
        refused(answer, sends=False)
    return Probe(True, "Infobip knows the key.")


def balance(http: HttpClient, account: Account) -> Balance:
    """Whole units of the account's currency, rounded down. Raises `ChannelError`."""
    told = ask(http, account, BALANCE)
    left = number(told.get("balance"))
    if left is None:
        raise ChannelError("Infobip's answer holds no balance.", code="no_balance")
    return Balance(floor(left), text(told.get("currency"))[:8])
