"""All SQL of the API's reads. Everything is fetched through its owner, and every list is bounded."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import tuple_
from sqlalchemy.orm import Session

from portal.web import LAST_ID
from portal.web.api.blueprint import InvalidField


def number(cursor: str) -> int | None:
    """A cursor that is a row's id. Raises `InvalidField` for one that nobody gave out."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20 and int(cursor) <= LAST_ID):
        raise InvalidField("cursor", "There is no such page of the list.")
    return int(cursor)


def pair(cursor: str) -> tuple[int, int] | None:
    """A cursor that is a place and a row's id, as `12-345`. Raises like `number`."""
    if not cursor:
        return None
    first, _, second = cursor.partition("-")
    one, two = number(first), number(second)
    if one is None or two is None:
        raise InvalidField("cursor", "There is no such page of the list.")
    return one, two


def newest_first(session: Session, wanted: Any, id_: Any, cursor: str, limit: int) -> tuple[Sequence[Any], str]:
    """A page of rows by their falling ids, and the cursor of the next, "" at the end."""
    before = number(cursor)
    if before is not None:
        wanted = wanted.where(id_ < before)
    rows = session.execute(wanted.order_by(id_.desc()).limit(limit + 1)).all()
    return rows[:limit], str(getattr(rows[limit - 1][0], "id")) if len(rows) > limit else ""  # noqa: B009


def by_place(session: Session, wanted: Any, place: Any, id_: Any, cursor: str, limit: int) -> tuple[Sequence[Any], str]:
    """The same by a falling place (the order in a conversation, say), rows of the same place by their ids."""
    before = pair(cursor)
    if before is not None:
        wanted = wanted.where(place <= before[0], tuple_(place, id_) < before)
    rows = session.execute(wanted.order_by(place.desc(), id_.desc()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, ""
    last = rows[limit - 1][0]
    return rows[:limit], f"{getattr(last, place.key)}-{last.id}"
