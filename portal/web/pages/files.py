"""A message's files as its page shows them: by addresses that work for some minutes and for whoever sees the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.media.sniffing import SHOWN
from portal.messaging.media import title, view_path
from portal.models import MediaFile, MediaState

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
        address=view_path(secret_key, row) if kept else "",
        picture=picture,
    )
