"""Files that a person sends along with what they write in the portal: judged, kept, and served like any other.

They come with the form, before there is a message: what was kept is named by the draft's key, so that the same form
sent twice keeps the same files once, and their rows are written together with the message.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import Limits
from portal.errors import InvalidInput
from portal.media import names
from portal.media.fetching import Found, in_words
from portal.media.sniffing import HEAD, sniff
from portal.media.stores import Stores, stored_name
from portal.messaging.looking import judge
from portal.messaging.media import MOST_FILES, PREFIX
from portal.messaging.storable import storable
from portal.models import Direction, MediaFile, MediaState, Message

# What a browser's form may bring at once, all files together, in bytes.
MOST_BYTES = 25_000_000
_PIECE = 256 * 1024
# A phone shows them as what they are, and nobody sends them in good faith.
_PROGRAMS = ("application/x-msdownload", "application/x-executable")


class Upload(msgspec.Struct, frozen=True):
    """A file that is kept, as the event of its message remembers it."""

    key: str
    name: str
    type: str
    size: int
    sha256: str
    store: str

    @property
    def address(self) -> str:
        """Its public address, without APP_URL."""
        return f"{PREFIX}{self.key}/{names.in_address(self.name)}"


class Given(Protocol):
    """A file of a form."""

    filename: str | None
    mimetype: str
    stream: BinaryIO


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file on this disk that is not kept yet."""

    path: Path
    found: Found


@contextmanager
def arrived(stores: Stores, given: Sequence[Given], limits: Limits) -> Iterator[list[Arrived]]:
    """The files of a form, written to disk and judged. Raises `InvalidInput`, `ChannelError`, `StoreError`."""
    with ExitStack() as stack:
        files: list[Arrived] = []
        left = MOST_BYTES
        for each in given:
            path = stack.enter_context(stores.incoming.place(left))
            found = _written(each, path, left)
            left -= found.size or 0
            judge(found, limits)
            files.append(Arrived(path, found))
        yield files


def _written(given: Given, path: Path, most: int) -> Found:
    digest, size, head = hashlib.sha256(), 0, b""
    with path.open("wb") as file:
        while piece := given.stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise InvalidInput(f"The files together are larger than {in_words(MOST_BYTES)}: send fewer, or a link.")
            head += piece[: HEAD - len(head)]
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    kind = sniff(head, given.mimetype)
    name = names.clean(storable(given.filename or "", 200), kind)
    if not size:
        raise InvalidInput(f"{name} is empty.")
    if kind in _PROGRAMS:
        raise InvalidInput(f"{name} is a program: it cannot be sent.")
    return Found(name, kind, size, digest.hexdigest())


def named(secret_key: str, draft_key: str, place: int, found: Found, store: str) -> Upload:
    """What the file will be called once it is kept: always the same for one draft, and nobody can guess it."""
    told = f"upload:{draft_key}:{place}:{found.sha256}".encode()
    digest = hmac.digest(secret_key.encode(), told, "sha256")
    key = urlsafe_b64encode(digest[:24]).decode()
    return Upload(key, found.name, found.type, found.size or 0, found.sha256, store)


def keep(stores: Stores, upload: Upload, file: Arrived) -> None:
    """Puts the file into its store, durably. May be repeated. Raises `StoreError`."""
    stores.get(upload.store).put(stored_name(upload.key), file.path, upload.sha256)


def attach(session: Session, message: Message, uploads: Sequence[Upload]) -> None:
    """Writes the files of a new message, which has been flushed. Their places are beyond those of its parts."""
    moment = clock.now()
    for place, each in enumerate(uploads, start=MOST_FILES + 1):
        session.add(
            MediaFile(
                key=each.key,
                location_id=message.location_id,
                message_id=message.id,
                sender_id=message.sender_id,
                place=place,
                direction=Direction.OUT,
                name=storable(each.name, 200),
                claimed_type="",
                type=each.type,
                size=each.size,
                sha256=each.sha256,
                state=MediaState.KEPT,
                store=each.store,
                stored=stored_name(each.key),
                created_at=moment,
                kept_at=moment,
            )
        )
