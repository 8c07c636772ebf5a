"""A message's files on their way into HighLevel: how long it waits for them, and what is said of them.

Files come with their message when they are there within `PATIENCE`. After that the text goes alone and says that a
file follows: what is late is settled under the message's lock, once, so that every repetition says the same.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from portal import clock
from portal.config import Settings
from portal.database import Database
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.media import names
from portal.media.folder import StoreError
from portal.media.stores import Stores
from portal.messaging.locks import lock_message
from portal.messaging.media import files_of, path, public_address, title
from portal.models import MediaFile, MediaState, Message
from portal.queue.jobs import Due, postpone

log = logging.getLogger(__name__)

# From the message's receipt on: longer would hold up the conversation behind it.
PATIENCE = timedelta(seconds=45)
# What POST /conversations/messages/upload takes: types, and 5 MB but for HighLevel's own WhatsApp (upload/initiate).
UPLOAD_BYTES = 5_000_000
UPLOAD_ENDINGS = frozenset(
    ("jpg", "jpeg", "png", "mp4", "mpeg", "zip", "rar", "pdf", "doc", "docx", "txt", "mp3", "wav"),
)
# After these a link does: a message must not wait for a copy. The others the post itself would meet as well.
LINK_INSTEAD = (Kind.INVALID, Kind.NOT_FOUND, Kind.NO_ACCESS, Kind.NO_SCOPE, Kind.SERVER, Kind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in HighLevel a message belongs: its ids there, and the location's access token."""

    token: str
    location_id: str
    contact_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """What HighLevel is told: the text, and the addresses of the files that are there."""

    text: str
    attachments: Sequence[str]


class GhlFiles:
    """What `IntoGhl` asks about files."""

    def __init__(self, database: Database, settings: Settings, stores: Stores) -> None:
        self._database = database
        self._settings = settings
        self._stores = stores

    def wait(self, due: Due, message: Message) -> bool:
        """Puts a message off whose files may still come in time; False when it may go now."""
        if not message.attachments or message.created_at + PATIENCE <= clock.now():
            return False
        with self._database.write() as session:
            # Under the lock: a file that is kept at this moment wakes the job before or after this, never in between.
            fresh = lock_message(session, message.id)
            if not _waits(files_of(session, fresh.id)):
                return False
            postpone(session, due, fresh.created_at + PATIENCE, "its files are being fetched")
        return True

    def told(self, ghl: GhlClient, message: Message, text: str, place: Place) -> Told:
        """What to post of a message with the words `text` and its files. What is not there now is late from here on."""
        with self._database.read() as session:
            rows = files_of(session, message.id)
        if not rows:
            return Told(text, [public_address(self._settings.app_url, each) for each in message.attachments])
        if _waits(rows):
            rows = self._settle_late(message)
        there = [row for row in rows if not row.late and _is_there(row)]
        lines = [_follows(row) if row.late else _line(row) for row in rows if row not in there]
        whole = "\n".join(filter(None, [text, *lines]))
        return Told(whole, [self.address(ghl, row, place) for row in there])

    def _settle_late(self, message: Message) -> Sequence[MediaFile]:
        with self._database.write() as session:
            lock_message(session, message.id)
            rows = files_of(session, message.id)
            for row in rows:
                row.late = row.late or row.state == MediaState.WANTED
            return rows

    def told_late(self, ghl: GhlClient, row: MediaFile, place: Place) -> Told:
        """What to post of a file that comes after its message, or does not come."""
        if _is_there(row):
            return Told(title(row), [self.address(ghl, row, place)])
        return Told(_line(row), [])

    def address(self, ghl: GhlClient, row: MediaFile, place: Place) -> str:
        """The file's address for HighLevel: a link to us, or to HighLevel's own copy where that is wanted and taken."""
        link = public_address(self._settings.app_url, path(row))
        if row.ghl_url or not self._settings.uploads_media or not _uploadable(row):
            return row.ghl_url or link
        try:
            with self._stores.get(row.store).read(row.stored, 0, row.size or 0) as pieces:
                content = b"".join(pieces)
            url = ghl.upload(
                place.token,
                location_id=place.location_id,
                contact_id=place.contact_id,
                conversation_id=place.conversation_id,
                name=path(row).rpartition("/")[2],
                type=row.type,
                content=content,
            )
        except StoreError as error:
            log.warning("file not given to HighLevel", extra={"file": row.id, "reason": error.message})
            return link
        except GhlError as error:
            if error.kind not in LINK_INSTEAD:
                raise
            log.warning("file not given to HighLevel", extra={"file": row.id, "reason": error.message})
            return link
        with self._database.write() as session:
            session.get_one(MediaFile, row.id).ghl_url = url
        return url


def next_late(session: Session, message_id: int) -> MediaFile | None:
    """The first of the message's late files that is settled and that HighLevel has not been told of."""
    rows = files_of(session, message_id)
    return next((row for row in rows if row.late and not row.ghl_message_id and row.state != MediaState.WANTED), None)


def _waits(rows: Sequence[MediaFile]) -> bool:
    return any(row.state == MediaState.WANTED and not row.late for row in rows)


def _is_there(row: MediaFile) -> bool:
    return row.state == MediaState.KEPT and row.revoked_at is None


def _uploadable(row: MediaFile) -> bool:
    ending = path(row).rpartition(".")[2]
    return ending in UPLOAD_ENDINGS and row.size is not None and row.size <= UPLOAD_BYTES


def _line(row: MediaFile) -> str:
    """What is said in place of a file that is not there."""
    if row.state in (MediaState.REFUSED, MediaState.FAILED):
        return f"[{title(row)} could not be received. {row.reason}]"
    return f"[{title(row)} was removed]"


def _follows(row: MediaFile) -> str:
    """What is said of a late file in its message: the same words whatever has become of it since."""
    return f"[{names.clean(row.name, row.claimed_type)} follows]"
