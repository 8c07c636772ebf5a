"""What Vonage tells of an account: whether the key is good, and what is left."""

from math import floor

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.refusals import by_status
from portal.channels.setup import blamed
from portal.channels.values import number
from portal.channels.vonage.codes import ERRORS, NAME
from portal.channels.vonage.fields import lacks_secret
from portal.channels.vonage.wire import ask, refused
from portal.http import HttpClient

BALANCE = "/account/get-balance"
NO_SECRET = (
    "Vonage knows the account. No webhook can prove itself yet: enter the signature secret, or choose none where"
    " Vonage does not sign."
)


def probe(http: HttpClient, account: Account) -> Probe:
    """Are key and secret good, and can webhooks prove themselves?"""
    answer = ask(http, account, BALANCE)
    if answer.status in (401, 403):
        return Probe(False, ERRORS["4"].sentence, field="api_secret")
    if answer.status in (400, 404):
        return Probe(False, by_status(NAME, answer.status).sentence, field=blamed(answer.status, "api_secret"))
    left = number(said_object(answer).get("value"))
    if answer.status != 200 or left is None:
        refused(answer, sends=False)
    facts = {"balance": f"{floor(left)} EUR"}
    if lacks_secret(account.credentials):
        return Probe(False, NO_SECRET, facts, "signature_secret")
    return Probe(True, "Vonage knows the account.", facts)


def balance(http: HttpClient, account: Account) -> Balance:
    """Whole euros, rounded down. Raises `ChannelError`."""
    answer = ask(http, account, BALANCE)
    if answer.status != 200:
        refused(answer, sends=False)
    left = number(said_object(answer).get("value"))
    if left is None:
        raise ChannelError("Vonage's answer holds no balance.", code="no_balance")
    return Balance(floor(left), "EUR")
