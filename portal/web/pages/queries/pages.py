"""Pages of long lists: newest first, by a cursor, and never reading more rows than a page may cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from portal.errors import NotFound

PAGE = 50
# What a page may look at to find its rows; then it offers to keep looking.
LOOKED_AT = 5000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and the id below which the next page begins (None at the end).

    `gave_up` says that the page is not full because it looked at as many rows as it may.
    """

    rows: Sequence[Row]
    older: int | None = None
    gave_up: bool = False


def cursor(raw: str) -> int | None:
    """The cursor of an address. Raises `NotFound` for one that nobody gave out."""
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise NotFound("There is no such page of the list.")
    return int(raw)
