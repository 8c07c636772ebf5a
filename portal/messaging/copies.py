"""Copies of files for providers that cannot fetch them: made before the fence, while the message is still queued.

What is inside our own network, or what the provider could not fetch the last time, is brought to this disk and given to
it; the message then names the copy. Our own files come out of their store, so that the portal needs no public address.
"""

import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.channels.content import File
from portal.channels.handing import TakesUploads, wants_copy
from portal.config import Settings
from portal.database import Database
from portal.http import HttpClient
from portal.media import fetching
from portal.media.fetching import FetchError
from portal.media.folder import StoreError
from portal.media.stores import Stores
from portal.messaging.accounts import Accounts
from portal.messaging.fence import Cargo
from portal.messaging.media import host_of, key_in
from portal.models import MediaFile

# As `keeping` fetches: 100 MB at a megabyte a second.
FETCH_SECONDS = 120.0
LARGEST = 100_000_000
# A copy that the provider does not take is offered so often: then it is the file that is at fault.
COPY_TRIES = 3
# Providers keep a copy for weeks; what is behind the address may change, so it is asked for again after this.
KEEP = timedelta(hours=1)
MOST_KEPT = 1000
_Key = tuple[int, str]


class Copies:
    """Remembers for a while which copies a sender has given: many messages with one file hand it over once."""

    def __init__(
        self, database: Database, settings: Settings, http: HttpClient, accounts: Accounts, stores: Stores
    ) -> None:
        self._database = database
        self._settings = settings
        self._http = http
        self._accounts = accounts
        self._stores = stores
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[datetime, str]] = OrderedDict()

    def handed(self, cargo: Cargo, file: File, tries: int) -> File:
        """The file with the provider's id of its copy, if it needs one. Raises `ChannelError`; nothing was sent.

        `tries` is how often the part was tried before: what failed with a copy too is copied anew.
        """
        channel, key = registry.get(cargo.channel), (cargo.sender_id, file.url)
        if not isinstance(channel, TakesUploads):
            return file
        failed = cargo.code in channel.not_fetched
        known = "" if failed and tries > 1 else self._known(key)
        if not known and wants_copy(channel, file.url, cargo.code):
            try:
                known = self._hand_over(channel, cargo, file)
            except ChannelError as error:
                if error.code in channel.not_fetched and tries >= COPY_TRIES:
                    raise ChannelError(error.message, code=error.code) from None
                raise
            self._keep(key, known)
        return replace(file, handed=known)

    def _hand_over(self, channel: TakesUploads, cargo: Cargo, file: File) -> str:
        account = self._accounts.get(cargo.sender_id).account
        try:
            # Twice: the form that is sent is built beside the file. One whose size nobody tells may be the largest.
            with self._stores.incoming.place(2 * (file.size or LARGEST)) as path:
                self._bring(cargo, file, path)
                return channel.hand_over(self._http, account, file, path)
        except FetchError as error:
            text = f"The file at {host_of(file.url) or 'this address'} cannot be had. {error.message}"
            raise ChannelError(text, code="file_unreachable", retry=not error.hopeless) from None
        except StoreError as error:
            raise ChannelError(f"{file.name} cannot be read here. {error.message}", code="file", retry=True) from None

    def _bring(self, cargo: Cargo, file: File, path: Path) -> None:
        """Puts the file there: out of our own store, or from where it is."""
        row = self._ours(cargo, file.url)
        if row is None:
            # As when it was looked at: who wrote the message chose the address, the sender's own leave is not for it.
            private = self._settings.allow_private_hosts or self._settings.sandbox
            fetching.fetch(
                self._http,
                file.url,
                path,
                most=LARGEST,
                deadline=FETCH_SECONDS,
                private_hosts=private,
                private_redirects=private,
            )
            return
        with self._stores.get(row.store).read(row.stored, 0, row.size or 0) as pieces, path.open("wb") as target:
            for piece in pieces:
                target.write(piece)

    def _ours(self, cargo: Cargo, url: str) -> MediaFile | None:
        key = key_in(self._settings.app_url, url)
        if not key:
            return None
        with self._database.read() as session:
            wanted = select(MediaFile).where(MediaFile.key == key, MediaFile.location_id == cargo.location_id)
            return session.scalar(wanted)

    def _known(self, key: _Key) -> str:
        with self._lock:
            until, found = self._kept.get(key, (None, ""))
        return found if until is not None and until > clock.now() else ""

    def _keep(self, key: _Key, found: str) -> None:
        with self._lock:
            self._kept[key] = clock.now() + KEEP, found
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
