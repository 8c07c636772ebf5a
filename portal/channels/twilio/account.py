"""What Twilio tells of an account: whether it is active, and what it has left."""

from math import floor

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said_object
from portal.channels.capabilities import Balance
from portal.channels.refusals import by_status
from portal.channels.setup import blamed
from portal.channels.twilio.codes import ERRORS, NAME, NO_ORIGIN
from portal.channels.twilio.fields import origin
from portal.channels.twilio.wire import ask, call, code_of, refused
from portal.channels.values import number, text
from portal.http import HttpClient

ACTIVE, TRIAL = "active", "trial"
UNKNOWN_ACCOUNT = "20404"


def probe(http: HttpClient, account: Account) -> Probe:
    """Is the token good, the account active, and does the sender say who sends?"""
    answer = call(http, account, "")
    said = said_object(answer)
    if answer.status in (400, 401, 403, 404):
        known = ERRORS.get(code_of(answer)) or by_status(NAME, answer.status)
        field = "account_sid" if code_of(answer) == UNKNOWN_ACCOUNT else blamed(answer.status, "auth_token")
        return Probe(False, known.sentence, field=field)
    if answer.status != 200 or "status" not in said:
        refused(answer, sends=False)
    facts = {"account": text(said.get("friendly_name"))[:80], "type": text(said.get("type"))[:20]}
    if (status := text(said["status"])) != ACTIVE:
        return Probe(False, f"The Twilio account is {status[:20]}: look into the Twilio console.", facts)
    if not origin(account.credentials):
        return Probe(False, ERRORS[NO_ORIGIN].sentence, facts, "from")
    trial = " It is a trial account: it writes to verified numbers alone." if facts["type"].lower() == TRIAL else ""
    return Probe(True, f"Twilio knows the account, and it is active.{trial}", facts)


def balance(http: HttpClient, account: Account) -> Balance:
    """Rounded down. Raises `ChannelError`, also for a subaccount: its parent pays."""
    said = ask(http, account, "/Balance")
    left = number(said.get("balance"))
    if left is None:
        raise ChannelError("Twilio's answer holds no balance.", code="no_balance")
    return Balance(floor(left), text(said.get("currency"))[:8])
