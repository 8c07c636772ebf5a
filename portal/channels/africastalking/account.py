"""What Africa's Talking tells of an account: that it knows the key, and what is left."""

import re
from math import floor

from portal.channels.africastalking.codes import NAME
from portal.channels.africastalking.fields import is_sandbox
from portal.channels.africastalking.wire import call
from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.refusals import by_status, refuse
from portal.channels.setup import blamed
from portal.channels.values import block, number, text
from portal.http import HttpClient, Response

# `KES 1785.50`
_MONEY = re.compile(r"(?:([A-Z]{3})\s*)?(-?[0-9]+(?:\.[0-9]+)?)", re.ASCII)


def probe(http: HttpClient, account: Account) -> Probe:
    """Does Africa's Talking know the username with this key?"""
    answer = call(http, account, "/user")
    if answer.status in (400, 401, 403, 404):
        return Probe(False, by_status(NAME, answer.status).sentence, field=blamed(answer.status, "api_key"))
    money = _money(answer)
    if answer.status != 200 or money is None:
        refuse(NAME, answer, sends=False)
    facts = {"balance": money}
    if is_sandbox(account.credentials):
        return Probe(True, "Africa's Talking knows the key. It is the sandbox: only its simulator gets texts.", facts)
    return Probe(True, f"Africa's Talking knows the key. Balance: {money}.", facts)


def balance(http: HttpClient, account: Account) -> Balance:
    """Rounded down. Raises `ChannelError`."""
    answer = call(http, account, "/user")
    if answer.status != 200:
        refuse(NAME, answer, sends=False)
    money = _money(answer)
    if money is None:
        raise ChannelError("Africa's Talking's answer holds no balance.", code="no_balance")
    found = _MONEY.fullmatch(money)
    left = number(found[2]) if found else None
    if found is None or left is None:
        raise ChannelError("Africa's Talking's answer holds no balance.", code="no_balance")
    return Balance(floor(left), found[1] or "")


def _money(answer: Response) -> str | None:
    found = text(block(said_object(answer).get("UserData")).get("balance")).strip().replace(",", "")
    return found if len(found) <= 40 and _MONEY.fullmatch(found) else None
