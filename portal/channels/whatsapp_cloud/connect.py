"""Our webhook at Meta: an app hears of an account when it is subscribed there, and posts to its own address.

The shared app's address stands in the app's dashboard, where a person writes it. A sender with an app of its own has
our address as an override: of its account, or, where another sender of the same app has that, of its number alone
(Meta, "Webhook overrides": the number's comes first, then the account's, then the app's). Overrides hold for messages
and what belongs to them; templates, marketing preferences and account notices go to the app's own address only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from portal.channels.base import Account, ChannelError, Scope
from portal.channels.values import block, identifier, text
from portal.channels.whatsapp_cloud.fields import account_id, number_id, own_app
from portal.channels.whatsapp_cloud.number import NO_VERIFY_TOKEN
from portal.channels.whatsapp_cloud.wire import ask, pages, segment
from portal.http import HttpClient

Data = Mapping[str, Any]

LONGEST_ADDRESS = 200
APP, OVERRIDE, BY_NUMBER = "whatsapp_business_api_data", "override_callback_uri", "webhook_configuration"


def connect(http: HttpClient, account: Account, webhook_url: str) -> bool | None:
    """Has the account's webhooks come to us. True when that had to be changed, None where Meta does not tell."""
    secret, verify = own_app(account.credentials)
    if secret or verify:
        if not secret or not verify:
            raise ChannelError(NO_VERIFY_TOKEN, code="verify_token", scope=Scope.SENDER)
        return _own(http, account, webhook_url, verify)
    if not account_id(account.credentials):
        return None  # only the account can be subscribed: whether it is, its webhooks have to show
    return _shared(http, account, webhook_url)


def disconnect(http: HttpClient, account: Account, webhook_url: str) -> None:
    """Takes our override out, if it is ours. The shared app stays subscribed: other senders may use the account.

    An account that the token does not open any more cannot be asked, and posts for other systems only.
    """
    if not any(own_app(account.credentials)):
        return
    try:
        if _by_number(http, account) == webhook_url:
            ask(http, account, _number(account), json={BY_NUMBER: {OVERRIDE: ""}})
        if account_id(account.credentials) and any(_address(each) == webhook_url for each in _apps(http, account)):
            # Subscribing without an address takes the override out (Meta, "Delete WABA alternate callback").
            ask(http, account, _subscriptions(account), json={})
    except ChannelError as error:
        if not error.stops:
            raise


def _shared(http: HttpClient, account: Account, webhook_url: str) -> bool | None:
    """Subscribed, and none of our own addresses before the app's: a sender that had an app of its own left it there.

    Which of the apps is ours only the token's own app tells.
    """
    ours = _app(http, account)
    apps = _apps(http, account)
    mine = [each for each in apps if _id(each) == ours] if ours else []
    if not mine or any(_address(each).startswith(f"{webhook_url}/") for each in mine):
        _subscribe(http, account, {})
        after = _apps(http, account)
        if not (any(_id(each) == ours for each in after) if ours else after):
            raise _not_yet("Meta does not list our app among the account's subscriptions")
        changed = True if ours or not apps else None
    else:
        changed = False
    return True if _lifted(http, account, webhook_url) else changed


def _lifted(http: HttpClient, account: Account, webhook_url: str) -> bool:
    """Was an address of ours taken from the number?"""
    try:
        if not _by_number(http, account).startswith(f"{webhook_url}/"):
            return False
    except ChannelError as error:
        if error.retry and not error.stops:
            raise
        return False  # a token that may not read it has never written it
    ask(http, account, _number(account), json={BY_NUMBER: {OVERRIDE: ""}})
    return True


def _own(http: HttpClient, account: Account, webhook_url: str, verify: str) -> bool:
    if len(webhook_url) > LONGEST_ADDRESS:
        raise ChannelError("Meta takes webhook addresses of at most 200 characters.", code="address")
    wanted = {OVERRIDE: webhook_url, "verify_token": verify}
    if not account_id(account.credentials):
        return _own_number(http, account, wanted)
    addresses = [_address(each) for each in _apps(http, account)]
    if webhook_url in addresses:
        return False
    neighbours = webhook_url.rpartition("/")[0] + "/"
    if any(address.startswith(neighbours) for address in addresses):
        return _own_number(http, account, wanted)
    _subscribe(http, account, wanted)
    if webhook_url not in [_address(each) for each in _apps(http, account)]:
        raise _not_yet("Meta does not show our address among the account's subscriptions")
    return True


def _own_number(http: HttpClient, account: Account, wanted: Mapping[str, str]) -> bool:
    """Another sender's address stands at the account, or nobody knows which it is: ours goes to the number."""
    if _by_number(http, account) == wanted[OVERRIDE]:
        return False
    ask(http, account, _number(account), json={BY_NUMBER: wanted})
    if _by_number(http, account) != wanted[OVERRIDE]:
        raise _not_yet("Meta does not show our address at the number")
    return True


def _subscribe(http: HttpClient, account: Account, override: Mapping[str, str]) -> None:
    said = ask(http, account, _subscriptions(account), json=override)
    if said.get("success") is not True:
        raise _not_yet("Meta did not subscribe the app")


def _apps(http: HttpClient, account: Account) -> Sequence[Data]:
    return pages(http, account, _subscriptions(account), {})


def _app(http: HttpClient, account: Account) -> str:
    """The id of the app that the token was made for, "" where Meta does not tell it."""
    try:
        return identifier(ask(http, account, "app", params={"fields": "id"}).get("id"))
    except ChannelError as error:
        if error.retry and not error.stops and error.code not in ("401", "403", "404"):
            raise
        return ""


def _by_number(http: HttpClient, account: Account) -> str:
    said = ask(http, account, _number(account), params={"fields": BY_NUMBER})
    return text(block(said.get(BY_NUMBER)).get("phone_number"))


def _id(said: Data) -> str:
    return identifier(block(said.get(APP)).get("id"))


def _address(said: Data) -> str:
    return text(said.get(OVERRIDE)) or text(block(said.get(APP)).get(OVERRIDE))


def _subscriptions(account: Account) -> str:
    return f"{segment(account_id(account.credentials))}/subscribed_apps"


def _number(account: Account) -> str:
    return segment(number_id(account.credentials))


def _not_yet(sentence: str) -> ChannelError:
    return ChannelError(f"{sentence}: it is looked at again.", code="not_yet", scope=Scope.SENDER, retry=True)
