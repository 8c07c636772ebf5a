"""Our webhook at the providers: written when a sender's location is connected, taken away when it or the sender goes.

Only channels that keep our address in the provider's own settings (`channels.base.Registers`) have anything to do.
"""

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import WEBHOOK_LEFT, close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.config import Settings
from portal.database import Database
from portal.http import HttpClient
from portal.messaging.accounts import Accounts
from portal.messaging.senders import webhook_url
from portal.models import Location, Sender, SenderState
from portal.models.tenants import HERE
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# Waits double from 2 s: after ten tries, some 17 minutes, a person has to do it at the provider.
MOST_TRIES = 10


class Registrations:
    """Carries out `sync_webhook` jobs. What is wanted stands in the sender's and the location's rows."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts, settings: Settings) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._settings = settings

    def sync(self, due: Due) -> bool:
        """Brings the provider's setting in line with the rows; True when its lane may go on."""
        with self._database.read() as session:
            sender = session.get_one(Sender, due.subject)
            wanted = _wanted(sender, session.get_one(Location, sender.location_id))
        try:
            self._call(sender, wanted=wanted)
        except ChannelError as error:
            return self._failed(due, sender, error, wanted=wanted)
        except Exception as error:
            log.exception("webhook at the provider could not be changed", extra={"sender_id": sender.id})
            text = f"The portal failed on it ({type(error).__name__}); see its log."
            return self._failed(due, sender, ChannelError(text), wanted=wanted)
        return self._done(due, wanted=wanted)

    def _call(self, sender: Sender, *, wanted: bool) -> None:
        channel = registry.registrar(sender.channel)
        if channel is None:
            return
        account, url = self._accounts.get(sender.id).account, webhook_url(self._settings, sender)
        call = channel.connect if wanted else channel.disconnect
        call(self._http, account, url)

    def _done(self, due: Due, *, wanted: bool) -> bool:
        with self._database.write() as session:
            if self._changed(session, due, wanted):
                return False
            close_alert(session, WEBHOOK_LEFT, f"sender:{due.subject}")
            complete(session, [due.id])
        return True

    def _failed(self, due: Due, sender: Sender, error: ChannelError, *, wanted: bool) -> bool:
        with self._database.write() as session:
            if self._changed(session, due, wanted):
                return False
            again = error.retry or error.unknown
            if again and due.attempts < MOST_TRIES:
                wait = error.retry_after or 2.0 ** (due.attempts + 1)
                postpone(session, due, clock.now() + timedelta(seconds=wait), error.message)
                return False
            done = "written at the provider: nothing comes in" if wanted else "taken away at the provider"
            text = f"The webhook of {sender.name} could not be {done}. Do it there yourself. {error.message}"
            raise_alert(session, WEBHOOK_LEFT, f"sender:{due.subject}", text, sender.location_id)
            complete(session, [due.id])
        return True

    def _changed(self, session: Session, due: Due, wanted: bool) -> bool:
        """What is wanted changed during the call: then the same job goes again. The locks make later changes wait."""
        sender = session.get_one(Sender, due.subject)
        location = session.scalars(
            select(Location)
            .where(Location.id == sender.location_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one()
        session.refresh(sender, with_for_update={"key_share": True})
        if _wanted(sender, location) == wanted:
            return False
        postpone(session, due, clock.now())
        return True


def _wanted(sender: Sender, location: Location) -> bool:
    here = location.install_state in HERE
    return here and sender.state != SenderState.REMOVED
