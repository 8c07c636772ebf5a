"""What Cast tells of an account: balance, sender ids, who has unsubscribed, which products it may use."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Account, ChannelError, Probe
from portal.channels.capabilities import Balance, ListedOptOut, SenderId
from portal.channels.cast.fields import PRODUCT_NAMES, SIM, SMS, TEST_KEY, VIBER, product
from portal.channels.cast.wire import call, get, moment, read, refuse, verdict
from portal.channels.setup import blamed
from portal.http import HttpClient

BALANCE = "/account/balance"
SENDER_IDS = "/account/sender-ids"
PROFILE = "/account/profile"
UNSUBSCRIBED = "/account/unsubscribed"
POSTPAID = "postpaid"


def balance(http: HttpClient, account: Account) -> Balance:
    """The credits left. Below zero an account is postpaid; at zero and above only its profile can tell."""
    said = get(http, account, BALANCE)
    credits = said.get("credits")
    if not isinstance(credits, int) or isinstance(credits, bool):
        raise ChannelError("Cast's answer holds no balance.", code="no_balance")
    postpaid = credits < 0 or _profile(http, account).get("billing_type") == POSTPAID
    return Balance(credits, str(said.get("currency") or "")[:8], postpaid)


def opt_outs(http: HttpClient, account: Account) -> list[ListedOptOut]:
    """Cast gives the whole list in one answer: it documents no pages."""
    listed = get(http, account, UNSUBSCRIBED).get("data")
    if not isinstance(listed, list):
        raise ChannelError("Cast's answer holds no list of unsubscribed numbers.", code="no_list")
    return [
        ListedOptOut(str(entry["phone"]), str(entry.get("sender_id") or ""), moment(entry.get("unsubscribed_at")))
        for entry in listed
        if isinstance(entry, dict) and entry.get("phone")
    ]


def sender_ids(http: HttpClient, account: Account) -> list[SenderId]:
    """The names for this sender's product, those that wait for Cast's approval too when Cast lists them."""
    listed = get(http, account, SENDER_IDS).get("sender_ids")
    if not isinstance(listed, list):
        raise ChannelError("Cast's answer holds no list of sender ids.", code="no_list")
    wanted = SIM if product(account.credentials) == SIM else SMS
    found = [_sender_id(entry) for entry in listed if isinstance(entry, dict) and entry.get("sender_id")]
    return [each for each in found if each.product == wanted]


def probe(http: HttpClient, account: Account) -> Probe:
    """Is the key good, may the account use the product, is the sender id approved?"""
    answer = call(http, account, BALANCE)
    said = read(answer)
    if answer.status in (401, 402, 403, 404):
        return Probe(False, verdict(account, answer, said)[3], field=blamed(answer.status, "api_key"))
    if answer.status != 200 or "credits" not in said:
        refuse(account, answer, said)
    facts = {"credits": str(said["credits"]), "currency": str(said.get("currency", ""))}
    if fault := _fault_in_product(http, account):
        return Probe(False, fault, facts, "product")
    if fault := _fault_in_sender_id(http, account):
        return Probe(False, fault, facts, "sender_id")
    if account.credentials.get("api_key", "").startswith(TEST_KEY):
        facts["sandbox"] = "yes"
        return Probe(True, "Cast knows the key. It is a sandbox key: it sends nothing and costs nothing.", facts)
    return Probe(True, f"Cast knows the key. Balance: {facts['credits']} credits.", facts)


def _fault_in_product(http: HttpClient, account: Account) -> str:
    wanted = product(account.credentials)
    allowed = _profile(http, account).get("allowed_channels") if wanted != SMS else None
    if isinstance(allowed, list) and wanted not in allowed:
        return f"The Cast account may not send {PRODUCT_NAMES[wanted]}: ask Cast to enable it."
    return ""


def _fault_in_sender_id(http: HttpClient, account: Account) -> str:
    wanted = account.credentials.get("sender_id", "")
    if not wanted or product(account.credentials) == VIBER:
        return ""
    try:
        approved = [each.name for each in sender_ids(http, account) if each.approved]
    except ChannelError:
        return ""  # a Cast that does not list them says nothing against this one
    if wanted in approved:
        return ""
    known = ", ".join(sorted(approved)) or "none"
    name = PRODUCT_NAMES[product(account.credentials)]
    return f"Cast has not approved the sender id {wanted} for {name}. Approved: {known}."


def _sender_id(entry: Mapping[str, Any]) -> SenderId:
    name, wanted = str(entry["sender_id"]), str(entry.get("channel") or SMS)
    approved = str(entry.get("status") or "approved").lower() == "approved"
    return SenderId(name, wanted, str(entry.get("label") or ""), approved)


def _profile(http: HttpClient, account: Account) -> Mapping[str, Any]:
    """A courtesy: what it cannot tell is not held against the account."""
    try:
        return get(http, account, PROFILE)
    except ChannelError:
        return {}
