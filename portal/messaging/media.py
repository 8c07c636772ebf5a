"""The files of messages: their rows, their addresses, and what becomes of both.

An address is `/media/<key>/<name>` under APP_URL, and is kept without APP_URL, so that the portal may move. It has no
query and no end: HighLevel keeps addresses only, and an address that dies blanks its history. It ends when a person
revokes it, or when the file is removed.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import File
from portal.crypto import Vault
from portal.database import wakes
from portal.media import names
from portal.messaging.storable import storable
from portal.models import Job, MediaFile, MediaState, Message
from portal.queue.gates import ghl_gate, media_gate
from portal.queue.jobs import GHL, MEDIA, enqueue, job, without_job

FETCH, POST_FILES, POST_MESSAGE = "fetch_media", "post_files", "post_message"
PREFIX = "/media/"
# How long an address for our own pages works. It is made anew with every page.
VIEW_SECONDS = 600
MOST_FILES = 100
NO_ADDRESS = "The provider gave no address for it."
TOO_MANY = f"A message has {MOST_FILES} files at most."
_FORGOTTEN_AFTER = timedelta(minutes=5)
_AT_ONCE = 200


def take_files(session: Session, vault: Vault, message: Message, files: Sequence[File]) -> None:
    """Writes the files of a new message, has them fetched, and gives the message their addresses.

    The message has been flushed. A file that cannot be had is a row with its reason.
    """
    if not files:
        return
    rows = [_row(vault, message, place, file) for place, file in enumerate(files, start=1)]
    session.add_all(rows)
    session.flush()
    enqueue(session, [fetch_job(row) for row in rows if row.state == MediaState.WANTED])
    follow(message, rows)


def _row(vault: Vault, message: Message, place: int, file: File) -> MediaFile:
    refusal = file.fault or ("" if file.url else NO_ADDRESS) or (TOO_MANY if place > MOST_FILES else "")
    return MediaFile(
        key=secrets.token_urlsafe(24),
        location_id=message.location_id,
        message_id=message.id,
        sender_id=message.sender_id,
        place=place,
        direction=message.direction,
        source="" if refusal else vault.seal(storable(file.url)),
        host=storable(host_of(file.url), 253),
        name=storable(file.name, 200),
        claimed_type=storable(file.mime, 120),
        size=file.size if file.size is not None and 0 <= file.size < 2**62 else None,
        state=MediaState.REFUSED if refusal else MediaState.WANTED,
        reason=storable(refusal, 500),
        created_at=clock.now(),
        # What the database fills in only when it is asked again.
        type="",
        late=False,
        echo_state="",
        ghl_message_id="",
        ghl_url="",
        store="",
        stored="",
    )


def host_of(url: str) -> str:
    """The host of an address as a person may see it, "" for what has none. The rest may hold a secret."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def fetch_job(row: MediaFile) -> dict[str, object]:
    """The job that fetches a file."""
    return job(MEDIA, FETCH, row.id, f"media:{row.id}", gate=media_gate(row.sender_id), priority=10)


def follow(message: Message, rows: Iterable[MediaFile]) -> None:
    """Gives the message the addresses of those of its files that can be had, or may be soon."""
    there = (MediaState.WANTED, MediaState.KEPT)
    message.attachments = [path(row) for row in sorted(rows, key=lambda row: row.place) if row.state in there]


def files_of(session: Session, message_id: int) -> Sequence[MediaFile]:
    """The files that came with the message, in their order, as they are on disk now."""
    ours = MediaFile.message_id == message_id, MediaFile.state != MediaState.LOOKED
    wanted = select(MediaFile).where(*ours).order_by(MediaFile.place)
    return session.scalars(wanted.execution_options(populate_existing=True)).all()


def title(row: MediaFile) -> str:
    """How the file is called to people."""
    return names.clean(row.name, row.type or row.claimed_type)


def path(row: MediaFile) -> str:
    """The public address of a file, without APP_URL."""
    return f"{PREFIX}{row.key}/{names.in_address(title(row))}"


def public_address(app_url: str, address: str) -> str:
    """An attachment's address as others need it: ours with APP_URL before it, any other as it is."""
    return app_url.rstrip("/") + address if address.startswith(PREFIX) else address


def key_in(app_url: str, address: str) -> str:
    """The key in an address of ours, "" in any other."""
    rest = address.removeprefix(app_url.rstrip("/"))
    return rest.removeprefix(PREFIX).partition("/")[0] if rest.startswith(PREFIX) else ""


def view_path(secret_key: str, row: MediaFile) -> str:
    """An address for our own pages: of this file alone, and for some minutes."""
    return f"{PREFIX}view/{_signer(secret_key).dumps(row.id)}"


def viewed(secret_key: str, signed: str) -> int | None:
    """The id of the file that such an address is for; None when it is too old, or not ours."""
    try:
        found = _signer(secret_key).loads(signed, max_age=VIEW_SECONDS)
    except BadSignature:
        return None
    return found if isinstance(found, int) else None


def _signer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="media view")


def settled(session: Session, message: Message, row: MediaFile) -> None:
    """A file is kept, or will not come: the message's addresses follow, and so does its way into HighLevel.

    The caller has locked the message.
    """
    rows = files_of(session, message.id)
    follow(message, rows)
    if row.late:
        enqueue(session, [post_files_job(message)])
    elif not any(each.state == MediaState.WANTED for each in rows):
        waiting = update(Job).where(Job.kind == POST_MESSAGE, Job.subject == message.id, Job.attempts > 0)
        session.execute(waiting.values(run_at=clock.now()).execution_options(synchronize_session=False))
        wakes(session, GHL)


def post_files_job(message: Message) -> dict[str, object]:
    """The job that takes late files into HighLevel, in the order of their conversation."""
    lane, gate = f"in:{message.conversation_id}", ghl_gate(message.location_id)
    return job(GHL, POST_FILES, message.id, lane, gate=gate, priority=10)


def enqueue_forgotten(session: Session) -> int:
    """Files that wait without a job get one; how many. There should be none: both are written together."""
    before = clock.now() - _FORGOTTEN_AFTER
    no_fetch = without_job(MediaFile.id, FETCH)
    wanted = select(MediaFile).where(MediaFile.state == MediaState.WANTED, MediaFile.created_at < before, no_fetch)
    rows = session.scalars(wanted.limit(_AT_ONCE)).all()
    enqueue(session, [fetch_job(row) for row in rows])
    no_post = without_job(MediaFile.message_id, POST_FILES, POST_MESSAGE)
    late = select(MediaFile.message_id).where(
        MediaFile.late, MediaFile.ghl_message_id == "", MediaFile.state != MediaState.WANTED, no_post
    )
    posted = select(Message).where(Message.id.in_(late), Message.ghl_message_id.is_not(None))
    messages = session.scalars(posted.limit(_AT_ONCE)).all()
    enqueue(session, [post_files_job(message) for message in messages])
    return len(rows) + len(messages)


def known_here(location_id: Any, ghl_message_id: Any) -> ColumnElement[bool]:
    """In SQL: is this a message of HighLevel's that we know, one of ours or one that brought a file of ours?"""
    own = Message.location_id == location_id, Message.ghl_message_id == ghl_message_id
    brought = MediaFile.location_id == location_id, MediaFile.ghl_message_id == ghl_message_id
    return or_(exists().where(*own), exists().where(*brought))
