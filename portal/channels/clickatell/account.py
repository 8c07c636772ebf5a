"""What Clickatell tells of an account: whether the key is good, and what is left."""

from math import floor

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.clickatell.codes import ERRORS, NAME
from portal.channels.clickatell.wire import call, code_of, refused
from portal.channels.refusals import by_status
from portal.channels.setup import blamed
from portal.channels.values import number, text
from portal.http import HttpClient

BALANCE = "/v1/balance"


def probe(http: HttpClient, account: Account) -> Probe:
    """Is the key good, and the account active?"""
    answer = call(http, account, BALANCE)
    said = said_object(answer)
    if answer.status in (400, 401, 403, 404):
        known = ERRORS.get(code_of(said) or text(said.get("code"))) or (ERRORS["1"] if answer.status == 401 else None)
        return Probe(False, (known or by_status(NAME, answer.status)).sentence, field=blamed(answer.status, "api_key"))
    left = number(said.get("balance"))
    if answer.status != 200 or left is None:
        refused(answer, sends=False)
    return Probe(
        True, "Clickatell knows the key.", {"balance": f"{floor(left)} {text(said.get('currency'))[:8]}".strip()}
    )


def balance(http: HttpClient, account: Account) -> Balance:
    """Whole units of the account's currency, rounded down. Raises `ChannelError`."""
    answer = call(http, account, BALANCE)
    if answer.status != 200:
        refused(answer, sends=False)
    said = said_object(answer)
    left = number(said.get("balance"))
    if left is None:
        raise ChannelError("Clickatell's answer holds no balance.", code="no_balance")
    return Balance(floor(left), text(said.get("currency"))[:8])
