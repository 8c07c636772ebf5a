"""What the API takes and gives, as types: they check what comes in, and the documentation is made of them."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

from portal.web import LAST_ID

Item = TypeVar("Item")
MOST_ON_A_PAGE = 200

RowId = Annotated[int, Meta(ge=1, le=LAST_ID, description="A number of ours.")]
LocationId = Annotated[
    str,
    Meta(
        max_length=128,
        description="HighLevel's id of the sub-account. It may be left out when the key reaches one alone.",
    ),
]
Moment = Annotated[datetime, Meta(tz=True, description="A moment with its zone, as 2026-12-01T09:00:00+08:00.")]
Limit = Annotated[int, Meta(ge=1, le=MOST_ON_A_PAGE, description="How many on a page, at most.")]
Cursor = Annotated[str, Meta(max_length=64, description="`next` of the page before; without it the first page.")]


class PageWanted(Struct, forbid_unknown_fields=True):
    """Which page of a list: how long, after what."""

    limit: Limit = 50
    cursor: Cursor = ""


class Wanted(Struct, forbid_unknown_fields=True):
    """Which page of a list: of which location, how long, after what."""

    location: LocationId = ""
    limit: Limit = 50
    cursor: Cursor = ""


class Page(Struct, Generic[Item]):
    """A part of a list. `next` is the cursor of the next part, null at the end.

    A part may be shorter than its limit, or empty, and still have a `next`: so many rows are looked at and no more.
    """

    data: list[Item]
    next: str | None = None
