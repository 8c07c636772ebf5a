"""Where files are kept: can it be written and read, and is anything left behind?"""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select

from portal import clock
from portal.doctor.findings import Finding, fault, ok, warn
from portal.media.folder import StoreError
from portal.models import MediaFile, MediaState
from portal.services import Services

LATE_AFTER = timedelta(hours=1)


def media_stores(services: Services) -> Iterator[Finding]:
    """Each store is written, read and cleaned once. The room on the disk is told with the folders."""
    for store in services.stores.known.values():
        name = "media store" if store is services.stores.first else "media store, older"
        try:
            yield ok(name, store.check())
        except StoreError as error:
            yield fault(name, error.message, "Make it writable, or correct MEDIA_DIR or MEDIA_S3.")


def media_files(services: Services) -> Iterator[Finding]:
    """Files that wait, and files in a store that the settings do not name any more."""
    name = "media files"
    with services.database.read() as session:
        waiting = session.scalar(
            select(func.count(MediaFile.id)).where(
                MediaFile.state == MediaState.WANTED, MediaFile.created_at < clock.now() - LATE_AFTER
            )
        )
        used = session.scalars(select(MediaFile.store).where(MediaFile.stored != "").distinct()).all()
    lost = sorted(set(used) - set(services.stores.known))
    if lost:
        says = f"Files are in {', '.join(lost)}, which MEDIA_S3 does not name: their addresses are dead."
        yield fault(name, says, "Add it at the end of MEDIA_S3.")
    if waiting:
        says = f"{waiting} file(s) have been waited for for over an hour."
        yield warn(name, says, "flask media list --state wanted says why.")
    if not lost and not waiting:
        yield ok(name, "none waits, all are in a store that is known")
