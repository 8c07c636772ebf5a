"""Cursors of two numbers, and where a look through several sub-accounts' newest rows has to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import Location

# Digits of the largest number that either engine keeps in a column.
_LONGEST = 19


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A row's place in its order: its position, and its id among those of one position."""

    position: int
    id: int = 0

    def __str__(self) -> str:
        return f"{self.position}-{self.id}"

    @classmethod
    def read(cls, raw: str) -> "Key | None":
        """The key of an address. Raises `NotFound` for one that nobody gave out."""
        if not raw:
            return None
        parts = raw.split("-")
        if len(parts) != 2 or not all(each.isascii() and each.isdigit() and len(each) < _LONGEST for each in parts):
            raise NotFound("There is no such page of the list.")
        return cls(int(parts[0]), int(parts[1]))


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows of sub-accounts, newest first: the columns that an index has in this order, and which rows it holds.

    `place` is None where the rows of all sub-accounts are looked through in one order.
    """

    position: Any
    id: Any
    place: Any = None
    holds: tuple[ColumnElement[bool], ...] = ()

    def before(self, key: Key | None) -> tuple[ColumnElement[bool], ...]:
        """The rows of the stream that come after the cursor."""
        if key is None:
            return self.holds
        # The first is what the index can use on both engines.
        return (*self.holds, self.position <= key.position, tuple_(self.position, self.id) < (key.position, key.id))

    def newest(self) -> tuple[Any, ...]:
        """The order."""
        return self.position.desc(), self.id.desc()


def lowest(session: Session, stream: Stream, places: Sequence[int], before: Key | None, most: int) -> int | None:
    """The position down to which every sub-account may be looked through, so that no more than about `most` rows are
    read in all; None where there are not so many. Rows of one position are read together, or not at all."""
    if stream.place is None:
        wanted = select(stream.position).where(*stream.before(before)).order_by(*stream.newest())
        found: int | None = session.scalar(wanted.offset(most - 1).limit(1))
        return found
    each = max(most // max(len(places), 1), 1)
    own = select(stream.position).where(stream.place == Location.id, *stream.before(before))
    last = own.order_by(*stream.newest()).offset(each - 1).limit(1).correlate(Location).scalar_subquery()
    ends = select(last.label("position")).where(Location.id.in_(places)).subquery()
    found = session.scalar(select(func.max(ends.c.position)))
    return found


def above(
    wanted: Select[Any], stream: Stream, places: Sequence[int], before: Key | None, low: int | None
) -> Select[Any]:
    """The query for the stream's rows from the cursor down to `low`, in their order."""
    if stream.place is not None:
        wanted = wanted.where(stream.place.in_(places) if len(places) != 1 else stream.place == places[0])
    wanted = wanted.where(*stream.before(before)).order_by(*stream.newest())
    return wanted if low is None else wanted.where(stream.position >= low)
