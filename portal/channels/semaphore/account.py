"""What Semaphore tells of an account: whether it is active, its credits, the names it may send under.

Each of these questions may be asked twice a minute.
"""

from collections.abc import Mapping
from math import floor
from typing import Any

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.calling import said, said_object
from portal.channels.capabilities import Balance, SenderId
from portal.channels.refusals import by_status
from portal.channels.semaphore.codes import APPROVED, ERRORS, INACTIVE, NAME, SHUT
from portal.channels.semaphore.fields import DEFAULT_NAME
from portal.channels.semaphore.wire import ask, fault, refused
from portal.channels.setup import blamed
from portal.channels.values import number, text
from portal.http import HttpClient

ACCOUNT, NAMES = "/account", "/account/sendernames"
MOST_NAMES = "1000"


def probe(http: HttpClient, account: Account) -> Probe:
    """Is the key good, the account active, the sender name approved?"""
    answer = ask(http, account, ACCOUNT)
    found = fault(answer)
    if found is not None:
        return Probe(
            False, found[1].sentence, field={"apikey": "api_key", "sendername": "sender_name"}.get(found[0], "")
        )
    if answer.status in (400, 401, 402, 403, 404, 422):
        return Probe(False, by_status(NAME, answer.status).sentence, field=blamed(answer.status, "api_key"))
    known = said_object(answer)
    if answer.status != 200 or "credit_balance" not in known:
        refused(answer, sends=False)
    credits, status = text(known.get("credit_balance"))[:20], text(known.get("status"))[:20]
    facts = {"account": text(known.get("account_name"))[:80], "status": status, "credits": credits}
    if status.lower() in SHUT:
        return Probe(False, ERRORS[INACTIVE].sentence, facts)
    if wrong := _fault_in_name(http, account):
        return Probe(False, wrong, facts, "sender_name")
    return Probe(True, f"Semaphore knows the key. Balance: {credits} credits.", facts)


def balance(http: HttpClient, account: Account) -> Balance:
    """Credits, each worth one SMS. Raises `ChannelError`."""
    left = number(_known(http, account).get("credit_balance"))
    if left is None:
        raise ChannelError("Semaphore's answer holds no balance.", code="no_balance")
    return Balance(floor(left))


def sender_ids(http: HttpClient, account: Account) -> list[SenderId]:
    """The account's names, those that wait for approval too. Raises `ChannelError`, also when it has none."""
    found = _names(http, account)
    if not found:
        raise ChannelError("The account has no sender name: apply for one at Semaphore.", code="no_names")
    return found


def _names(http: HttpClient, account: Account) -> list[SenderId]:
    answer = ask(http, account, NAMES, limit=MOST_NAMES)
    listed = said(answer)
    if answer.status != 200 or not isinstance(listed, list) or fault(answer):
        refused(answer, sends=False)
    found = [_sender_id(each) for each in listed if isinstance(each, dict) and text(each.get("name")).strip()]
    if listed and not found:
        raise ChannelError("Semaphore's answer holds no list of sender names.", code="no_list")
    return found


def _known(http: HttpClient, account: Account) -> Mapping[str, Any]:
    answer = ask(http, account, ACCOUNT)
    if answer.status != 200 or fault(answer):
        refused(answer, sends=False)
    return said_object(answer)


def _fault_in_name(http: HttpClient, account: Account) -> str:
    wanted = account.credentials.get("sender_name", "")
    if wanted.upper() in ("", DEFAULT_NAME):
        return ""
    try:
        approved = [each.name for each in _names(http, account) if each.approved]
    except ChannelError:
        return ""  # whoever does not list them says nothing against this one
    if wanted.lower() in [each.lower() for each in approved]:
        return ""
    known = ", ".join(sorted(approved)) or "none"
    return f"Semaphore has not approved the sender name {wanted}. Approved: {known}."


def _sender_id(entry: Mapping[str, Any]) -> SenderId:
    status = text(entry.get("status")).strip().lower()
    return SenderId(text(entry["name"]).strip()[:40], approved=status in APPROVED or not status)
