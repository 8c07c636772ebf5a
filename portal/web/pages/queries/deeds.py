"""Reading deeds upon many messages: one with what became of each message."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from portal.models import Deed, DeedItem, Location, Message
from portal.web.pages.queries.scope import Scope

# Messages of a deed that its page lists; all of them are counted.
LISTED = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A message of a deed and what became of it."""

    item: DeedItem
    message: Message


def one(session: Session, scope: Scope, uuid: str) -> Deed | None:
    """The deed with this id, when all of its messages are in scope."""
    deed = session.scalar(select(Deed).where(Deed.uuid == uuid))
    if deed is None or scope.everything:
        return deed
    mine = scope.narrow(select(Location.id))
    items = select(DeedItem.id).join(Message, Message.id == DeedItem.message_id).where(DeedItem.deed_id == deed.id)
    strange = session.scalar(items.where(Message.location_id.not_in(mine)).limit(1))
    return deed if strange is None else None


def counted(session: Session, deed_id: int) -> dict[str, int]:
    """How many of its messages are in each state."""
    states = select(DeedItem.state, func.count()).where(DeedItem.deed_id == deed_id).group_by(DeedItem.state)
    return {row[0]: row[1] for row in session.execute(states)}


def lines(session: Session, deed_id: int) -> Sequence[Line]:
    """The first of its messages, those that nothing was done to before the others."""
    wanted = select(DeedItem, Message).join(Message, Message.id == DeedItem.message_id)
    wanted = wanted.where(DeedItem.deed_id == deed_id).options(joinedload(Message.location))
    rows = session.execute(wanted.order_by(DeedItem.state.desc(), DeedItem.id).limit(LISTED)).all()
    return [Line(row[0], row[1]) for row in rows]
