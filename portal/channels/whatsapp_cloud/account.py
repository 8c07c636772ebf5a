"""The WhatsApp Business account (WABA) of a number, where nobody has entered it.

Templates and subscriptions hang on the account, messages on the number alone. Graph tells it in two ways, neither of
them always: as a field of the number, which Meta does not describe, and by the token's own description (`debug_token`,
"Get shared WABA ID with access token"), which names the accounts that the token was given one by one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from portal.channels.base import Account, ChannelError
from portal.channels.values import block, blocks, identifier
from portal.channels.whatsapp_cloud.fields import number_id, token
from portal.channels.whatsapp_cloud.wire import ask, pages, segment
from portal.http import HttpClient

FIELD = "whatsapp_business_account"
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
# A token of a provider may open the accounts of all its customers.
MOST_ACCOUNTS = 50


def find(http: HttpClient, account: Account) -> str:
    """The account that has the number, "" where Meta does not tell it. Raises `ChannelError`."""
    tried: set[str] = set()
    for candidate in _candidates(http, account):
        if candidate in tried or len(tried) >= MOST_ACCOUNTS:
            continue
        tried.add(candidate)
        try:
            if has_number(http, account, candidate):
                return candidate
        except ChannelError as error:
            if not refusal_is_an_answer(error):
                raise
    return ""


def has_number(http: HttpClient, account: Account, account_id: str) -> bool:
    """Is the number one of this account's? Raises `ChannelError`."""
    listed = pages(http, account, f"{segment(account_id)}/phone_numbers", {"fields": "id", "limit": "100"})
    return number_id(account.credentials) in {identifier(each.get("id")) for each in listed}


def refusal_is_an_answer(error: ChannelError) -> bool:
    """Does it say something of the token or the account, and not of the moment?"""
    return not error.retry or error.stops or error.code in ("401", "403", "404")


def _candidates(http: HttpClient, account: Account) -> Iterator[str]:
    """Whatever Meta names. The token goes into an address for `debug_token` alone, which takes it nowhere else."""
    number = segment(number_id(account.credentials))
    yield from filter(None, [identifier(block(_asked(http, account, number, {"fields": FIELD}).get(FIELD)).get("id"))])
    said = block(_asked(http, account, "debug_token", {"input_token": token(account.credentials)}).get("data"))
    for each in blocks(said.get("granular_scopes")):
        targets = each.get("target_ids")
        if each.get("scope") in SCOPES and isinstance(targets, list):
            yield from filter(None, map(identifier, targets))


def _asked(http: HttpClient, account: Account, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
    """The answer, {} for a refusal."""
    try:
        return ask(http, account, path, params=params)
    except ChannelError as error:
        if not refusal_is_an_answer(error):
            raise
        return {}
