"""Whose rows a signed-in person may read. Every query of these pages goes through here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.models import Location, User


@dataclass(frozen=True, slots=True)
class Scope:
    """One agency's locations, or all of them for the operator (`agency_id` None)."""

    agency_id: int | None

    @classmethod
    def of(cls, user: User) -> "Scope":
        """What this user may read."""
        return cls(user.agency_id)

    @property
    def everything(self) -> bool:
        """Is this the operator's?"""
        return self.agency_id is None

    def narrow(self, wanted: Select[Any]) -> Select[Any]:
        """The query, of which `Location` must be part, without other agencies' rows."""
        return wanted if self.everything else wanted.where(Location.agency_id == self.agency_id)


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
    """The ids of an agency's locations."""
    return frozenset(session.scalars(scope.narrow(select(Location.id))))
