"""A message's files as its page shows them: by addresses that work for some minutes and for whoever sees the page.

Inside HighLevel they work once, and for who is there only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response
from sqlalchemy import select

from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.media.sniffing import SHOWN
from portal.messaging.media import title, view_path
from portal.models import Location, MediaFile, MediaState
from portal.web import one_use
from portal.web.context import services
from portal.web.media import served
from portal.web.pages import routes
from portal.web.viewer import viewer

# Above this a picture is a link: a page must not fetch a film's worth of photos.
LARGEST_PICTURE = 5_000_000


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One file. `address` is "" where there is nothing to open; `size` is in bytes."""

    name: str
    kind: str
    size: int | None
    state: str
    reason: str
    address: str
    picture: bool


@routes.get("/files/<int:file_id>", Permission.VIEW)
def message_file(file_id: int) -> Response:
    """One file's bytes."""
    query = select(MediaFile).join(Location, Location.id == MediaFile.location_id).where(MediaFile.id == file_id)
    with services().database.read() as session:
        row = session.scalar(viewer().scope.narrow(query))
    if row is None or row.state not in (MediaState.KEPT, MediaState.REMOVED):
        raise NotFound("There is no such file, or it is not yours to see.")
    return served(row, "no-store")


def shown(secret_key: str, rows: Sequence[MediaFile]) -> list[ShownFile]:
    """The files in their order."""
    return [_shown(secret_key, row) for row in rows]


def _shown(secret_key: str, row: MediaFile) -> ShownFile:
    kept = row.state == MediaState.KEPT
    picture = kept and row.type.startswith("image/") and row.type in SHOWN and (row.size or 0) <= LARGEST_PICTURE
    return ShownFile(
        name=title(row),
        kind=row.type or row.claimed_type,
        size=row.size,
        state="revoked" if kept and row.revoked_at else row.state,
        reason=row.reason,
        address=_address(secret_key, row) if kept else "",
        picture=picture,
    )


def _address(secret_key: str, row: MediaFile) -> str:
    if viewer().location_id is None:
        return view_path(secret_key, row)
    return one_use.link(".message_file", file_id=row.id)
