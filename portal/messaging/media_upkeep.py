"""The end of files: links that are revoked, files that are removed by age or by a person. The row stays and says so."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.config import Settings
from portal.database import Database
from portal.errors import InvalidInput, NotFound
from portal.media.folder import StoreError
from portal.media.stores import Stores
from portal.messaging.locks import lock_message
from portal.messaging.media import fetch_job
from portal.models import MediaFile, MediaState
from portal.queue.jobs import enqueue

log = logging.getLogger(__name__)

AT_ONCE = 200
ASK_AGAIN = timedelta(days=30)
BY_HAND = "A person removed it."


def revoke(session: Session, media_id: int) -> MediaFile:
    """Ends a file's public address, from the next request on. The file stays. Raises `NotFound`."""
    row = _row(session, media_id)
    row.revoked_at = row.revoked_at or clock.now()
    return row


def remove(session: Session, media_id: int) -> MediaFile:
    """Marks one file as removed; `delete_removed` then takes it out of its store. Raises `NotFound`, `InvalidInput`."""
    row = _row(session, media_id)
    if row.state != MediaState.KEPT:
        raise InvalidInput(f"File {media_id} is {row.state}: only a file that is kept can be removed.")
    _mark(row, BY_HAND)
    return row


def fetch_again(session: Session, media_id: int) -> MediaFile:
    """Has a file fetched again that could not be had. Raises `NotFound`, `InvalidInput`."""
    found = session.get(MediaFile, media_id)
    # The message first, as everywhere.
    message = lock_message(session, found.message_id) if found is not None else None
    row = _row(session, media_id)
    if message is None or row.state != MediaState.FAILED or not row.source:
        raise InvalidInput(f"File {media_id} is {row.state}: only one that could not be had is fetched again.")
    row.state, row.reason = MediaState.WANTED, ""
    # HighLevel has been told that it did not come; what comes now is a message of its own there.
    if message.ghl_message_id:
        row.late, row.ghl_message_id, row.echo_state = True, "", ""
    session.flush()
    enqueue(session, [fetch_job(row)])
    return row


def purge(database: Database, settings: Settings, stores: Stores) -> int:
    """Removes what is older than `MEDIA_RETENTION_DAYS`, and what was marked before; how many files. 0 days: keep."""
    days = settings.media_retention_days
    if days:
        before = clock.now() - timedelta(days=days)
        mark_older(database, before, f"It was removed after {days} days (MEDIA_RETENTION_DAYS).")
    _forget_sources(database)
    return delete_removed(database, stores)


def _forget_sources(database: Database) -> None:
    """What could not be had may be asked for again for some weeks; then its address is forgotten, too."""
    old = MediaFile.state == MediaState.FAILED, MediaFile.source != "", MediaFile.created_at < clock.now() - ASK_AGAIN
    with database.read() as session:
        if session.scalar(select(MediaFile.id).where(*old).limit(1)) is None:
            return
    with database.write() as session:
        session.execute(update(MediaFile).where(*old).values(source=""))


def mark_older(database: Database, before: datetime, reason: str, location_id: int | None = None) -> int:
    """Marks the files that were kept before a moment as removed, a few hundred in a transaction."""
    wanted = select(MediaFile).where(
        MediaFile.stored != "", MediaFile.kept_at < before, MediaFile.state == MediaState.KEPT
    )
    if location_id is not None:
        wanted = wanted.where(MediaFile.location_id == location_id)

    def some(session: Session) -> int:
        rows = session.scalars(wanted.limit(AT_ONCE).with_for_update(skip_locked=True)).all()
        for row in rows:
            _mark(row, reason)
        return len(rows)

    return _all(database, some)


def delete_removed(database: Database, stores: Stores) -> int:
    """Takes what is marked as removed out of its store. The row comes first: a file that is half gone is not served."""
    removed, last = 0, 0
    while True:
        with database.read() as session:
            wanted = select(MediaFile).where(
                MediaFile.stored != "", MediaFile.state == MediaState.REMOVED, MediaFile.id > last
            )
            rows = session.scalars(wanted.order_by(MediaFile.id).limit(AT_ONCE)).all()
        for row in rows:
            last = row.id
            try:
                stores.get(row.store).delete(row.stored)
            except StoreError as error:
                log.warning("file not removed", extra={"file": row.id, "reason": error.message})
                continue
            with database.write() as session:
                session.get_one(MediaFile, row.id).stored = ""
            removed += 1
        if len(rows) < AT_ONCE:
            return removed


def _mark(row: MediaFile, reason: str) -> None:
    row.state, row.reason, row.removed_at = MediaState.REMOVED, reason, clock.now()


def _row(session: Session, media_id: int) -> MediaFile:
    row = session.get(MediaFile, media_id, with_for_update=True, populate_existing=True)
    if row is None or row.state == MediaState.LOOKED:
        raise NotFound(f"There is no file {media_id}.")
    return row


def _all(database: Database, some: Callable[[Session], int]) -> int:
    done = 0
    while True:
        with database.write() as session:
            count = some(session)
        done += count
        if count < AT_ONCE:
            return done
