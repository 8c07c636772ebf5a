"""Looking at the files of an outgoing part before the fence: what they are, and whether its provider will take them.

Nothing has been sent yet, so what is found wrong here is a definite refusal, in our own words. What was found is kept
with the message, so that a repetition asks nobody again.
"""

import hashlib
import logging
import secrets
from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from sqlalchemy import select

from portal import clock
from portal.channels.base import ChannelError
from portal.channels.content import File, Limits
from portal.config import Settings
from portal.database import Database, insert
from portal.http import HttpClient
from portal.media import fetching
from portal.media.fetching import FetchError, Found, in_words
from portal.messaging.copies import Copies
from portal.messaging.fence import Cargo
from portal.messaging.media import host_of, key_in, public_address, title
from portal.messaging.storable import storable
from portal.models import Direction, MediaFile, MediaState

log = logging.getLogger(__name__)

LOOK_SECONDS = 8.0
# What was found counts for so long; a file that somebody changes meanwhile is the provider's to judge.
FRESH = timedelta(hours=1)
_EMPTY = ("source", "claimed_type", "sha256", "reason", "store", "stored", "echo_state", "ghl_message_id", "ghl_url")
# A server that says "not there" is asked so often: some storages show a new file a little later.
GONE_TRIES = 6


class Looker:
    """Describes files for channels that want it. Raises `ChannelError`, always before anything was sent."""

    def __init__(self, database: Database, settings: Settings, http: HttpClient, copies: Copies) -> None:
        self._database = database
        self._settings = settings
        self._http = http
        self._copies = copies
        self.app_url = settings.app_url

    def describe(self, cargo: Cargo, limits: Limits, tries: int) -> list[File]:
        """The part's files, each with name, type and size, and given to the provider where it cannot fetch them.

        `tries` is how often the part was tried before.
        """
        files = []
        for address in cargo.attachments or filter(None, [cargo.header]):
            found = self._ours(cargo, address) or self._remembered(cargo, address)
            if found is None:
                found = self._look(cargo, address, tries)
            judge(found, limits)
            url = public_address(self.app_url, address)
            files.append(self._copies.handed(cargo, File(url, found.name, found.type, found.size), tries))
        return files

    def _ours(self, cargo: Cargo, address: str) -> Found | None:
        """A file that we keep ourselves, known without a call. None for any other address."""
        key = key_in(self.app_url, address)
        if not key:
            return None
        with self._database.read() as session:
            wanted = select(MediaFile).where(MediaFile.key == key, MediaFile.location_id == cargo.location_id)
            row = session.scalar(wanted)
        if row is None:
            raise _refusal("This file is not one of this sub-account.", "file_unknown")
        if row.state == MediaState.WANTED:
            raise ChannelError(f"{title(row)} has not arrived yet.", code="file_waits", retry=True)
        if row.state != MediaState.KEPT or row.revoked_at is not None:
            raise _refusal(f"{title(row)} is not there any more.", "file_gone")
        return Found(title(row), row.type, row.size)

    def _remembered(self, cargo: Cargo, address: str) -> Found | None:
        with self._database.read() as session:
            row = session.scalar(
                select(MediaFile).where(MediaFile.message_id == cargo.message_id, MediaFile.place == cargo.number)
            )
        if row is None or row.state != MediaState.LOOKED or row.source_digest != _digest(address):
            return None
        if row.kept_at is None or row.kept_at < clock.now() - FRESH:
            return None
        return Found(row.name, row.type, row.size)

    def _look(self, cargo: Cargo, address: str, tries: int) -> Found:
        # The address is what somebody typed or HighLevel told, so a sender's own permission does not count for it.
        private = self._settings.allow_private_hosts or self._settings.sandbox
        try:
            found = fetching.look(self._http, address, deadline=LOOK_SECONDS, private_hosts=private)
        except FetchError as error:
            again = not error.hopeless and not (error.gone and tries >= GONE_TRIES)
            text = f"The file at {host_of(address) or 'this address'} cannot be had. {error.message}"
            raise ChannelError(text, code="file_unreachable", retry=again) from None
        self._remember(cargo, address, found)
        return found

    def _remember(self, cargo: Cargo, address: str, found: Found) -> None:
        told = {
            "source_digest": _digest(address),
            "host": host_of(address)[:253],
            "name": storable(found.name, 200),
            "type": found.type,
            "size": found.size,
            "state": MediaState.LOOKED.value,
            "kept_at": clock.now(),
        }
        fixed = {
            "key": secrets.token_urlsafe(24),
            "location_id": cargo.location_id,
            "message_id": cargo.message_id,
            "sender_id": cargo.sender_id,
            "place": cargo.number,
            "direction": Direction.OUT.value,
            "created_at": clock.now(),
            "late": False,
        }
        with self._database.write() as session:
            row = insert(session, MediaFile).values(**told, **fixed, **dict.fromkeys(_EMPTY, ""))
            session.execute(row.on_conflict_do_update(index_elements=["message_id", "place"], set_=told))


def judge(found: Found, limits: Limits) -> None:
    """Raises `ChannelError` when the provider would not take the file."""
    if limits.file_bytes and found.size is not None and found.size > limits.file_bytes:
        largest, size = in_words(limits.file_bytes), in_words(found.size)
        raise _refusal(f"{found.name} is too large: it has {size}, and this channel takes {largest}.", "file_too_large")
    if limits.files and not any(fnmatchcase(found.type, each) for each in limits.files):
        taken = _listed(limits.files)
        raise _refusal(
            f"{found.name} is of a type ({found.type}) that this channel does not take: {taken}.", "file_type"
        )


def _refusal(text: str, code: str) -> ChannelError:
    return ChannelError(text, code=code)


def _listed(kinds: Sequence[str]) -> str:
    return "it takes " + ", ".join(each.removesuffix("/*") for each in kinds)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()
