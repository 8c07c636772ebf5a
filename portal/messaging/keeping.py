"""Fetching the files of messages that came in, and keeping them: the job `fetch_media`.

It may be run twice, and a process may die in the middle of it: until the row says so, nothing is served, and the next
run puts the same file under the same name.
"""

import logging
import threading
from datetime import timedelta

from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import MEDIA_STORE, close_alert, raise_alert
from portal.channels import registry
from portal.channels.base import ChannelError, Scope
from portal.channels.capabilities import media_request
from portal.config import Settings
from portal.crypto import SealBroken, Vault
from portal.database import Database
from portal.http import HttpClient
from portal.media import fetching
from portal.media.fetching import FetchError, Found, TooLarge
from portal.media.folder import StoreError
from portal.media.stores import Stores, stored_name
from portal.messaging.accounts import Accounts
from portal.messaging.locks import lock_message
from portal.messaging.media import settled
from portal.messaging.storable import storable
from portal.models import MediaFile, MediaState, Sender
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# For one try, whatever the size: 100 MB at a megabyte a second.
FETCH_SECONDS = 120.0
LONGEST_WAIT = timedelta(hours=1)
# Providers keep files for days (Meta: 7, GREEN-API does not say); what its server has denied for so long is gone.
GIVE_UP_AFTER, GONE_AFTER = timedelta(hours=72), timedelta(minutes=30)
STORE = "store"


class Keeper:
    """Carries out `fetch_media` jobs."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        http: HttpClient,
        vault: Vault,
        accounts: Accounts,
        stores: Stores,
    ) -> None:
        self._database = database
        self._settings = settings
        self._http = http
        self._vault = vault
        self._accounts = accounts
        self._stores = stores
        self._ending = threading.Event()

    def stop(self) -> None:
        """The worker drains: downloads are broken off, and begun anew by the next process."""
        self._ending.set()

    def fetch(self, due: Due) -> bool:
        """Fetches one file and keeps it, or puts it off, or gives it up with a reason."""
        with self._database.read() as session:
            row = session.get(MediaFile, due.subject)
            sender = session.get(Sender, row.sender_id) if row and row.sender_id else None
        if row is None or row.state != MediaState.WANTED:
            return self._done(due)
        try:
            found = self._keep(row, sender.channel if sender else "")
        except FetchError as error:
            return self._not_had(due, row, error)
        except ChannelError as error:
            gone = not error.retry and error.scope is Scope.MESSAGE
            return self._not_had(due, row, FetchError(error.message, gone=gone))
        except SealBroken as error:
            return self._not_had(due, row, FetchError(error.message))
        except StoreError as error:
            return self._not_kept(due, error)
        return self._kept(due, found)

    def _keep(self, row: MediaFile, channel: str) -> Found:
        most, url, headers = self._settings.media_max_bytes, self._vault.open(row.source), {}
        if row.size is not None and row.size > most:
            raise TooLarge(most)
        private = self._settings.allow_private_hosts
        if channel and row.sender_id:
            account = self._accounts.get(row.sender_id).account
            private = account.private_hosts
            url, given = media_request(registry.get(channel), self._http, account, url)
            headers = dict(given)
        with self._stores.incoming.place(row.size or most) as path:
            found = fetching.fetch(
                self._http,
                url,
                path,
                most=most,
                deadline=FETCH_SECONDS,
                private_hosts=private,
                private_redirects=self._settings.allow_private_hosts,
                headers=headers,
                name=row.name,
                claimed=row.claimed_type,
                ending=self._ending.is_set,
            )
            self._stores.first.put(stored_name(row.key), path, found.sha256)
        return found

    def _kept(self, due: Due, found: Found) -> bool:
        with self._database.write() as session:
            row = _locked(session, due.subject)
            if row.state == MediaState.WANTED:
                row.state, row.reason, row.source = MediaState.KEPT, "", ""
                row.type = found.type
                if not row.late:  # HighLevel was told that it follows, by the name that it had
                    row.name = storable(found.name, 200)
                row.size, row.sha256, row.kept_at = found.size, found.sha256, clock.now()
                row.store, row.stored = self._stores.first.name, stored_name(row.key)
                session.flush()
                settled(session, row.message, row)
            close_alert(session, MEDIA_STORE, STORE)
            complete(session, [due.id])
        return True

    def _not_had(self, due: Due, row: MediaFile, error: FetchError) -> bool:
        waited = clock.now() - due.created_at
        over = error.hopeless or waited > (GONE_AFTER if error.gone else GIVE_UP_AFTER)
        log.warning("file not fetched", extra={"file": row.id, "reason": error.message, "left": not over})
        with self._database.write() as session:
            row = _locked(session, due.subject)
            row.reason = storable(error.message, 500)
            if not over:
                wait = timedelta(seconds=2.0 ** min(due.attempts + 1, 12))
                postpone(session, due, clock.now() + min(wait, LONGEST_WAIT), error.message)
                return False
            row.state = MediaState.REFUSED if error.hopeless else MediaState.FAILED
            if error.hopeless:
                row.source = ""
            session.flush()
            settled(session, row.message, row)
            complete(session, [due.id])
        return True

    def _not_kept(self, due: Due, error: StoreError) -> bool:
        """The fault is ours, not the file's: it is wanted until it is kept, or its provider has it no more."""
        log.error("media store cannot take a file", extra={"file": due.subject, "reason": error.message})
        with self._database.write() as session:
            raise_alert(session, MEDIA_STORE, STORE, f"Files that customers sent wait. {error.message}")
            wait = timedelta(seconds=2.0 ** min(due.attempts + 2, 9))
            postpone(session, due, clock.now() + wait, error.message)
        return False

    def _done(self, due: Due) -> bool:
        with self._database.write() as session:
            complete(session, [due.id])
        return True


def _locked(session: Session, media_id: int) -> MediaFile:
    """The file's row, under the lock of its message."""
    row = session.get_one(MediaFile, media_id)
    lock_message(session, row.message_id)
    session.refresh(row)
    return row
