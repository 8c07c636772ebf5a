"""Our webhook at the providers: written when a sender's location is connected, taken away when it or the sender goes.

It is looked at again once a day, and when credentials change: people change settings in the provider's console. Only
channels that keep our address in the provider's own settings (`channels.base.Registers`) have anything to do.
"""

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import WEBHOOK_DRIFT, WEBHOOK_LEFT, close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.config import Settings
from portal.database import Database
from portal.http import HttpClient
from portal.installations.moves import sync_webhook
from portal.messaging import windows
from portal.messaging.accounts import Accounts
from portal.messaging.completing import Completer
from portal.messaging.senders import webhook_url
from portal.models import Location, Sender, SenderState
from portal.models.tenants import HERE
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# Waits double from 2 s: after ten tries, some 17 minutes, a person has to do it at the provider.
MOST_TRIES = 10
LOOK_EVERY = timedelta(days=1)
AT_ONCE = 100


class Registrations:
    """Carries out `sync_webhook` jobs. What is wanted stands in the sender's and the location's rows."""

    def __init__(
        self, database: Database, http: HttpClient, accounts: Accounts, settings: Settings, completer: Completer
    ) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts
        self._settings = settings
        self._completer = completer

    def sync(self, due: Due) -> bool:
        """Brings the provider's setting in line with the rows; True when its lane may go on."""
        with self._database.read() as session:
            sender = session.get_one(Sender, due.subject)
            wanted = _wanted(sender, session.get_one(Location, sender.location_id))
            heir = None if wanted else _heir(session, sender)
        changed = None
        try:
            if wanted and self._completer.complete(sender):
                return self._anew(due)
            # Who was removed and added again is another sender of the same line: its webhook is wanted.
            if heir is None:
                changed = self._call(sender, wanted=wanted)
        except ChannelError as error:
            return self._failed(due, sender, error, wanted=wanted)
        except Exception as error:
            log.exception("webhook at the provider could not be changed", extra={"sender_id": sender.id})
            text = f"The portal failed on it ({type(error).__name__}); see its log."
            return self._failed(due, sender, ChannelError(text), wanted=wanted)
        return self._done(due, sender, wanted=wanted, changed=bool(changed))

    def _anew(self, due: Due) -> bool:
        """With the credentials of now."""
        with self._database.write() as session:
            postpone(session, due, clock.now())
        return False

    def _call(self, sender: Sender, *, wanted: bool) -> bool | None:
        channel = registry.registrar(sender.channel)
        if channel is None:
            return None
        account, url = self._accounts.get(sender.id, fresh=True).account, webhook_url(self._settings, sender)
        if wanted:
            return channel.connect(self._http, account, url)
        channel.disconnect(self._http, account, url)
        return None

    def _done(self, due: Due, sender: Sender, *, wanted: bool, changed: bool) -> bool:
        with self._database.write() as session:
            row = self._locked(session, due, sender, wanted)
            if row is None:
                return False
            if changed and row.webhook_at is not None:
                _note_drift(session, row)
            if changed:
                windows.doubt(session, row.id)
            row.webhook_at = clock.now() if wanted else None
            row.next_webhook_at = clock.now() + LOOK_EVERY if wanted else None
            heir = None if wanted else _heir(session, row)
            if heir is not None:  # it was added while the address was being taken away
                sync_webhook(session, heir.id, heir.channel)
            close_alert(session, WEBHOOK_LEFT, f"sender:{due.subject}")
            complete(session, [due.id])
        return True

    def _failed(self, due: Due, sender: Sender, error: ChannelError, *, wanted: bool) -> bool:
        with self._database.write() as session:
            row = self._locked(session, due, sender, wanted)
            if row is None:
                return False
            again = error.retry or error.unknown
            if again and due.attempts < MOST_TRIES:
                wait = error.retry_after or 2.0 ** (due.attempts + 1)
                postpone(session, due, clock.now() + timedelta(seconds=wait), error.message)
                return False
            done = "written at the provider: nothing comes in" if wanted else "taken away at the provider"
            text = f"The webhook of {sender.name} could not be {done}. Do it there yourself. {error.message}"
            raise_alert(session, WEBHOOK_LEFT, f"sender:{due.subject}", text, sender.location_id)
            row.next_webhook_at = clock.now() + LOOK_EVERY if wanted else None
            complete(session, [due.id])
        return True

    def _locked(self, session: Session, due: Due, asked: Sender, wanted: bool) -> Sender | None:
        """The sender's row, locked: later changes wait. None when what is wanted, or with which credentials, changed
        during the call: then the same job goes again."""
        sender = session.get_one(Sender, due.subject)
        location = session.scalars(
            select(Location)
            .where(Location.id == sender.location_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one()
        session.refresh(sender, with_for_update={"key_share": True})
        if _wanted(sender, location) == wanted and sender.credentials == asked.credentials:
            return sender
        postpone(session, due, clock.now())
        return None


def enqueue_due(session: Session) -> int:
    """Has the settings looked at whose day has come; returns how many."""
    moment = clock.now()
    due = select(Sender).where(Sender.next_webhook_at <= moment).order_by(Sender.next_webhook_at).limit(AT_ONCE)
    found = session.scalars(due.with_for_update(key_share=True, skip_locked=True)).all()
    for sender in found:
        sender.next_webhook_at = moment + LOOK_EVERY
        sync_webhook(session, sender.id, sender.channel)
    return len(found)


def _note_drift(session: Session, sender: Sender) -> None:
    log.warning("webhook settings had changed at the provider", extra={"sender_id": sender.id})
    text = (
        f"{sender.name}: its webhook settings had been changed at the provider since {sender.webhook_at:%Y-%m-%d %H:%M}"
        " UTC. They are right again; what came in meanwhile may be missing here."
    )
    raise_alert(session, WEBHOOK_DRIFT, f"sender:{sender.id}", text, sender.location_id)


def _heir(session: Session, sender: Sender) -> Sender | None:
    """The live sender that has the line of a removed one, where all senders of the channel share their webhook."""
    if sender.own_app:
        return None  # its address is its own, and would go on taking what is the other's
    same = Sender.channel == sender.channel, Sender.webhook_name == sender.address, Sender.id != sender.id
    return session.scalar(select(Sender).where(*same)) if sender.address else None


def _wanted(sender: Sender, location: Location) -> bool:
    here = location.install_state in HERE
    return here and sender.state != SenderState.REMOVED
