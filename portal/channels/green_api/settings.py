"""Our webhook in an instance's own settings: written, read back, taken away.

Everything is off on a new instance. Writing restarts the instance, and holds within five minutes (SetSettings), so
nothing is written that is there already.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from portal.channels.base import Account, ChannelError, Scope
from portal.channels.green_api import codes
from portal.channels.green_api.fields import instance, token
from portal.channels.green_api.wire import ask
from portal.http import HttpClient

# Everything that happens on the line. An instance whose API does not know one of them leaves it out of its answer.
TYPES = (
    "incomingWebhook",
    "outgoingWebhook",
    "outgoingMessageWebhook",
    "outgoingAPIMessageWebhook",
    "stateWebhook",
    "incomingCallWebhook",
    "outgoingCallWebhook",
    "pollMessageWebhook",
    "editedMessageWebhook",
    "deletedMessageWebhook",
    "incomingBlockWebhook",
)
NEEDED = frozenset(("webhookUrl", "webhookUrlToken", "incomingWebhook", "outgoingWebhook", "stateWebhook"))
ON = "yes"
# The API takes one getSettings a second from an instance.
PAUSE_SECONDS = 1.1
HOLDS_WITHIN_SECONDS = 300.0

_LABEL = b"sendero webhook token 1\n"


def webhook_token(credentials: Mapping[str, str]) -> str:
    """What GREEN-API must show with every webhook, "" without credentials.

    It is made from the API token: there is no second secret to store, who knows the one learns nothing of the other,
    and when the API token is changed it changes too. Webhooks under the old one are then refused, and GREEN-API repeats
    them every 60 s for a day, under the new one as soon as that holds.
    """
    secret = token(credentials)
    if not secret:
        return ""
    return hmac.new(secret.encode(), _LABEL + instance(credentials).encode(), hashlib.sha256).hexdigest()


def connect(http: HttpClient, account: Account, webhook_url: str) -> bool:
    """Has the instance post everything to our address, and looks whether it took. True when it had to be written."""
    wanted = {"webhookUrl": webhook_url, "webhookUrlToken": webhook_token(account.credentials)}
    wanted |= dict.fromkeys(TYPES, ON)
    if not _differing(_settings(http, account), wanted):
        return False
    _write(http, account, wanted)
    differing = _differing(_read_back(http, account), wanted)
    if differing:
        raise _not_yet(f"GREEN-API has not taken these settings over yet: {', '.join(sorted(differing))}.")
    return True


def disconnect(http: HttpClient, account: Account, webhook_url: str) -> None:
    """Takes our address away. Another system's stays, and an instance that is gone posts nothing any more."""
    try:
        if _settings(http, account).get("webhookUrl") != webhook_url:
            return
        _write(http, account, {"webhookUrl": "", "webhookUrlToken": ""})
        left = _read_back(http, account).get("webhookUrl") == webhook_url
    except ChannelError as error:
        if error.code == codes.DELETED:
            return
        raise
    if left:
        raise _not_yet("GREEN-API still names our address in its settings.")


def _differing(settings: Mapping[str, Any], wanted: Mapping[str, str]) -> set[str]:
    """The names of the settings that are not as wanted. What the answer leaves out counts only where it is needed."""
    return {
        name
        for name, value in wanted.items()
        if (name in settings or name in NEEDED) and _bare(name, settings.get(name)) != value
    }


def _bare(name: str, value: Any) -> Any:
    """A value as we wrote it: a token may come back with the scheme that GREEN-API puts before it."""
    if name == "webhookUrlToken" and isinstance(value, str):
        return value.removeprefix("Bearer ").removeprefix("Basic ")
    return value


def _settings(http: HttpClient, account: Account) -> Mapping[str, Any]:
    said = ask(http, account, "getSettings")
    if not isinstance(said, dict):
        raise ChannelError("GREEN-API's answer holds no settings.", code="no_settings", scope=Scope.SENDER, retry=True)
    return said


def _write(http: HttpClient, account: Account, settings: Mapping[str, str]) -> None:
    said = ask(http, account, "setSettings", json=settings)
    if not isinstance(said, dict) or said.get("saveSettings") is not True:
        raise ChannelError("GREEN-API did not save the settings.", code="not_saved", scope=Scope.SENDER, retry=True)


def _read_back(http: HttpClient, account: Account) -> Mapping[str, Any]:
    """The settings after we wrote them. An instance that restarts may not tell them: that is looked at later too."""
    time.sleep(PAUSE_SECONDS)
    try:
        return _settings(http, account)
    except ChannelError as error:
        if not error.retry:
            raise
        raise _not_yet(f"The settings are written and could not be read back. {error.message}") from error


def _not_yet(sentence: str) -> ChannelError:
    """Asked again only when the five minutes are over: writing again before would restart the instance again."""
    return ChannelError(
        f"{sentence} They hold within five minutes.",
        code="not_yet",
        scope=Scope.SENDER,
        retry=True,
        retry_after=HOLDS_WITHIN_SECONDS,
    )
