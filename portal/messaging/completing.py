"""What a sender was set up without and its provider can tell is asked for, and kept with its credentials."""

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.capabilities import AppWebhook
from portal.channels.finding import FindsCredentials
from portal.crypto import Vault
from portal.database import Database
from portal.http import HttpClient
from portal.messaging import templates
from portal.messaging.accounts import Accounts
from portal.models import Sender, SenderState

log = logging.getLogger(__name__)


class Completer:
    """Asks before the webhook is written at the provider, and so once a day as long as nothing is found."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts, vault: Vault) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._vault = vault

    def complete(self, asked: Sender) -> bool:
        """True when its credentials are others now: whoever works with them begins anew. Raises `ChannelError`."""
        channel = registry.get(asked.channel)
        if not isinstance(channel, FindsCredentials):
            return False
        account = self._accounts.get(asked.id, fresh=True).account
        if not channel.lacks(account.credentials):
            return False
        found = channel.find(self._http, account)
        if not found:
            log.info("credentials not found", extra={"sender_id": asked.id})
            return False
        with self._database.write() as session:
            return self._keep(session, asked, channel, dict(found))

    def _keep(self, session: Session, asked: Sender, channel: object, found: dict[str, str]) -> bool:
        """Unless somebody has changed them during the call."""
        locked = select(Sender).where(Sender.id == asked.id).with_for_update(key_share=True)
        sender = session.scalars(locked.execution_options(populate_existing=True)).one()
        if sender.state == SenderState.REMOVED:
            return False
        if sender.credentials == asked.credentials:
            credentials = {**self._vault.open_fields(sender.credentials), **found}
            sender.credentials = self._vault.seal_fields(credentials)
            if isinstance(channel, AppWebhook):
                sender.webhook_group = channel.groups(credentials)[:128]
            templates.ask_again(session, sender)
            log.info("credentials found", extra={"sender_id": sender.id})
        return True
