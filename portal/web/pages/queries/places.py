"""Whose sender a new one is to be: the sub-accounts that somebody may choose from."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.models import Location, Sender, SenderState
from portal.web.pages.queries import scope as scopes
from portal.web.pages.queries.scope import Scope

MOST = 50


def find(session: Session, scope: Scope, text: str) -> Sequence[Location]:
    """Those with the text in their name or id, by name, at most `MOST`."""
    wanted = scope.narrow(select(Location))
    if text:
        named = (Location.name, Location.ghl_id)
        wanted = wanted.where(or_(*(column.icontains(text, autoescape=True) for column in named)))
    rows: Sequence[Location] = session.scalars(
        wanted.order_by(Location.name == "", Location.name, Location.id).limit(MOST)
    ).all()
    return rows


def one(session: Session, scope: Scope, ghl_id: str, own: int | None) -> Location | None:
    """The one that is named; without a name the viewer's own, or the only one in scope."""
    if own is not None:
        mine: Location | None = session.scalar(scope.narrow(select(Location).where(Location.id == own)))
        return mine
    if ghl_id:
        return scopes.location_by_ghl_id(session, scope, ghl_id)
    few = scopes.locations(session, scope, 2)
    return few[0] if len(few) == 1 else None


def has_senders(session: Session, location_id: int) -> bool:
    """Has it a sender already?"""
    present = Sender.location_id == location_id, Sender.state != SenderState.REMOVED
    return bool(session.scalar(select(func.count()).select_from(Sender).where(*present)))
