"""Whose rows a signed-in person may read. Every query of these pages goes through here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from portal.models import Location


@dataclass(frozen=True, slots=True)
class Scope:
    """One agency's locations, or all of them for the operator (`agency_id` None).

    With `location_ids` only these of them, and nothing of the agency's own.
    """

    agency_id: int | None
    location_ids: frozenset[int] | None = None

    @property
    def everything(self) -> bool:
        """Is this the operator's?"""
        return self.agency_id is None and self.location_ids is None

    @property
    def whole_agency(self) -> bool:
        """Does it reach what belongs to the agency as a whole?"""
        return self.location_ids is None

    def narrow(self, wanted: Select[Any]) -> Select[Any]:
        """The query, of which `Location` must be part, without other tenants' rows."""
        if self.agency_id is not None:
            wanted = wanted.where(Location.agency_id == self.agency_id)
        return wanted if self.location_ids is None else wanted.where(Location.id.in_(self.location_ids))


def locations(session: Session, scope: Scope, limit: int) -> Sequence[Location]:
    """The locations by name, those without one last; at most `limit`."""
    wanted = select(Location).order_by(Location.name == "", Location.name, Location.id).limit(limit)
    return session.scalars(scope.narrow(wanted)).all()


def location_by_ghl_id(session: Session, scope: Scope, ghl_id: str) -> Location | None:
    """The location that HighLevel calls so, when it is in scope."""
    found: Location | None = session.scalar(scope.narrow(select(Location).where(Location.ghl_id == ghl_id)))
    return found


def has_location(session: Session, scope: Scope, location_id: int) -> bool:
    """Is the location with this id in scope?"""
    return session.scalar(scope.narrow(select(Location.id).where(Location.id == location_id))) is not None


def location_ids(session: Session, scope: Scope) -> frozenset[int]:
    """The ids of the locations in scope."""
    return frozenset(session.scalars(scope.narrow(select(Location.id))))


def location(session: Session, scope: Scope, location_id: int) -> Location | None:
    """The location with this id, when it is in scope."""
    found: Location | None = session.scalar(scope.narrow(select(Location).where(Location.id == location_id)))
    return found


def named(session: Session, scope: Scope, text: str, limit: int) -> Sequence[Location]:
    """The locations whose name or id in HighLevel has this text in it, by name; all when it is empty."""
    wanted = select(Location).order_by(Location.name == "", Location.name, Location.id).limit(limit)
    if text:
        columns = (Location.name, Location.ghl_id)
        wanted = wanted.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    return session.scalars(scope.narrow(wanted)).all()
