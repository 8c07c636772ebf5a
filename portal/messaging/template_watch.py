"""Asking providers for their templates: by the clock, on a webhook's hint, and when a person wants to know."""

import logging
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.channels.capabilities import HasTemplates, Template
from portal.database import Database
from portal.errors import InvalidInput, NotFound, PortalError
from portal.http import HttpClient
from portal.messaging import templates
from portal.messaging.accounts import Accounts
from portal.models import Sender, SenderState
from portal.queue.jobs import Due, complete

log = logging.getLogger(__name__)


class TemplateWatch:
    """Carries out `sync_templates` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts

    def sync(self, due: Due) -> bool:
        """Asks for one sender's templates and keeps the list, or why there was none."""
        asked = self._sender(due.subject)
        answer = self._ask(asked) if asked is not None else None
        with self._database.write() as session:
            if asked is not None and answer is not None:
                _keep(session, asked, answer)
            complete(session, [due.id])
        return True

    def look(self, sender_id: int) -> None:
        """The same at once, for a person who waits for it. Raises `ChannelError` when the provider cannot be asked."""
        asked = self._sender(sender_id)
        if asked is None:
            raise NotFound(f"There is no sender {sender_id}.")
        if not isinstance(registry.get(asked.channel), HasTemplates):
            raise InvalidInput(f"{registry.get(asked.channel).name} knows no templates.")
        answer = self._ask(asked)
        with self._database.write() as session:
            _keep(session, asked, answer)
        if isinstance(answer, ChannelError):
            raise answer

    def _sender(self, sender_id: int) -> Sender | None:
        with self._database.read() as session:
            sender = session.get(Sender, sender_id)
        return sender if sender is not None and sender.state != SenderState.REMOVED else None

    def _ask(self, sender: Sender) -> Sequence[Template] | ChannelError:
        channel = registry.get(sender.channel)
        if not isinstance(channel, HasTemplates):
            return ChannelError(f"{channel.name} knows no templates.")
        try:
            return channel.templates(self._http, self._accounts.get(sender.id, fresh=True).account)
        except ChannelError as error:
            extra = {"sender_id": sender.id, "reason": error.message, "code": error.code}
            log.warning("templates not read", extra=extra)
            return error
        except PortalError as error:
            log.warning("sender cannot be used", extra={"sender": sender.id, "reason": error.message})
            return ChannelError(error.message)


def _keep(session: Session, asked: Sender, answer: Sequence[Template] | ChannelError) -> None:
    """Unless its credentials were changed during the call: then the answer may be another account's."""
    locked = select(Sender).where(Sender.id == asked.id).with_for_update(key_share=True)
    sender = session.scalars(locked.execution_options(populate_existing=True)).one()
    if sender.state == SenderState.REMOVED or sender.credentials != asked.credentials:
        return
    hinted = sender.next_templates_at
    if isinstance(answer, ChannelError):
        templates.note_failure(session, sender, answer)
    else:
        templates.take_list(session, sender, answer)
    if hinted is not None and hinted != asked.next_templates_at and hinted <= clock.now():
        sender.next_templates_at = hinted  # a webhook spoke of one during the call: what was heard may be old
