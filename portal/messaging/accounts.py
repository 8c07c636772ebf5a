"""Senders as their channels see them, opened once and kept for some seconds: opening seals is slow."""

import ipaddress
import threading
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from portal.channels.base import Account
from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.http import host_of
from portal.models import Sender

# A changed credential is used after at most this long; pausing and removing work at once, through the fence.
KEEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Known:
    """An opened sender."""

    account: Account
    acceptance_counts: bool


class Accounts:
    """A small cache of opened senders, per process."""

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[float, Known]] = {}

    def get(self, sender_id: int, *, fresh: bool = False) -> Known:
        """The sender's account, read anew when it has to be `fresh`. Raises `SealBroken` when no key opens it."""
        with self._lock:
            kept = self._kept.get(sender_id)
        if kept is not None and kept[0] > time.monotonic() and not fresh:
            return kept[1]
        with self._database.read() as session:
            row = session.get_one(Sender, sender_id)
        account = located(account_of(row, self._vault, self._settings.app_url), row.channel, self._settings)
        if self._settings.allow_private_hosts:
            account = replace(account, private_hosts=True)
        known = Known(account, row.acceptance_counts)
        with self._lock:
            self._kept[sender_id] = (time.monotonic() + KEEP_SECONDS, known)
        return known


def located(account: Account, channel: str, settings: Settings) -> Account:
    """The account at the address that the operator has set for its channel, unless it has one of its own.

    That address may be a private one: no tenant can have typed it.
    """
    url = settings.whatsapp_graph_url if channel == "whatsapp_cloud" else ""
    if account.api_url or not url:
        return account
    return replace(account, api_url=url, private_hosts=account.private_hosts or is_private(host_of(url)))


def is_private(host: str) -> bool:
    """A name is looked up only when it is called; one that leads to a private address is refused then."""
    if host == "localhost" or host.endswith((".localhost", ".internal", ".local")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def account_of(sender: Sender, vault: Vault, app_url: str) -> Account:
    """A sender as its channel sees it."""
    return Account(
        sender_id=sender.id,
        credentials=vault.open_fields(sender.credentials),
        api_url=sender.api_url,
        private_hosts=sender.private_hosts,
        webhook_url=webhook_base(app_url, sender.channel, sender.key) if reaches_us(app_url, sender.api_url) else "",
    )


def webhook_base(app_url: str, channel: str, key: str) -> str:
    """A sender's own webhook address without its action."""
    return f"{app_url}/webhooks/sms/{channel}/{key}"


def reaches_us(app_url: str, api_url: str) -> bool:
    """Can a provider at this address call us back? One in the same house (the sandbox, Kannel) can in any case."""
    host = urlsplit(app_url).hostname or ""
    return not is_private(host) or bool(api_url and is_private(urlsplit(api_url).hostname or ""))
